"""`:save :export`: the recipe and the image, written.

Invariant: the recipe that is saved is in the store from its first step to its last, with the very results of the
session: building it runs nothing and gives the image that the session has.
"""

import difflib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from metalor_lang.build.export import Exporter, check_outputs
from metalor_lang.build.failures import Refused
from metalor_lang.build.lookup import read_stages
from metalor_lang.build.model import BuildResult, Chain, StageResult
from metalor_lang.build.owning import replace_text
from metalor_lang.build.sketch import remember, sketch
from metalor_lang.checker.program import Base, ImageBase, RootfsBase, Transport
from metalor_lang.errors import MetalorError, UsageError
from metalor_lang.oci.media import Compression
from metalor_lang.oci.output import parse_output
from metalor_lang.plan.graph import Step
from metalor_lang.repl.acts.words import one_word
from metalor_lang.repl.core import Core
from metalor_lang.repl.outcome import Entry, Mistake, Question, Refusal, Result, Said
from metalor_lang.repl.planning import Planned, plan_recipe
from metalor_lang.repl.timeline import length
from metalor_lang.store.records import StepRecord
from metalor_lang.syntax import ast
from metalor_lang.syntax.formatter import format_recipe


def save(core: Core, words: str) -> Iterator[Result]:
    """Write the recipe, formatted."""
    now = core.now
    if now.line is None:
        yield Mistake(message="there is nothing to save yet", help="begin with a base: FROM debian:12")
        return
    planned = _planned(core)
    path = _target(core, words, planned)
    text = format_recipe(planned.source)
    old = _old(path)
    waits = _waits(core)
    if old is not None and old != text:
        answer = core.person.ask(
            Question(
                text=f"{path} is there already. Write over it?{f' {waits}' if waits else ''}",
                choices={"yes": "write it", "no": "leave it as it is"},
                default="yes" if path == now.place.path and now.place.loaded and not waits else "no",
                detail=tuple(_diff(path, old, text)),
            )
        )
        if answer != "yes":
            yield Mistake(message=f"{path} was left as it is", help="save under another name: :save NAME.metalor")
            return
    settle(core, planned)
    if old != text:
        _write(path, text, core.owner)
    core.save(entry.serial for entry in core.entries)
    count = f"{now.line.count} statement{'' if now.line.count == 1 else 's'}"
    yield Said(lines=(f"saved {path}, {count}", *_notes(core, planned)))


def _waits(core: Core) -> str:
    """What is said of statements that are not carried out, and so not saved; "" where there are none."""
    count = length(core.now.queue)
    what = "waits and is" if count == 1 else "wait and are"
    return f"{count} more {what} not in it: :continue, then :save" if count else ""


def _planned(core: Core) -> Planned:
    return plan_recipe(
        [entry.text for entry in core.entries], args=core.now.args, ground=core.now.place, known=core.known()
    )


def _target(core: Core, words: str, planned: Planned) -> Path:
    place = core.now.place
    if not words and not place.loaded:
        raise UsageError(":save: the name of the file is missing", help="write :save hello.metalor")
    path = Path(words) if words else place.path
    if path.is_dir():
        raise UsageError(f":save {words}: it is a directory", help=f"write :save {path / 'hello.metalor'}")
    if not path.parent.is_dir():
        raise UsageError(f":save {words}: there is no folder {path.parent}", help=f"make it first: mkdir {path.parent}")
    if planned.plan is not None and not path.parent.samefile(place.folder):
        places = [_local(stage.base) for stage in planned.plan.program.stages]
        local = [place for place in places if place and not place.startswith("/")]
        own = "" in planned.plan.program.contexts and "" not in place.options.contexts
        if local or own:
            what = f"the base {local[0]}" if local else "COPY"
            raise UsageError(
                f":save {words}: {what} is looked for beside the recipe, in {place.folder}",
                help=f"save it there: :save {place.folder / path.name}",
            )
    return path


def _local(base: Base) -> str:
    """The path of a base that is one."""
    match base:
        case ImageBase(transport=transport, location=location) if transport is not Transport.REGISTRY:
            return location
        case RootfsBase(path=path):
            return path
        case _:
            return ""


