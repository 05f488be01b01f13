"""What stands behind a command.

Invariant: a wrong word is a UsageError that shows a right one.
"""

from metalor_lang.diagnostics.suggest import nearest
from metalor_lang.errors import UsageError
from metalor_lang.repl.core import Core
from metalor_lang.repl.timeline import entries, length, waiting


def no_words(words: str, command: str) -> None:
    """For commands that take none."""
    if words:
        raise UsageError(f"{command} takes no words", help=f"write {command}")


def one_word(words: str, command: str, example: str) -> str:
    """The one word of a command."""
    if not words:
        raise UsageError(f"{command}: the word behind it is missing", help=f"write {example}")
    return words


def count_of(words: str, command: str) -> int:
    """A number from 1; 1 when there is none."""
    if not words:
        return 1
    if not words.isascii() or not words.isdigit() or int(words) < 1:
        raise UsageError(f"{command} {words}: not a number from 1", help=f"write {command} 2")
    return int(words)


def step_of(core: Core, words: str, command: str, *, waiting: bool = False) -> int:
    """The number of a statement, given as such or as the name of a stage (its last one).

    Args:
        core: whose recipe.
        words: what was typed.
        command: for the error.
        waiting: whether statements that wait count.

    """
    line, queue = core.now.standing(length(core.now.line))
    most = length(line) + (length(queue) if waiting else 0)
    if words.isascii() and words.isdigit():
        if int(words) <= most:
            return int(words)
        shown = "there is none yet" if not most else f"there are {most}, see :list"
        raise UsageError(f"{command} {words}: there is no such statement", help=shown)
    stages = stage_ends(core)
    if words in stages:
        return stages[words]
    near = nearest(words, stages)
    known = ", ".join(stages) or "none yet"
    hint = f"did you mean {near}? " if near else ""
    raise UsageError(f"{command} {words}: neither a number nor a stage", help=f"{hint}stages: {known}")


def stage_ends(core: Core) -> dict[str, int]:
    """The last statement of each stage, those that wait but were carried out before included."""
    line, queue = core.now.line, core.now.queue
    found = {
        part.title: number
        for number, entry in enumerate(entries(line), 1)
        for part in (*entry.flat, entry)
        if part.stage >= 0
    }
    number = length(line)
    for item in waiting(queue):
        number += 1
        if item.cell is None:
            break
        if item.cell.entry.stage >= 0:
            found[item.cell.entry.title] = number
    return found


def bare(text: str) -> str:
    """A statement without the comments above it."""
    lines = text.strip().split("\n")
    first = next((at for at, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")), 0)
    return "\n".join(lines[first:])
