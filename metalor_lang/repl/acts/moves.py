"""`:undo :redo :goto :retry :replay :edit :set`: other versions of the recipe.

Invariant: the first three run nothing, whatever the size of the image.
"""

from collections.abc import Iterator, Sequence

from metalor_lang.build.failures import Refused
from metalor_lang.errors import MetalorError, UsageError
from metalor_lang.record import replace
from metalor_lang.repl.acts.words import count_of, no_words, step_of
from metalor_lang.repl.carry import NETWORK
from metalor_lang.repl.core import Core, Here
from metalor_lang.repl.outcome import Entry, Mistake, Moved, Refusal, Result, Said
from metalor_lang.repl.pieces import pieces
from metalor_lang.repl.planning import Part, Planned, plan_recipe
from metalor_lang.repl.timeline import Line, Queue, cells, entries, length, queued, waiting


def undo(core: Core, words: str) -> Iterator[Result]:
    """Take back the last actions."""
    count = count_of(words, ":undo")
    most = core.timeline.undos
    if not most:
        yield Mistake(message="there is nothing to take back", help="this is how the session began")
        return
    before = core.now
    core.move(-min(count, most))
    yield _moved(core, _outside(core, before))


def redo(core: Core, words: str) -> Iterator[Result]:
    """Do again what was taken back."""
    count = count_of(words, ":redo")
    most = core.timeline.redos
    if not most:
        yield Mistake(message="there is nothing to do again", help=":undo takes something back first")
        return
    core.move(min(count, most))
    yield _moved(core, ())


def _outside(core: Core, before: Here) -> tuple[str, ...]:
    """What the steps that were taken back may have left outside of the image."""
    kept = set(map(id, cells(core.now.line)))
    gone = [cell.entry for cell in cells(before.line) if id(cell) not in kept and not cell.entry.cached]
    found = dict.fromkeys(place for entry in gone for place in entry.outside)
    if NETWORK in found and core.said_network:
        del found[NETWORK]
    core.said_network = core.said_network or NETWORK in found
    return tuple(f"not taken back: what a step did to {place}" for place in found)


def _moved(core: Core, notes: tuple[str, ...]) -> Moved:
    now = core.now
    return Moved(
        position=length(now.line),
        waiting=length(now.queue),
        entry=now.line.entry if now.line is not None else None,
        notes=notes,
    )


def go(core: Core, words: str) -> Iterator[Result]:
    """Stand behind a statement; those behind it wait."""
    if not words:
        raise UsageError(":goto: the statement is missing", help="write :goto 3 (see :list), or :goto STAGE")
    number = step_of(core, words, ":goto", waiting=True)
    line, queue = core.now.standing(number)
    if length(line) != number:
        yield Mistake(
            message=f"statement {number} has not been carried out yet",
            help=":continue carries out what waits, and :break LINE stops it",
        )
        return
    if line is not core.now.line:
        core.push(replace(core.now, line=line, queue=queue))
    notes = (":continue stands at the end again",) if queue is not None else ()
    yield _moved(core, notes)


def retry(core: Core, words: str) -> Iterator[Result]:
    """Carry out what failed once more, else the last statement anew."""
    no_words(words, ":retry")
    now, stumble = core.now, core.attempts.stumble
    if stumble is not None and stumble.line is now.line:
        queue = now.queue
        if queue is not None and queue.text == stumble.text:
            yield from core.proceed(1, breaks=False)
        else:
            yield from core.type([stumble.text], core.places(stumble.text, pieces(stumble.text)))
        return
    if now.line is None:
        yield Mistake(message="there is no statement to carry out again", help="type one, such as FROM debian:12")
        return
    entry = now.line.entry
    version = replace(now, line=now.line.before, queue=queued(entry.serial, entry.text, now.queue))
    yield from core.rework(version, 1, anew=True, keep_failed=False)


def replay(core: Core, words: str) -> Iterator[Result]:
    """Ask contexts and bases again, and carry out what changed."""
    if words not in ("", "all"):
        raise UsageError(f":replay {words}: there is only `all`", help="write :replay, or :replay all")
    core.now.place.look_again()
    if words:
        yield from _again(core, core.now, 0, anew=True)
    else:
        yield from _where_it_differs(core, core.now, known=())


