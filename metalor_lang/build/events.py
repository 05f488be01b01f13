"""What a build tells while it goes: events as data, and their JSON form.

Invariant: an event holds only plain values; `to_json` gives the same keys in every version of an event,
new keys may be added, none is renamed.
"""

from collections.abc import Mapping

from metalor_lang.digest import Json
from metalor_lang.guards import Lock
from metalor_lang.hints import TYPE_CHECKING, Final, Protocol
from metalor_lang.record import dataclass, fields

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRef:
    """Which step an event is about.

    Args:
        stage: 0-based index of the stage in the recipe.
        title: how the stage is called on the screen.
        number, total: 1-based number of the step in its stage, and how many the stage has.
        kind: a value of `plan.graph.Kind`.
        text: the statement.
        line: 1-based line of the statement in the recipe.
        key: the step's key, "sha256:…".
        platform: of its stage, as `linux/arm64`.
        values: of the loop variables and parameters that it names; a JSON object.

    """

    stage: int
    title: str
    number: int
    total: int
    kind: str
    text: str
    line: int
    key: str
    platform: str = ""
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Why a step runs.

    Args:
        code: a value of `plan.why.causes.Code`; "behind" where it runs because another one does.
        words: a few, as `VERSION 1 → 2`.

    """

    code: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildStarted:
    """The plan is made.

    Args:
        stages, skipped: titles of those that are built, and of those not needed.
        platforms: what is built for.

    """

    recipe: str
    target: str
    stages: tuple[str, ...]
    skipped: tuple[str, ...]
    steps: int
    platforms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStarted:
    """A stage is ready: everything that it reads is done."""

    stage: int
    title: str
    base: str
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted:
    """A step runs (it was not in the cache).

    Args:
        emulated: its programs are for another architecture than this machine's.
        why: it runs; None where nobody knows.

    """

    step: StepRef
    emulated: bool = False
    why: Why | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutput:
    """Bytes a step wrote, standard output and error together; not necessarily whole lines."""

    step: StepRef
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress:
    """How far a step is that fetches something; told now and then.

    Args:
        done, total: bytes; `total` is None where it is not known.

    """

    step: StepRef
    done: int
    total: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCached:
    """A step's result is in the store."""

    step: StepRef


@dataclass(frozen=True, slots=True, kw_only=True)
class StepConfigured:
    """A statement that changes the image's configuration only: nothing runs and nothing is looked up."""

    step: StepRef


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSkipped:
    """A step was left out on request (`--no-tests`)."""

    step: StepRef
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished:
    """A step ran and its result is in the store."""

    step: StepRef
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed:
    """A step failed; nothing of it is kept.

    Args:
        reason: in words ("exit status 2", "no time left after 30 s").
        status: exit status of the command, or None where no command ran.
        tail: the last lines of output.
        log: path of the whole output, "" if there is none.

    """

    step: StepRef
    reason: str
    status: int | None
    tail: tuple[str, ...]
    log: str
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStopped:
    """A step was ended before its end: the build was interrupted, or another step failed; nothing of it is kept."""

    step: StepRef
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something worth a line that is neither an error nor progress of one step."""

    text: str
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """An output was written. `digest` is the manifest's, or "" for plain trees."""

    output: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFinished:
    """The last event of every build.

    Args:
        ran, cached, skipped: how many steps.
        passed: how many of those that ran or were cached are tests.
        interrupted: somebody ended it.

    """

    ok: bool
    ran: int
    cached: int
    skipped: int
    duration_ms: int
    image: str
    passed: int = 0
    interrupted: bool = False


Event = (
    BuildStarted
    | StageStarted
    | StepStarted
    | StepOutput
    | StepProgress
    | StepCached
    | StepConfigured
    | StepSkipped
    | StepFinished
    | StepFailed
    | StepStopped
    | Notice
    | Exported
    | BuildFinished
)

EVENT_NAMES: Final[Mapping[type, str]] = {
    BuildStarted: "build-started",
    StageStarted: "stage-started",
    StepStarted: "step-started",
    StepOutput: "step-output",
    StepProgress: "step-progress",
    StepCached: "step-cached",
    StepConfigured: "step-configured",
    StepSkipped: "step-skipped",
    StepFinished: "step-finished",
    StepFailed: "step-failed",
    StepStopped: "step-stopped",
    Notice: "notice",
    Exported: "exported",
    BuildFinished: "build-finished",
}


class EventSink(Protocol):
    """Who listens to a build. `emit` is called from several threads at once and must not raise."""

    def emit(self, event: Event) -> None:
        """Take one event."""
        ...


class NullSink:
    """Listens to nothing."""

    def emit(self, event: Event) -> None:
        """Drop the event."""


class Recorder:
    """Keeps every event, in order of arrival; for programs and tests."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._events: list[Event] = []

    def emit(self, event: Event) -> None:
        """Keep the event."""
        with self._lock:
            self._events.append(event)

    @property
    def events(self) -> tuple[Event, ...]:
        """Everything so far."""
        with self._lock:
            return tuple(self._events)


def to_json(event: Event, when: "datetime | None" = None) -> dict[str, Json]:
    r"""One event as a JSON object for `--progress json`, one object a line.

    Fields of all: `event` (a name of EVENT_NAMES) and `time` (UTC, RFC 3339 with milliseconds). An event about a step
    has the fields of StepRef beside its own. Output is text: what is not UTF-8 stands as `\xNN`.
    """
    from datetime import UTC, datetime

    moment = (when or datetime.now(UTC)).astimezone(UTC)
    result: dict[str, Json] = {
        "event": EVENT_NAMES[type(event)],
        "time": moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z",
    }
    for field in fields(event):
        value = getattr(event, field.name)
        match value:
            case StepRef():
                result.update({part.name: getattr(value, part.name) for part in fields(value)})
                result["values"] = dict(value.values)
            case Why():
                result[field.name] = {"code": value.code, "words": value.words}
            case bytes():
                result["text"] = value.decode("utf-8", "backslashreplace")
            case tuple():
                result[field.name] = list(value)
            case _:
                result[field.name] = value
    return result
