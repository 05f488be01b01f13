"""The plan: stages of steps, each with what it does, the state around it, and its key.

Invariant: a plan is data; equal inputs give equal keys on every machine.
"""

from collections.abc import Mapping
from enum import StrEnum

from metalor_lang.checker.program import Base, Platform, Program
from metalor_lang.diagnostics.model import Label
from metalor_lang.digest import Json
from metalor_lang.hints import Protocol
from metalor_lang.record import dataclass, field
from metalor_lang.source import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageState:
    """The image configuration at one point of a stage. Mappings are kept as ordered tuples of pairs."""

    env: tuple[tuple[str, str], ...] = ()
    user: str = ""
    workdir: str = "/"
    shell: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    exposed: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseInfo:
    """What the plan must know of a base image.

    Args:
        digest: identity of the base: manifest digest, or digest of the tree for `rootfs:`; "" for scratch.
        created: creation time of the base in seconds since 1970, or None.

    """

    digest: str
    state: ImageState = ImageState()
    platform: Platform | None = None
    created: int | None = None
    onbuild: tuple[str, ...] = ()


# --- what a step does ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheMount:
    """`--cache=PATH[,id=…][,sharing=…]`."""

    path: str
    id: str
    sharing: str = "shared"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretMount:
    """`--secret=NAME[:PATH]`."""

    name: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BindMount:
    """`--bind=[origin:]SRC:DST`, read-only; `stage` is an index, or None for a context of that name."""

    stage: int | None
    context: str
    source: str
    destination: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TmpfsMount:
    """`--tmpfs=PATH`."""

    path: str


Mount = CacheMount | SecretMount | BindMount | TmpfsMount


