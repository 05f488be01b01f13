"""Failures of a build as diagnostics: the statement, why it failed, its last lines, and what to do next.

Invariant: every failure names a code of `diagnostics.codes` and a place in the recipe.
"""

from metalor_lang.build.events import StepFailed, StepRef, Why
from metalor_lang.build.walk import Stopped
from metalor_lang.diagnostics.model import Diagnostic, Label
from metalor_lang.errors import Exit, MachineError, MetalorError, machine_error
from metalor_lang.hints import Final
from metalor_lang.plan.graph import Kind, PlannedStage, Step
from metalor_lang.source import SourceFile, Span

__all__ = ["BuildFailed", "Interrupted", "Refused", "Stopped", "command_failed", "failed_with", "sayable"]

_NOT_EXECUTABLE: Final = 126
_NOT_FOUND: Final = 127
_TIMED_OUT: Final = 124
_SIGNALS: Final = {4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 13: "SIGPIPE"}


class Refused(MetalorError):
    """The recipe has errors; nothing has run.

    Args:
        diagnostics: at least one.
        source: the text they point into.

    """

    def __init__(self, diagnostics: tuple[Diagnostic, ...], source: SourceFile, status: Exit = Exit.REFUSED) -> None:
        first = diagnostics[0]
        place = source.position(first.span.start)
        super().__init__(f"{source.path}:{place}: {first.code}: {first.message}", help=first.help)
        self.diagnostics = diagnostics
        self.source = source
        self.exit = status


class BuildFailed(MetalorError):
    """A step failed.

    Args:
        diagnostic: what and where.
        tail: the last lines of output.
        log: path of the whole output, "" if there is none.
        reason: the failure in few words, for events.
        status: exit status of the command, None where none ran.

    """

    def __init__(
        self,
        diagnostic: Diagnostic,
        *,
        reason: str,
        tail: tuple[bytes, ...] = (),
        log: str = "",
        status: int | None = None,
        exit: Exit = Exit.REFUSED,
    ) -> None:
        super().__init__(diagnostic.message, help=diagnostic.help)
        self.diagnostic = diagnostic
        self.reason = reason
        self.tail = tail
        self.log = log
        self.command_status = status
        self.exit = exit


class Interrupted(Stopped):
    """The user ended the build."""


def describe_status(code: int, signal: int | None, timed_out: bool, timeout: int | None) -> str:
    """`exit status 2`, `killed by SIGKILL`, `not found` … for people."""
    if timed_out:
        return f"no time left after {timeout} s" if timeout is not None else "no time left"
    if signal:
        name = _SIGNALS.get(signal, f"signal {signal}")
        return f"killed by {name}" + (" (often: no memory left)" if signal == 9 else "")
    if code == _NOT_FOUND:
        return "exit status 127 (a command was not found)"
    if code == _NOT_EXECUTABLE:
        return "exit status 126 (a command is not executable here)"
    return f"exit status {code}"


def command_failed(
    step: Step,
    *,
    code: int,
    signal: int | None,
    timed_out: bool,
    timeout: int | None,
    tail: tuple[bytes, ...],
    log: str,
    message: str = "",
    room: str = "",
) -> BuildFailed:
    """The failure of a RUN, SH or TEST; `room` is what helps where the store's disk is full, a likely cause."""
    reason = describe_status(code, signal, timed_out, timeout)
    test = step.kind is Kind.TEST
    if timed_out or (code == _TIMED_OUT and timeout is not None):
        number, help = "E0603", "give it more time, for example --timeout=10m, or see in its log what it waited for"
    elif code in (_NOT_FOUND, _NOT_EXECUTABLE) and message:
        # The runtime has a message only where it could not start the command itself.
        reason = message
        number, help = "E0602", "look into the image with `metalor shell`; a scratch image has no shell and no programs"
    elif signal and message:
        reason = f"killed: {message}"
        number, help = "E0601", "give it more, for example --memory 4G, or let it do less at once"
    elif room:
        number, help = "E0608" if test else "E0601", f"the disk of the store is full: {room}"
    elif test:
        number, help = "E0608", "`--no-tests` builds without the tests"
    else:
        number, help = "E0601", "the steps before it are cached; put it right and build again"
    what = "the test failed" if test else "the command failed"
    diagnostic = Diagnostic(code=number, message=f"{what}: {reason}", span=step.span, labels=came_from(step), help=help)
    return BuildFailed(diagnostic, reason=reason, tail=tail, log=log, status=code)


def sayable(error: MetalorError | OSError) -> MetalorError:
    """The error to show for what a part of the builder raised; an OSError that only a bug explains is raised again."""
    if isinstance(error, MetalorError):
        return error
    shown = machine_error(error)
    if shown is None:
        raise error
    return shown


def failed_with(error: MetalorError, step: Step, code: str) -> BuildFailed:
    """The failure of a step through an error of the builder or of the machine."""
    if isinstance(error, MachineError):
        code = "E0609"
    diagnostic = Diagnostic(code=code, message=error.message, span=step.span, labels=came_from(step), help=error.help)
    return BuildFailed(diagnostic, reason=error.message, exit=error.exit)


def base_failed(error: MetalorError, stage: PlannedStage) -> BuildFailed:
    """The failure of a stage whose image or tree cannot be had."""
    # No room on the disk is no damage of the image.
    code = "E0609" if isinstance(error, MachineError) else "E0503"
    diagnostic = Diagnostic(code=code, message=error.message, span=stage.span, help=error.help)
    return BuildFailed(diagnostic, reason=error.message, exit=error.exit)


def told_failure(ref: StepRef, failure: BuildFailed, took: int) -> StepFailed:
    """The event of a failed step; `took` in milliseconds."""
    return StepFailed(
        step=ref,
        reason=failure.reason,
        status=failure.command_status,
        tail=tuple(line.decode("utf-8", "backslashreplace") for line in failure.tail),
        log=failure.log,
        duration_ms=took,
    )


def no_workdir(path: str, *, there: bool) -> MetalorError:
    """A command cannot run in a folder that the image does not have."""
    why = "is no directory" if there else "does not exist"
    help = f"write WORKDIR {path} above it, which makes the folder, or make it in an earlier step"
    return MetalorError(f"the folder `{path}` to run in {why} in the image", help="" if there else help)


def refuse(code: str, message: str, span: Span, source: SourceFile, help: str = "") -> Refused:
    """One error at a place."""
    return Refused((Diagnostic(code=code, message=message, span=span, help=help),), source)


def came_from(step: Step) -> tuple[Label, ...]:
    """Where a step of a group or a loop stands, and what brought it there."""
    return step.origin.labels if step.origin is not None else ()


def not_cached(step: Step, why: Why | None = None) -> BuildFailed:
    """The failure of `--expect-cached` at a step that would have to run; `why` says for what."""
    reason = "not in the cache" + (f": {why.words}" if why is not None else "")
    diagnostic = Diagnostic(
        code="E0606",
        message=f"this step is {reason}; --expect-cached allows nothing to run",
        span=step.span,
        labels=came_from(step),
        help="build without --expect-cached, or see `metalor why` for all that would run, and what it is for",
    )
    return BuildFailed(diagnostic, reason=reason)
