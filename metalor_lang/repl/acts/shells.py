"""`:shell`: hand the terminal over, and keep what was done there as a step, or nothing of it.

Invariant: what a shell did is never part of the state; only a step that was carried out from the state before it is.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from metalor_lang.build.events import StepFinished, StepOutput, StepRef
from metalor_lang.build.failures import describe_status
from metalor_lang.build.lookup import Chain
from metalor_lang.build.perform import DEFAULT_PATH
from metalor_lang.build.users import Identity, resolve
from metalor_lang.errors import UsageError
from metalor_lang.hints import Final
from metalor_lang.oci.diff import candidates, diff
from metalor_lang.record import dataclass
from metalor_lang.repl.acts.trees import described, differences
from metalor_lang.repl.core import Core
from metalor_lang.repl.outcome import Done, Entry, Mistake, Question, Result, Said, Table
from metalor_lang.repl.pieces import pieces
from metalor_lang.runtime.request import BindSpec, LayeredView, StepRequest, StepStatus, Streams
from metalor_lang.runtime.rootfs import DraftView

FAILED: Final = "--failed"
NOTES: Final = "/.metalor-shell"
"""Where the shell writes down what is typed; a mount that is in no snapshot."""

_HISTORY: Final = "history"
# For a person the image's bash where it has one: Debian's sh edits no lines.
_COMFORTABLE: Final = "if command -v bash >/dev/null; then exec bash; else exec /bin/sh; fi"
_LEAVING: Final = ("exit", "logout")


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What a shell did.

    Args:
        status: how it ended.
        rows: what it changed, as `:diff` shows it.
        notes: more about that.
        commands: what was typed in it, as far as the shell keeps that.

    """

    status: StepStatus
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    commands: tuple[str, ...]


def shell(core: Core, words: str) -> Iterator[Result]:
    """Open a shell, or run a command, in the current state."""
    first, _, rest = words.partition(" ")
    chain = _failed(core) if first == FAILED else None
    command = rest.strip() if first == FAILED else words
    line = core.now.line
    if line is None or line.entry.stage < 0:
        raise UsageError(":shell: there is no image yet", help="begin one: FROM debian:12")
    terminal = core.person.terminal()
    if terminal is None and not command:
        raise UsageError(":shell: there is no terminal to hand over", help="write :shell COMMAND")
    entry = line.entry
    visit = _visit(core, entry, entry.chain if chain is None else chain, command, terminal)
    if not visit.status.ok:
        how = visit.status.message or describe_status(visit.status.code, visit.status.signal, False, None)
        if terminal is None:
            yield Mistake(message=f"the command failed: {how}", help="nothing of it is kept")
            return
        yield Said(lines=(f"the shell ended with {how}",))
    if not visit.rows:
        yield Said(lines=("no file was changed",))
        return
    yield Table(head=("", "mode", "size", "path"), rows=visit.rows, notes=visit.notes)
    if chain is not None:
        yield Said(lines=("thrown away: it stood on what a failed statement left behind",))
        return
    yield from _decide(core, visit)


def _failed(core: Core) -> Chain:
    stumble = core.attempts.stumble
    if stumble is None or stumble.chain is None:
        raise UsageError(":shell --failed: no command has failed here", help="write :shell for the current state")
    return stumble.chain


# --- keep or throw away -----------------------------------------------------------------------------------------------


def _decide(core: Core, visit: Visit) -> Iterator[Result]:
    count = len(visit.rows)
    answer = core.person.ask(
        Question(
            text=f"The shell changed {count} {'file' if count == 1 else 'files'}.",
            choices={"throw": "throw them away", "keep": "write a step that does the same, and carry it out"},
            default="throw",
        )
    )
    if answer != "keep":
        yield Said(lines=("thrown away",))
        return
    text = core.person.edit(as_step(visit), suffix=".metalor")
    cut = pieces(text) if text is not None else ()
    if not cut:
        yield Said(lines=("thrown away: there is no statement",))
        return
    if any(piece.command for piece in cut):
        raise UsageError("a step is a statement, and no command", help="thrown away; write SH and the commands")
    assert text is not None
    before = core.now
    wrong = False
    for result in core.type([piece.text for piece in cut], core.places(text, cut)):
        wrong = wrong or not isinstance(result, Done)
        yield result
    if wrong or before.line is None or core.now.line is None:
        return
    made, _ = differences(core, before.line.entry.chain, core.now.line.entry.chain)
    missing = [row[-1] for row in visit.rows if row[-1] not in {each[-1] for each in made}]
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        yield Said(lines=(f"the shell changed this too, and the step does not: {shown}",))