@dataclass(frozen=True, slots=True, kw_only=True)
class Exec:
    """RUN and SH: a command in the current state.

    Args:
        argv: the whole command; for SH the shell's words and the text.
        environment: every variable that the recipe and the base set (ENV and named ARGs), sorted;
            HOME, PATH and SOURCE_DATE_EPOCH are added when it runs.
        user, workdir: what applies to this step (the state's, or the flag's).
        default_shell: SH under the default SHELL: the runner adds pipefail where that shell has it.
        timeout, fresh: seconds, or None.

    """

    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    user: str
    workdir: str
    network: str = "host"
    mounts: tuple[Mount, ...] = ()
    default_shell: bool = False
    timeout: int | None = None
    fresh: int | None = None
    proxies: tuple[tuple[str, str], ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySource:
    """One source as written after expansion; `glob` when it was a bare word with `*`, `?` or `[`."""

    path: str
    glob: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyFiles:
    """COPY. `stage` is an index, or None for the context named `context` ("" is the default one)."""

    stage: int | None
    context: str
    sources: tuple[CopySource, ...]
    destination: str
    workdir: str
    user: str
    chown: str | None = None
    chmod: str | None = None
    excludes: tuple[str, ...] = ()
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteFile:
    """FILE."""

    destination: str
    content: bytes
    workdir: str
    user: str
    chown: str | None = None
    chmod: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeWorkdir:
    """WORKDIR: create `path`, owned by `user` where it is new."""

    path: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckUser:
    """USER: the name must exist in the image's own passwd and group."""

    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFile:
    """FETCH; `sha256` is that of the file: as written, or, when unpinned, as the address gives it now."""

    url: str
    sha256: str
    destination: str
    workdir: str
    user: str
    unpinned: bool = False
    unpack: bool = False
    chown: str | None = None
    chmod: str | None = None
    fresh: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneGit:
    """GIT; `commit` is a whole hash: as written, or, with a `branch`, what that is now."""

    url: str
    commit: str
    branch: str
    destination: str
    workdir: str
    user: str
    chown: str | None = None
    chmod: str | None = None
    fresh: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseLayer:
    """LAYER: what changed since the last one ships as a layer of this name."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Configure:
    """ENV, LABEL, CMD …: only the state changes."""


Action = Exec | CopyFiles | WriteFile | MakeWorkdir | CheckUser | FetchFile | CloneGit | CloseLayer | Configure


class Kind(StrEnum):
    """What a step is called in keys, events and the history."""

    RUN = "run"
    SH = "sh"
    COPY = "copy"
    FILE = "file"
    WORKDIR = "workdir"
    USER = "user"
    CONFIG = "config"
    TEST = "test"
    FETCH = "fetch"
    GIT = "git"
    LAYER = "layer"

    @property
    def writes(self) -> bool:
        """Whether a step of this kind may change files: only those are in the chain of keys."""
        return self not in (Kind.USER, Kind.CONFIG, Kind.TEST, Kind.LAYER)

    @property
    def acts(self) -> bool:
        """Whether a builder has to do or to look up anything: configuring and marking a layer is done by planning."""
        return self is not Kind.CONFIG and self is not Kind.LAYER


@dataclass(frozen=True, slots=True, kw_only=True)
class Via:
    """A USE, or a round of a FOR, that a step stands in.

    Args:
        path: the file, as messages call it.
        line: its line there, 1-based.
        text: which it is: "used here", "in the round V=1".
        values: what its names stand for.

    """

    path: str
    line: int
    text: str
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a step stands that FOR or USE made.

    Args:
        path: the file, as messages call it.
        line: its line there, 1-based.
        via: what brought it there, the innermost first.
        labels: the same as labels of an error at the step.
        values: of the loop variables and parameters that it names.

    """

    path: str
    line: int
    via: tuple[Via, ...]
    labels: tuple[Label, ...] = ()
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One statement of a stage, ready to run.

    Args:
        number: 1-based number within the stage.
        text: the statement as printed in events and the history (formatted; values of secrets never appear).
        parts: the named parts of the key; `metalor why` compares them.
        key: digest of the parts' canonical JSON. Its part "base" is the key of the last step before that writes
            files (or of the base): metadata and tests are no reason to run what follows again, because whatever of
            the state a step depends on is a part of its own.
        before, after: the image state around it.
        span: the statement in the recipe; of one in an imported file, the USE that brought it.
        origin: where it truly stands, and what it stands in, where that is more than its line.

    """

    number: int
    kind: Kind
    text: str
    action: Action
    before: ImageState
    after: ImageState
    parts: Mapping[str, Json]
    key: str
    span: Span = field(compare=False)
    origin: "Origin | None" = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStage:
    """A stage that is needed: its base, its steps in order, the stages to finish first, its epoch (seconds)."""

    index: int
    name: str | None
    title: str
    base: Base
    base_info: BaseInfo
    platform: Platform
    epoch: int
    base_key: str
    steps: tuple[Step, ...]
    needs: tuple[int, ...]
    span: Span = field(compare=False)

    @property
    def final(self) -> ImageState:
        """The image state after the last step."""
        return self.steps[-1].after if self.steps else self.base_info.state

    @property
    def key(self) -> str:
        """What the stage's files are made from: the key of the last step that writes files, or of the base."""
        return next((step.key for step in reversed(self.steps) if step.kind.writes), self.base_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything a build does: the needed stages in order, and the titles of the stages that are skipped."""

    program: Program
    stages: Mapping[int, PlannedStage]
    target: int
    skipped: tuple[str, ...]


class InputError(Exception):
    """An input of the plan cannot be had; the evaluator turns it into a diagnostic at the statement."""

    def __init__(self, code: str, message: str, help: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help


class Inputs(Protocol):
    """What evaluation needs of the outside world."""

    def base(self, base: Base, platform: Platform) -> BaseInfo:
        """The identity and configuration of an image or rootfs base; raises InputError."""
        ...

    def content(self, files: CopyFiles, epoch: int) -> str:
        """The digest of what a COPY from a context would copy (names, modes, contents); raises InputError.

        Args:
            files: the COPY.
            epoch: of its stage, in seconds since 1970; the digest does not depend on it.

        """
        ...

    def bound(self, mount: BindMount) -> str:
        """The digest of a bound context path; raises InputError."""
        ...

    def pinned(self, action: "FetchFile | CloneGit") -> str:
        """What an unpinned one is now: the SHA-256 of the file, the hash of the commit; raises InputError."""
        ...
