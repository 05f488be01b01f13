"""`:load :run :break :next :continue`: recipes from files, and walking through what waits.

Invariant: a file with errors is not loaded; nothing of it runs then.
"""

from collections.abc import Iterator
from pathlib import Path

from metalor_lang.build.reading import read_recipe
from metalor_lang.errors import UsageError
from metalor_lang.record import replace
from metalor_lang.repl.acts.words import bare, no_words, one_word
from metalor_lang.repl.core import Core
from metalor_lang.repl.faults import Typed
from metalor_lang.repl.outcome import Mistake, Refusal, Result, Said
from metalor_lang.repl.pieces import Piece, pieces
from metalor_lang.repl.planning import checked, joined
from metalor_lang.repl.timeline import Queue, entries, length, waiting
from metalor_lang.screen.text import one_line
from metalor_lang.source import SourceFile


def load(core: Core, words: str) -> Iterator[Result]:
    """Take a recipe in place of this one; its statements wait."""
    name = one_word(words, ":load", ":load hello.metalor")
    path, source, cut = _read(name)
    if isinstance(cut, Refusal):
        yield cut
        return
    ground = core.ground(path)
    _, _, wrong = checked(source, core.now.args, ground)
    if wrong:
        ground.close()
        yield Refusal(diagnostics=wrong, source=source)
        return
    queue = core.queue_of([piece.text for piece in cut])
    core.save(item.serial for item in waiting(queue))
    core.breaks.clear()
    core.push(replace(core.now, line=None, queue=queue, place=ground))
    yield Said(lines=(f"{_count(queue)} of {name} {'waits' if length(queue) == 1 else 'wait'}: :next, :continue",))


def _count(queue: Queue) -> str:
    return f"{length(queue)} statement{'' if length(queue) == 1 else 's'}"


def run(core: Core, words: str) -> Iterator[Result]:
    """Carry out the statements of a file as if they were typed."""
    name = one_word(words, ":run", ":run tools.metalor")
    _, source, cut = _read(name)
    if isinstance(cut, Refusal):
        yield cut
        return
    spots = [Typed(source=source, start=piece.start) for piece in cut]
    yield from core.type([piece.text for piece in cut], spots.__getitem__)


def _read(name: str) -> tuple[Path, SourceFile, tuple[Piece, ...] | Refusal]:
    path, source, early = read_recipe(name)
    if early:
        return path, source, Refusal(diagnostics=early, source=source)
    return path, source, pieces(source.text, commands=False)


def stop(core: Core, words: str) -> Iterator[Result]:
    """Stop before the statement at a line."""
    line, queue = core.now.standing(length(core.now.line))
    texts = [(entry.serial, entry.text) for entry in entries(line)]
    texts += [(item.serial, item.text) for item in waiting(queue)]
    source, starts = joined([text for _, text in texts], "")
    if not words:
        places = [
            f"line {source.position(_word(source, start)).line}: {one_line(bare(text))}"
            for (serial, text), start in zip(texts, starts)
            if serial in core.breaks
        ]
        yield Said(lines=tuple(places) or ("there is no break; set one: :break 4",))
        return
    if not words.isascii() or not words.isdigit() or not 1 <= int(words) <= max(source.line_count, 1) or not texts:
        raise UsageError(
            f":break {words}: the recipe has no such line",
            help=f"its lines are 1 to {source.line_count}" if texts else "load a recipe first: :load hello.metalor",
        )
    at = source.line_span(int(words)).start
    index = sum(start <= at for start in starts) - 1
    serial = texts[index][0]
    core.breaks ^= {serial}
    word = "stops" if serial in core.breaks else "no longer stops"
    yield Said(lines=(f":continue {word} before {index + 1}: {one_line(bare(texts[index][1]))}",))


def _word(source: SourceFile, start: int) -> int:
    """Where a statement itself begins, behind the comments above it."""
    number = source.position(start).line
    while (line := source.line(number).strip()).startswith("#") or not line:
        number += 1
    return source.line_span(number).start


def next_one(core: Core, words: str) -> Iterator[Result]:
    """Carry out the next statement that waits."""
    no_words(words, ":next")
    if core.now.queue is None:
        yield _nothing_waits()
        return
    yield from core.proceed(1)


def go_on(core: Core, words: str) -> Iterator[Result]:
    """Carry out what waits, up to a failure or a break."""
    no_words(words, ":continue")
    if core.now.queue is None:
        yield _nothing_waits()
        return
    yield from core.proceed(length(core.now.queue))
    queue = core.now.queue
    if queue is not None and queue.serial in core.breaks:
        yield Said(lines=(f"stopped before {length(core.now.line) + 1}: {one_line(bare(queue.text))}",))


def _nothing_waits() -> Mistake:
    return Mistake(message="no statement waits", help=":load FILE takes a recipe, :goto STEP goes back in this one")
