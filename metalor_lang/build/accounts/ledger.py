"""The account of one plan's builds: what the last one was, and whether this one leaves anything new to keep.

Invariant: a build that found everything as the last one did writes nothing, and reads one line to know; nothing that
answers or keeps is imported for it.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from metalor_lang.build.bases import Bases
from metalor_lang.build.events import Why
from metalor_lang.build.folders import Folders
from metalor_lang.build.lookup import Place
from metalor_lang.build.tally import Tally
from metalor_lang.digest import sha256
from metalor_lang.guards import Lock
from metalor_lang.hints import TYPE_CHECKING, Final, Protocol
from metalor_lang.plan.graph import Plan, Step
from metalor_lang.record import dataclass
from metalor_lang.store.store import Store

if TYPE_CHECKING:
    from metalor_lang.build.accounts.reasons import Reasons
    from metalor_lang.store.records import StepRecord

FOLDER: Final = "builds"
"""Of a store, with a file for each account."""
MAGIC: Final = b"metalor account 1\n"
"""What such a file begins with; the signature of its build follows."""
SUM: Final = 71
"""Length of a signature and of a digest, `sha256:HEX`."""


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
        with open(store.root / FOLDER / whose.file_name, "rb", buffering=0) as stream:
            return stream.read(len(MAGIC) + SUM) == MAGIC + signature
    except OSError:
        return False


class Answering(Protocol):
    """Who says why steps run."""

    def why(self, place: Place, found: Mapping[Place, "StepRecord"]) -> Why:
        """Why a step runs, in a few words; arguments as of `Ledger.why`."""
        ...


class Ledger:
    """One build's side of the account of its plan; its methods are called from any number of threads.

    Args:
        plan: what is built.
        store: an open one.
        bases: of the build.
        contexts: of the recipe.
        name: what the recipe is remembered by.
        path: of its file.

    """

    def __init__(self, plan: Plan, *, store: Store, bases: Bases, contexts: Folders, name: str, path: Path) -> None:
        self._plan = plan
        self._store = store
        self._bases = bases
        self._contexts = contexts
        self._whose = whose(plan, name, path)
        self._lock = Lock()
        self._reasons: Reasons | None = None

    @property
    def reasons(self) -> "Reasons":
        """What says why steps run, made once for all stages."""
        from metalor_lang.build.accounts.reasons import Reasons

        with self._lock:
            if self._reasons is None:
                self._reasons = Reasons(
                    self._plan, store=self._store, bases=self._bases, contexts=self._contexts, whose=self._whose
                )
            return self._reasons

    def why(self, place: Place, found: Mapping[Place, "StepRecord"]) -> Why:
        """Why a step runs, in a few words.

        Args:
            place: of the step.
            found: the records of those that need not run.

        """
        return self.reasons.why(place, found)

    def close(self, tally: Tally, *, finished: bool) -> None:
        """Keep what the next build is compared with, where it is not what the last one left.

        Args:
            tally: what became of the steps.
            finished: whether the build came to its end.

        """
        signed = signature(self._plan, tally.skipped) if finished else None
        if signed is not None and noted(self._store, self._whose, signed):
            return
        from metalor_lang.build.accounts.keeping import keep

        done = None if finished and not tally.skipped else frozenset(tally.done)
        keep(self._plan, self._whose, signed, done, store=self._store, contexts=self._contexts)


def _short(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogateescape")).removeprefix("sha256:")[:16]