def assign(core: Core, words: str) -> Iterator[Result]:
    """Give an ARG a value, or list the values."""
    if not words:
        values = core.now.args
        yield Said(lines=tuple(f"{name}={value}" for name, value in sorted(values.items())) or ("nothing is set",))
        return
    name, equals, value = words.partition("=")
    if not equals or not name.isidentifier() or not name.isascii():
        raise UsageError(f":set {words}: not NAME=VALUE", help="write :set VERSION=1.4.2")
    args = {**core.now.args, name: value}
    yield from _where_it_differs(core, replace(core.now, args=args), known=core.known())


def edit(core: Core, words: str) -> Iterator[Result]:
    """Edit one statement, or the recipe, and carry out from the first that changed."""
    now = core.now
    number = step_of(core, words, ":edit", waiting=True) if words else 0
    line, queue = now.standing(length(now.line))
    old = [*(each.text for each in entries(line)), *(each.text for each in waiting(queue))]
    if words and not 1 <= number <= len(old):
        raise UsageError(f":edit {words}: there is no such statement", help="see :list")
    before = old[number - 1] if number else "".join(f"{text}\n" for text in old)
    edited = core.person.edit(before, suffix=".metalor")
    if edited is None or edited.rstrip("\n") == before.rstrip("\n"):
        yield Said(lines=("nothing was changed",))
        return
    cut = pieces(edited)
    if any(piece.command for piece in cut):
        raise UsageError("a recipe holds statements, and no commands", help="commands are typed at the prompt")
    texts = [piece.text for piece in cut]
    new = [*old[: number - 1], *texts, *old[number:]] if number else texts
    same = next((at for at, (one, two) in enumerate(zip(old, new)) if one != two), min(len(old), len(new)))
    carried = max(length(now.line) + len(new) - len(old), same)
    line, _ = now.standing(same)
    same = length(line)
    rest = core.queue_of(new[same:])
    yield from core.rework(replace(now, line=line, queue=rest), max(carried - same, 0))


# --- from the first difference on -----------------------------------------------------------------------------------


def _where_it_differs(core: Core, version: Here, *, known: Sequence[str]) -> Iterator[Result]:
    line = version.line
    try:
        planned = plan_recipe(
            [entry.text for entry in entries(line)], args=version.args, ground=version.place, known=known
        )
    except Refused as error:
        yield Refusal(diagnostics=error.diagnostics, source=error.source)
        return
    except MetalorError as error:
        yield Mistake(message=error.message, help=error.help, exit=error.exit)
        return
    first = next(
        (at for at, entry in enumerate(entries(line)) if not _same(entry, planned, at)),
        length(line),
    )
    if first == length(line):
        core.push(version)
        yield Said(lines=("nothing has to be carried out again",))
        return
    yield from _again(core, version, first)


def _same(entry: Entry, planned: Planned, index: int) -> bool:
    parts = planned.parts[index]
    done = entry.parts if entry.block else (entry,)
    return len(parts) == len(done) and all(map(_same_part, done, parts))


def _same_part(entry: Entry, part: Part) -> bool:
    if part.stage is None:
        return True
    if part.step is None:
        stage = part.stage
        return entry.kind != "from" or (entry.key, entry.state) == (stage.base_key, stage.base_info.state)
    return (entry.key, entry.state, entry.answers) == (part.step.key, part.step.after, part.answers)


def _again(core: Core, version: Here, first: int, *, anew: bool = False) -> Iterator[Result]:
    line, queue, todo = version.line, version.queue, length(version.line) - first
    while length(line) > first:
        assert line is not None
        queue = _fresh(line, queue)
        line = line.before
    yield from core.rework(replace(version, line=line, queue=queue), todo, anew=anew)


def _fresh(line: Line, queue: Queue) -> Queue:
    assert line is not None
    return queued(line.entry.serial, line.entry.text, queue)