def _old(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None


def _diff(path: Path, old: str, new: str) -> Iterator[str]:
    found = difflib.unified_diff(old.splitlines(), new.splitlines(), str(path), "this session", lineterm="", n=2)
    return iter(list(found))


def _write(path: Path, text: str, owner: tuple[int, int] | None) -> None:
    """Replace a file whole."""
    try:
        replace_text(path, text, owner)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", help="save it elsewhere: :save FILE") from None


def _notes(core: Core, planned: Planned) -> Iterator[str]:
    """What must be known to build the saved recipe."""
    now = core.now
    names = [node.name for node in planned.nodes if isinstance(node, ast.Arg) and node.name in now.args]
    if names:
        yield "build it with " + " ".join(f"--arg {name}={now.args[name]}" for name in names)
    if waits := _waits(core):
        yield waits
    try:
        fresh = plan_recipe([entry.text for entry in core.entries], args=now.args, ground=now.place, known=())
    except MetalorError as error:
        yield f"it cannot be built as it is: {error.message}"
        return
    if (number := _otherwise(core, planned)) is not None:
        yield f"a file that is imported has changed since statement {number} was carried out: :replay takes the new one"
        return
    for number, entry in enumerate(core.entries, 1):
        if entry.answers != fresh.answers(number - 1):
            yield f"the files of statement {number} have changed since it was carried out: :replay takes the new ones"


def _otherwise(core: Core, planned: Planned) -> int | None:
    """The number of the first statement that would be another one now, whatever contexts say."""
    for number, (entry, parts) in enumerate(zip(core.entries, planned.parts), 1):
        keys = [part.step.key for part in parts if part.step is not None]
        done = [each.key for each, part in zip(entry.flat, parts) if part.step is not None]
        if len(entry.flat) != len(parts) or keys != done:
            return number
    return None


def settle(core: Core, planned: Planned) -> None:
    """See to it that the store's records are the session's results: others may have made some anew meanwhile."""
    ends: dict[int, Chain] = {}
    last: Chain = ()
    for entry, parts in zip(core.entries, planned.parts):
        for done, part in zip(entry.flat, parts):
            # Another key: an imported file says something else now, and the session has not done that.
            if part.step is not None and part.step.kind.acts and part.step.key == done.key:
                _keep(core, done, part.step, last, ends)
            ends[done.stage] = last = done.chain


def _keep(core: Core, done: Entry, step: Step, parent: Chain, ends: Mapping[int, Chain]) -> None:
    """Have the store's record of a step say what the session has."""
    record = StepRecord(
        key=done.key,
        chain=done.chain,
        parent=parent,
        inputs=tuple(identity for index in read_stages(step) for identity in ends[index]),
        parts=step.parts,
        text=step.text,
        created=int(time.time()),
        duration_ms=done.duration_ms,
        recipe=core.now.place.name,
    )
    kept = core.store.steps.get(done.key)
    if kept is None or (kept.chain, kept.parent, kept.inputs) != (record.chain, record.parent, record.inputs):
        core.store.steps.put(record)


# --- the image --------------------------------------------------------------------------------------------------------


def export(core: Core, words: str) -> Iterator[Result]:
    """Write the image."""
    spec = parse_output(one_word(words, ":export", ":export oci:image:latest"))
    line = core.now.line
    if line is None or line.entry.stage < 0:
        raise UsageError("there is no image yet", help="begin one: FROM debian:12")
    planned = _planned(core)
    assert planned.plan is not None
    try:
        check_outputs((planned.plan,), (spec,), planned.source)
    except Refused as error:
        yield Refusal(diagnostics=error.diagnostics, source=error.source)
        return
    settle(core, planned)
    made = sketch(_result(core, planned), core.now.place.bases, core.now.place.name)
    remember(core.store, (made,))
    exporter = Exporter(core.store, core.snapshotter, core.events, owner=core.owner)
    image = exporter.export((made,), (spec,), Compression.GZIP)
    yield Said(lines=(f"wrote {spec}", *((image.digest,) if image is not None else ())))


def _result(core: Core, planned: Planned) -> BuildResult:
    """The session's state as the result of a build."""
    assert planned.plan is not None
    starts: dict[int, Chain] = {}
    after: dict[int, list[Chain]] = {}
    for entry, parts in zip(core.entries, planned.parts):
        for done, part in zip(entry.flat, parts):
            starts[done.stage] = done.start
            if part.step is not None:
                after.setdefault(done.stage, []).append(done.chain)
    stages = {
        index: StageResult(stage=stage, start=starts[index], after=tuple(after.get(index, ())))
        for index, stage in planned.plan.stages.items()
    }
    return BuildResult(plan=planned.plan, stages=stages, ran=0, cached=0, skipped=())
