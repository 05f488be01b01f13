"""Results as text.

Invariant: nothing that an image, a step or a recipe holds reaches the screen as a control character.
"""

from collections.abc import Sequence

from metalor_lang.diagnostics.render import render_human
from metalor_lang.hints import Final, assert_never
from metalor_lang.repl.outcome import (
    Done,
    Entry,
    Failure,
    Interruption,
    Left,
    Mistake,
    Moved,
    Question,
    Refusal,
    Result,
    Said,
    Table,
)
from metalor_lang.screen.text import duration, fit, one_line, output_line, width_of, with_values

_BOLD: Final = "1"
_DIM: Final = "2"
_RED: Final = "31"
_GREEN: Final = "32"
_CYAN: Final = "36"


def render(result: Result, *, color: bool = False, width: int = 100) -> str:
    """A result as lines, each ended by a newline; "" where there is nothing to say.

    Args:
        result: what to show.
        color: whether ANSI colours may be used.
        width: columns of the terminal.

    """
    paint = _Paint(color)
    match result:
        case Done():
            return _done(result, paint, width)
        case Refusal(diagnostics=diagnostics, source=source):
            return render_human(diagnostics, source, color=color, width=width)
        case Failure():
            return _failure(result, paint, width)
        case Interruption(statement=statement):
            return f"{paint(_RED, 'interrupted')}: {fit(one_line(statement), width - 14)}\n"
        case Mistake(message=message, help=help):
            text = f"{paint(_RED, 'error')}: {message}\n"
            return text + (f"  {paint(_CYAN, 'help')}: {help}\n" if help else "")
        case Moved():
            return _moved(result, paint, width)
        case Said(lines=lines):
            return "".join(f"{line}\n" for line in lines)
        case Table():
            return _table(result, paint, width)
        case Left():
            return ""
        case _:
            assert_never(result)


def render_question(question: Question, *, color: bool = False) -> str:
    """A question with its detail and choices."""
    paint = _Paint(color)
    detail = "".join(f"{_diff_line(line, paint)}\n" for line in question.detail)
    choices = "".join(f"  {paint(_BOLD, word)}  {means}\n" for word, means in question.choices.items())
    return f"{detail}{question.text}\n{choices}"


class _Paint:
    def __init__(self, color: bool) -> None:
        self._color = color

    def __call__(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._color and text else text


def _done(done: Done, paint: _Paint, width: int) -> str:
    return "".join(_passed(part, done.again, paint, width) for part in done.entry.flat if part.kind == "test")


def _passed(entry: Entry, again: bool, paint: _Paint, width: int) -> str:
    how = "passed before" if entry.cached or again else f"passed in {duration(entry.duration_ms)}"
    return f"{paint(_GREEN, how)}: {fit(one_line(entry.statement) + with_values(entry.values), width - len(how) - 2)}\n"


def _failure(failure: Failure, paint: _Paint, width: int) -> str:
    text = render_human((failure.diagnostic,), failure.source, color=paint(_RED, "x") != "x", width=width)
    if failure.tail:
        text += "its last lines:\n" + "".join(f"  | {output_line(line)}\n" for line in failure.tail)
    return text + (f"the whole output: {failure.log}\n" if failure.log else "")


def _moved(moved: Moved, paint: _Paint, width: int) -> str:
    if moved.entry is None:
        text = "at the very start: nothing is carried out\n"
    else:
        text = fit(f"{moved.position}: {one_line(moved.entry.statement)}", width) + "\n"
    if moved.waiting:
        text += paint(_DIM, f"{moved.waiting} behind it wait{'s' if moved.waiting == 1 else ''}") + "\n"
    return text + "".join(f"{paint(_DIM, note)}\n" for note in moved.notes)


def _table(table: Table, paint: _Paint, width: int) -> str:
    kept = [at for at in range(len(table.head)) if any(row[at] for row in table.rows)]
    text = ""
    if table.rows:
        shown = [[row[at] for at in kept] for row in table.rows]
        head = [table.head[at] for at in kept]
        sizes = [max(map(width_of, column)) for column in zip(head, *shown)]
        text += paint(_DIM, _cells(head, sizes, width)) + "\n" if any(head) else ""
        text += "".join(_cells(row, sizes, width) + "\n" for row in shown)
    return text + "".join(f"{note}\n" for note in table.notes)


def _cells(row: Sequence[str], sizes: Sequence[int], width: int) -> str:
    padded = [cell + " " * (room - width_of(cell)) for cell, room in zip(row[:-1], sizes)]
    left = "  ".join(padded)
    return fit(f"{left}  {row[-1]}" if padded else row[-1], max(width, width_of(left) + 12)).rstrip()


def _diff_line(line: str, paint: _Paint) -> str:
    if line.startswith("+"):
        return paint(_GREEN, line)
    return paint(_RED, line) if line.startswith("-") else line
