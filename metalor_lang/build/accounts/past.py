"""Accounts of the last builds, kept in the store: one for each recipe, platform and target.

Invariant: an account that is damaged, gone or of another version only costs the answer that it would have given.
"""

import json
import os
import zlib

from metalor_lang.build.accounts.ledger import FOLDER, MAGIC, SUM, Whose
from metalor_lang.digest import sha256
from metalor_lang.hints import Final
from metalor_lang.plan.why.account import Account, from_json, to_json
from metalor_lang.store.files import keep
from metalor_lang.store.store import Store

_KEPT: Final = 256
"""Accounts that are kept; the oldest go."""


class Past:
    """The accounts of a store: files in its folder `builds`."""

    def __init__(self, store: Store) -> None:
        self._tmp = store.tmp
        self._folder = store.root / FOLDER

    def note(self, whose: Whose, signature: bytes, account: Account) -> None:
        """Keep an account in place of the last one; what cannot be kept is not.

        Args:
            whose: which builds it is of.
            signature: as `signature` gives it; another text where the build was not finished.
            account: to keep.

        """
        body = zlib.compress(json.dumps(to_json(account)).encode("utf-8", "surrogateescape"), 1)
        data = MAGIC + signature + sha256(body).encode() + body
        keep(self._folder / whose.file_name, data, scratch=self._tmp, count=_KEPT)

    def recall(self, whose: Whose) -> Account | None:
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

    def _read(self, name: str) -> Account | None:
        try:
            data = (self._folder / name).read_bytes()
            start = len(MAGIC) + SUM
            body = data[start + SUM :]
            if data[: len(MAGIC)] != MAGIC or data[start : start + SUM] != sha256(body).encode():
                return None
            return from_json(json.loads(zlib.decompress(body)))
        except (OSError, ValueError, KeyError, TypeError, zlib.error):
            return None
