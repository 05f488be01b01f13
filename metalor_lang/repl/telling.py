"""Results at a terminal, where a step's output has been on the screen already.

Invariant: what was shown is not shown again; what a step wrote at another time is.
"""

from pathlib import Path

from metalor_lang.build.logs import TAIL_LINES
from metalor_lang.hints import Final
from metalor_lang.record import replace
from metalor_lang.repl.outcome import Done, Failure, Result
from metalor_lang.repl.render import render
from metalor_lang.screen.text import duration, fit, one_line, output_line, visible, width_of

_MOST: Final = 40
"""Lines that are shown of what a step wrote before."""
_LEAST: Final = 20
"""Columns that are left for a statement beside what is said of it."""


def told(result: Result, *, painted: bool, width: int) -> str:
    """A result as lines.

    Args:
        result: what to tell.
        painted: whether colours are wanted.
        width: columns of the terminal.

    """
    match result:
        case Done(entry=entry) if entry.kind != "test":
            before = "".join(recalled(Path(log)) for log in result.logs)
            passed = render(result, color=painted, width=width)
            return before + passed + _done(result, painted=painted, width=width)
        case Failure():
            log = result.log if len(result.tail) >= TAIL_LINES else ""  # else all of it stands just above
            return render(replace(result, tail=(), log=log), color=painted, width=width)
        case _:
            return render(result, color=painted, width=width)


def _done(done: Done, *, painted: bool, width: int) -> str:
    """A mark, the number, the statement if one does not see it, why it ran where that is news, and how long it took."""
    entry = done.entry
    if done.again or entry.cached:
        mark, colour, note = "=", 36, "as before" if done.again else "cached"
    elif entry.duration_ms:
        mark, colour, note = "✓", 32, duration(entry.duration_ms)
    else:
        mark, colour, note = "·", 2, ""
    notes = "".join(f"  {word}" for word in ("" if done.again else entry.why, note) if word)
    room = width - width_of(f"{mark} {done.number}  {notes}")
    text = "" if done.above else f"  {fit(one_line(entry.statement), max(room, _LEAST))}"
    if not painted:
        return f"{mark} {done.number}{text}{notes}\n"
    return f"\x1b[{colour}m{mark}\x1b[0m \x1b[2m{done.number}\x1b[0m{text}\x1b[2m{notes}\x1b[0m\n"


def recalled(log: Path) -> str:
    """The last lines of a log; "" where there is none: the step wrote nothing, or it was long ago."""
    try:
        lines = log.read_bytes().splitlines()
    except OSError:
        return ""
    more = f"… {len(lines) - _MOST} lines more: {visible(str(log))}\n" if len(lines) > _MOST else ""
    return more + "".join(f"{output_line(line)}\n" for line in lines[-_MOST:])