def as_step(visit: Visit) -> str:
    """The statement that is offered for what was typed, with what changed as comments above it."""
    lines = [f"# {' '.join(part for part in (row[0], row[-1]) if part)}" for row in visit.rows[:20]]
    if len(visit.rows) > 20:
        lines.append(f"# and {len(visit.rows) - 20} more")
    commands = visit.commands
    if len(commands) == 1 and "\n" not in commands[0] and not commands[0].endswith("\\"):
        return "\n".join([*lines, f"SH {commands[0]}", ""])
    if not commands:
        lines.append("# this shell keeps no history: write what it did")
    body = [f"    {line}" for command in commands for line in command.split("\n")]
    return "\n".join([*lines, "SH '''", *body, "    '''", ""])


# --- the shell --------------------------------------------------------------------------------------------------------


def _visit(core: Core, entry: Entry, chain: Chain, command: str, terminal: int | None) -> Visit:
    with ExitStack() as stack:
        draft = stack.enter_context(core.snapshotter.draft(chain))
        identity = resolve(draft.root, entry.state.user)
        workdir = entry.state.workdir or "/"
        if draft.root.stat(workdir, follow=True) is None:
            draft.root.makedirs(workdir, 0o755, (identity.uid, identity.gid))
        notes = _notes_folder(stack.enter_context(core.store.workspace("shell")), identity)
        request = _request(core, entry, identity, workdir, command, notes)
        ref = StepRef(
            stage=entry.stage, title=entry.title, number=0, total=0, kind="shell", text=command, line=0, key=""
        )  # fmt: skip
        began = time.monotonic()
        with core.running() as cancel:
            streams = Streams(output=_output(core, ref), terminal=terminal)
            status = core.runtime.run(draft.for_step(), request, streams, cancel)
        if terminal is None:
            core.events.emit(StepFinished(step=ref, duration_ms=int((time.monotonic() - began) * 1000)))
        rows, more = _changes(core, chain, draft)
        return Visit(status=status, rows=rows, notes=more, commands=_typed(notes) if not command else (command,))


def _output(core: Core, ref: StepRef) -> Callable[[bytes], None]:
    return lambda data: core.events.emit(StepOutput(step=ref, data=data))


def _notes_folder(work: Path, identity: Identity) -> Path:
    folder = work / "notes"
    folder.mkdir(mode=0o700)
    os.chown(folder, identity.uid, identity.gid)
    return folder


def _request(
    core: Core, entry: Entry, identity: Identity, workdir: str, command: str, notes: Path
) -> StepRequest:  # fmt: skip
    argv: tuple[str, ...] = ("/bin/sh", "-c", command or _COMFORTABLE)
    if command and entry.state.shell:
        argv = (*entry.state.shell, command)
    own = {
        "PATH": DEFAULT_PATH,
        "HOME": identity.home,
        "TERM": os.environ.get("TERM", "dumb"),
        **dict(entry.state.env),
    }
    if not command:
        # After the image's own: the session must find what was typed.
        own |= {"HISTFILE": f"{NOTES}/{_HISTORY}", "PROMPT_COMMAND": "history -a", "HISTCONTROL": ""}
    shown = LayeredView(lowers=(), upper=str(notes.relative_to(core.store.root)))
    return StepRequest(
        guest=entry.platform.split("/")[1] if "/" in entry.platform else "",
        argv=argv,
        env=tuple(sorted(own.items())),
        cwd=workdir,
        uid=identity.uid,
        gid=identity.gid,
        groups=identity.groups,
        mounts=(BindSpec(target=NOTES, source=shown, readonly=False),),
        limits=core.limits,
    )


def _changes(core: Core, chain: Chain, draft: DraftView) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
    with core.snapshotter.view(chain) as before:
        where = candidates([draft.upper]) if chain and core.snapshotter.name == "overlay" else None
        return described(diff(before, draft.root, where), before)


def _typed(notes: Path) -> tuple[str, ...]:
    """The commands of the history file, without those that only leave."""
    try:
        text = (notes / _HISTORY).read_text("utf-8", "replace")
    except FileNotFoundError:
        return ()
    return tuple(line for line in text.splitlines() if line.strip() and line.split()[0] not in _LEAVING)
