"""Why a step runs: causes as data.

Invariant: plain values; a cause never holds what must not be shown (see `shown`).
"""

from enum import StrEnum

from metalor_lang.checker.scope import looks_secret
from metalor_lang.hints import Final
from metalor_lang.plan.why.account import Place
from metalor_lang.record import dataclass

HIDDEN: Final = "(hidden)"
"""What stands for a value whose name looks like a secret's."""


class Code(StrEnum):
    """What kind of cause it is; the values are what JSON has, and stay."""

    # what changed since the last build
    NEVER_BUILT = "never-built"
    STATEMENT = "statement"
    NEW_STATEMENT = "new-statement"
    REMOVED_STATEMENT = "removed-statement"
    MOVED_STATEMENT = "moved-statement"
    ARGUMENT = "argument"
    ENVIRONMENT = "environment"
    USER = "user"
    WORKDIR = "workdir"
    SHELL = "shell"
    BASE = "base"
    PLATFORM = "platform"
    EPOCH = "epoch"
    FORMAT = "format"
    FILE = "file"
    FILES = "files"
    FETCHED = "fetched"
    PART = "part"
    # what became of the results
    NO_CACHE = "no-cache"
    EXPIRED = "expired"
    RECORD_GONE = "record-gone"
    SNAPSHOTS_GONE = "snapshots-gone"
    DAMAGED = "damaged"
    BASE_GONE = "base-gone"
    UNFINISHED = "unfinished"
    MADE_ANEW = "made-anew"
    # another step
    BEHIND = "behind"


class Change(StrEnum):
    """What happened to a file; of a context neither owner nor time matters."""

    CONTENT = "content"
    MODE = "mode"
    KIND = "kind"
    TARGET = "target"
    OWNER = "owner"
    TIME = "time"
    NEW = "new"
    GONE = "gone"
    IGNORED = "ignored"
    NOT_IGNORED = "not-ignored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One reason.

    Args:
        code: its kind.
        name: of what changed: an argument, a variable, a path, a base, a part of the key, a removed statement.
        old, new: the values; None where there is none (an argument that was not named, a base of scratch).
        change: of a file.
        via: the statement between: the ENV that an argument came through, the one that set a variable; of what comes
            from outside, what became of the lock; of an ignored file, the rule; of files that are not named, why.
        line: of `via` in the recipe, 0 where it is not there any more.
        more: how many other files changed beside this one, which are not listed.

    """

    code: Code
    name: str = ""
    old: str | None = None
    new: str | None = None
    change: Change | None = None
    via: str = ""
    line: int = 0
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found of a step: causes of its own, and the place of a step above that has some."""

    causes: tuple[Cause, ...] = ()
    behind: Place | None = None

    def __bool__(self) -> bool:
        return bool(self.causes) or self.behind is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why one step runs.

    Args:
        causes: its own; empty where it only runs because of another step.
        root: where the first change is: the place itself, or a step (or the base, number 0) that it stands on.
        first: the causes of the root.
        changed: the root is not what it was; else it only runs again.
        title: of the root's stage.

    """

    causes: tuple[Cause, ...]
    root: Place
    first: tuple[Cause, ...]
    changed: bool = True
    title: str = ""


def shown(name: str, value: str | None) -> str | None:
    """A value as it may be shown under its name."""
    return HIDDEN if value is not None and looks_secret(name) else value
