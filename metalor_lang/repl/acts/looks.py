"""`:list :stages :env :why`: what there is, without looking into the image.

Invariant: nothing runs and nothing changes.
"""

from collections.abc import Iterator

from metalor_lang.build.perform import DEFAULT_PATH
from metalor_lang.build.users import resolve
from metalor_lang.plan.why.words import CONFIGURES, WAS_IN_STORE
from metalor_lang.repl.acts.words import bare, no_words, step_of
from metalor_lang.repl.core import Core
from metalor_lang.repl.outcome import Entry, Mistake, Result, Said, Table
from metalor_lang.repl.timeline import Line, cells, entries, waiting
from metalor_lang.screen.text import duration, one_line, size, with_values

_LONGEST_VALUE = 60


def listing(core: Core, words: str) -> Iterator[Result]:
    """The recipe with numbers."""
    no_words(words, ":list")
    rows = []
    for cell in cells(core.now.line):
        entry = cell.entry
        here = ">" if cell is core.now.line else ""
        shown = one_line(bare(entry.text))
        rows.append((here, str(cell.count), _came(entry), _took(entry), _added(core, cell), shown))
    number = len(rows)
    for item in waiting(core.now.queue):
        number += 1
        mark = "break" if item.serial in core.breaks else "waits"
        rows.append(("", str(number), mark, "", "", one_line(bare(item.text))))
    if not rows:
        yield Said(lines=("nothing yet; begin with a base: FROM debian:12",))
        return
    yield Table(head=("", "#", "", "time", "size", "statement"), rows=tuple(rows))


def _came(entry: Entry) -> str:
    parts = [part for part in entry.flat if part.key]
    if not parts:
        return ""
    if all(part.kind == "config" for part in parts):
        return "set"
    return "store" if entry.cached else "ran"


def _took(entry: Entry) -> str:
    return duration(entry.duration_ms) if _came(entry) == "ran" else ""


def _added(core: Core, cell: Line) -> str:
    """Bytes that a statement, or a block, added to the chain of its stage."""
    assert cell is not None
    before = cell.before.entry if cell.before is not None else None
    found: list[int] = []
    for part in cell.entry.flat:
        lower = before.chain if before is not None and before.stage == part.stage else ()
        if part.kind == "from":
            found += map(core.size_of, part.chain)
        elif part.chain and part.chain != lower and part.kind not in ("arg", "recipe"):
            found.append(core.size_of(part.chain[-1]))
        before = part
    return size(sum(found)) if found else ""


def stages(core: Core, words: str) -> Iterator[Result]:
    """The stages side by side."""
    no_words(words, ":stages")
    last: dict[int, Entry] = {}
    count: dict[int, int] = {}
    for entry in (part for each in core.entries for part in each.flat):
        if entry.stage >= 0:
            last[entry.stage] = entry
            count[entry.stage] = count.get(entry.stage, 0) + 1
    if not last:
        yield Said(lines=("there is no stage yet; begin one: FROM debian:12 AS build",))
        return
    now = core.now.line.entry.stage if core.now.line is not None else -1
    rows = tuple(
        (
            ">" if index == now else "",
            entry.title,
            str(count[index]),
            size(sum(map(core.size_of, entry.chain))),
            entry.platform,
            entry.base,
        )
        for index, entry in sorted(last.items())
    )
    notes = (f"{core.now.queue.count} statements wait: :continue",) if core.now.queue is not None else ()
    yield Table(head=("", "stage", "statements", "size", "platform", "base"), rows=rows, notes=notes)


def env(core: Core, words: str) -> Iterator[Result]:
    """Every variable that a step sees, and who set it."""
    no_words(words, ":env")
    line = core.now.line
    if line is None or line.entry.stage < 0:
        yield Said(lines=("there is no stage yet; begin one: FROM debian:12",))
        return
    state = line.entry.state
    found = {"PATH": (DEFAULT_PATH, "always"), "SOURCE_DATE_EPOCH": ("the stage's epoch", "always")}
    with core.snapshotter.view(line.entry.chain) as view:
        found["HOME"] = (resolve(view, state.user).home, "the image's passwd")
    setters = _setters(line)
    found |= {name: (value, setters.get(name, "the base")) for name, value in state.env}
    rows = tuple((name, _short(value), by) for name, (value, by) in sorted(found.items()))
    yield Table(head=("name", "value", "set by"), rows=rows)


def _setters(line: Line) -> dict[str, str]:
    """For each variable the statement that set it last, as far as the recipe did."""
    found: dict[str, str] = {}
    ends: dict[str, dict[str, str]] = {}
    before: dict[str, str] = {}
    for number, entry in ((at, part) for at, each in enumerate(entries(line), 1) for part in each.flat):
        now = dict(entry.state.env)
        if entry.kind == "from":
            found = dict(ends.get(entry.base, {}))
        elif entry.stage >= 0:
            for name, value in now.items():
                if before.get(name) != value:
                    found[name] = f"{number}: {one_line(entry.statement)}"
        before = now
        ends[entry.title] = dict(found)
    return found


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


# --- why --------------------------------------------------------------------------------------------------------------


def why(core: Core, words: str) -> Iterator[Result]:
    """Why a statement ran, or did not."""
    line = core.now.line
    number = step_of(core, words, ":why") if words else (line.count if line is not None else 0)
    if not number:
        yield Mistake(message="there is no statement yet", help="begin with a base: FROM debian:12")
        return
    entry = core.entries[number - 1]
    lines = [f"{number}: {one_line(entry.statement)}"]
    if not entry.block:
        yield Said(lines=(*lines, *_about(entry)))
        return
    said: set[tuple[str, ...]] = set()
    for part in entry.parts:
        lines.append(f"  {one_line(part.statement)}{with_values(part.values)}")
        lines += [f"    {line}" for line in _about(part, said)]
    yield Said(lines=tuple(lines) if entry.parts else (*lines, "it comes to no statement: nothing has to run"))


def _about(entry: Entry, said: set[tuple[str, ...]] | None = None) -> Iterator[str]:
    """What became of a statement; reasons above it that were `said` of another part of its block are not said again."""
    if not entry.key and entry.kind != "config":
        yield "it is a name for what comes: nothing has to run"
    elif entry.kind == "config":
        yield CONFIGURES
    elif entry.kind == "from":
        yield "the base is in the store, unpacked" if entry.cached else "the base was unpacked into the store"
        yield from (f"  {line}" for line in entry.causes)
    elif entry.cached:
        yield WAS_IN_STORE
    else:
        causes = entry.causes
        if said is not None and causes and causes[0].endswith(":"):
            causes = (f"{causes[0][:-1]}, as said above",) if causes in said else causes
            said.add(entry.causes)
        yield f"it ran, in {duration(entry.duration_ms)}" + (":" if causes else "")
        yield from (f"  {line}" for line in causes)
    if entry.key and entry.kind not in ("config", "from"):
        yield f"key {entry.key}"
