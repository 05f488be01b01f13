"""Accounts of the last builds, kept in the store: one for each recipe, platform and target.

Invariant: a build that found everything as the last one did writes nothing, and reads one line to know. An account that
is damaged, gone or of another version only costs the answer that it would have given.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from metalor_lang.digest import sha256
from metalor_lang.hints import TYPE_CHECKING, Final
from metalor_lang.plan.graph import Plan, Step
from metalor_lang.record import dataclass
from metalor_lang.store.files import keep_newest, write_whole
from metalor_lang.store.store import Store

if TYPE_CHECKING:
    from metalor_lang.plan.why.account import Account

_MAGIC: Final = b"metalor account 1\n"
_SUM: Final = 71
_FOLDER: Final = "builds"
_KEPT: Final = 256
"""Accounts that are kept; the oldest go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """Which builds an account is of.

    Args:
        name: what the recipe is remembered by.
        path: its file, absolute.
        platform, target: what was built.

    """

    name: str
    path: str
    platform: str
    target: str

    @property
    def file_name(self) -> str:
        """Name, path, platform, target, a hash of each."""
        return "-".join(_short(text) for text in (self.name, self.path, self.platform, self.target))


def whose(plan: Plan, name: str, path: Path) -> Whose:
    """Which account a build of a plan gives."""
    return Whose(
        name=name,
        path=os.path.abspath(path),
        platform=str(plan.program.platform),
        target=plan.program.stages[plan.target].title,
    )


def signature(plan: Plan, left_out: Iterable[Step] = ()) -> bytes:
    """What two finished builds share exactly if their accounts say the same.

    Args:
        plan: what was built.
        left_out: tests that were not run.

    """
    without = {step.key for step in left_out}
    texts: list[str] = []
    for index, stage in plan.stages.items():
        texts += (str(index), stage.title, stage.base_key)
        for step in stage.steps:
            texts += ("" if step.key in without else step.key, step.text)
    return sha256("\0".join(texts).encode("utf-8", "surrogateescape")).encode()


def noted(store: Store, whose: Whose, signature: bytes) -> bool:
    """Whether the last build's account is there and has this signature: that of its plan, where it was finished."""
    try:
        with open(store.root / _FOLDER / whose.file_name, "rb", buffering=0) as stream:
            return stream.read(len(_MAGIC) + _SUM) == _MAGIC + signature
    except OSError:
        return False


class Past:
    """The accounts of a store: files in its folder `builds`."""

    def __init__(self, store: Store) -> None:
        self._tmp = store.tmp
        self._folder = store.root / _FOLDER

    def note(self, whose: Whose, signature: bytes, account: "Account") -> None:
        """Keep an account in place of the last one; what cannot be kept is not.

        Args:
            whose: which builds it is of.
            signature: as `signature` gives it; another text where the build was not finished.
            account: to keep.

        """
        import zlib

        from metalor_lang.plan.why.account import to_json

        body = zlib.compress(json.dumps(to_json(account)).encode("utf-8", "surrogateescape"), 1)
        data = _MAGIC + signature + sha256(body).encode() + body
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_whole(self._folder / whose.file_name, data, scratch=self._tmp, token="0" * 16, durable=False)
            keep_newest(self._folder, _KEPT)
        except OSError:
            return

    def recall(self, whose: Whose) -> "Account | None":
        """The account of the last build.

        Where there is none of this very recipe, platform and target: the last of the same recipe's others, then of a
        recipe of the same name elsewhere.
        """
        try:
            names = os.listdir(self._folder)
        except OSError:
            return None
        mine = whose.file_name.split("-")
        fits = [name for name in names if name.split("-")[0] == mine[0]]

        def likeness(name: str) -> tuple[bool, bool, bool, int]:
            _, path, platform, target = name.split("-")
            try:
                written = (self._folder / name).stat().st_mtime_ns
            except OSError:
                written = 0
            return path == mine[1], platform == mine[2], target == mine[3], written

        for name in sorted(fits, key=likeness, reverse=True):
            found = self._read(name)
            if found is not None:
                return found
        return None

    def _read(self, name: str) -> "Account | None":
        import zlib

        from metalor_lang.plan.why.account import from_json

        try:
            data = (self._folder / name).read_bytes()
            start = len(_MAGIC) + _SUM
            body = data[start + _SUM :]
            if data[: len(_MAGIC)] != _MAGIC or data[start : start + _SUM] != sha256(body).encode():
                return None
            return from_json(json.loads(zlib.decompress(body)))
        except (OSError, ValueError, KeyError, TypeError, zlib.error):
            return None


def _short(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogateescape")).removeprefix("sha256:")[:16]
