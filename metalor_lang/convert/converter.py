"""The conversion: from the items of a Dockerfile to a recipe with a report.

Invariant: every instruction has a report; the recipe is checked as `metalor check` does it, and what does not pass is
taken out and refused.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from metalor_lang.convert import files, froms, runs, settings
from metalor_lang.convert.ignore import convert_ignore
from metalor_lang.convert.model import Converted, LineReport, Verdict, World
from metalor_lang.convert.names import Refused
from metalor_lang.convert.reader import Blank, Comment, Directive, Instruction, Item, read
from metalor_lang.convert.state import Context
from metalor_lang.convert.survey import survey
from metalor_lang.convert.verify import problems
from metalor_lang.hints import Final
from metalor_lang.record import dataclass, field

_HANDLERS: Final[Mapping[str, Callable[[Context, Instruction], list[str]]]] = {
    "ARG": froms.argument,
    "FROM": froms.from_,
    "RUN": runs.run,
    "COPY": files.copy,
    "ADD": files.copy,
    "ENV": settings.env,
    "LABEL": settings.label,
    "MAINTAINER": settings.maintainer,
    "WORKDIR": settings.workdir,
    "USER": settings.user,
    "EXPOSE": settings.expose,
    "VOLUME": settings.volume,
    "STOPSIGNAL": settings.stop_signal,
    "SHELL": settings.shell,
    "CMD": settings.command,
    "ENTRYPOINT": settings.command,
    "HEALTHCHECK": settings.health_check,
    "ONBUILD": settings.on_build,
}
_DIRECTIVES: Final = {
    "syntax": "no other program is fetched to read a recipe; the line is left out",
    "check": "metalor checks everything, always; the line is left out",
}
_ROUNDS: Final = 8


@dataclass(slots=True)
class _Chunk:
    """An item and what became of it."""

    item: Item
    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    refused: str = ""
    first: int = 0
    last: int = 0


def convert(
    text: str,
    *,
    name: str,
    world: World,
    args: Mapping[str, str] | None = None,
    strict_shell: bool = False,
    every_arg: bool = False,
) -> Converted:
    """Convert a Dockerfile.

    Args:
        text: the Dockerfile.
        name: what it is called, for the first comment of a refusal.
        world: what may be asked about its context and its bases.
        args: values of its ARGs that are fixed for what has to be worked out here, such as `${X#v}`.
        strict_shell: leave SH its own shell, which stops at the first failure, and write no SHELL of Docker's.
        every_arg: give each step every ARG, as Docker does, and not just those that it names.

    """
    file = read(text)
    context = Context(
        name=name, world=world, survey=survey(file), given=dict(args or {}), strict_shell=strict_shell,
        every_arg=every_arg, numbered=_numbered(file.instructions),
    )  # fmt: skip
    chunks = [_Chunk(item=item) for item in file.items]
    for index, chunk in enumerate(chunks):
        context.chunk = index
        _convert(context, chunk)
    for index, why in context.dropped.items():
        chunks[index].lines = []
        chunks[index].notes = [why]
    text_of = _recipe(context, chunks)
    for _ in range(_ROUNDS):
        wrong = problems(text_of)
        hit = _blame(chunks, wrong)
        if not hit:
            break
        text_of = _recipe(context, chunks)
    found = convert_ignore(world.ignore())
    remarks = [*context.remarks, *found.remarks]
    if context.unknown:
        bases = ", ".join(dict.fromkeys(context.unknown))
        remarks.append(f"nothing is known here of {bases}: taken to run as root in /, and to have no ONBUILD")
    if not list(file.instructions):
        remarks.append("there is no instruction in it")
    return Converted(
        recipe=text_of,
        lines=tuple(_report(chunk) for chunk in chunks if isinstance(chunk.item, Instruction | Directive)),
        remarks=tuple(remarks),
        files=((".metalorignore", found.text),) if found.text is not None else (),
    )


def _numbered(instructions: Iterable[Instruction]) -> frozenset[int]:
    out: set[int] = set()
    for made in instructions:
        for name, given in made.flags:
            texts = [given or ""] if name == "from" else []
            if name == "mount":
                texts = [part.partition("=")[2] for part in (given or "").split(",") if part.startswith("from=")]
            out.update(int(text) for text in texts if text.isdigit() and len(text) < 6)
    return frozenset(out)


def _convert(context: Context, chunk: _Chunk) -> None:
    item = chunk.item
    context.notes = []
    context.comments_kept = False
    match item:
        case Comment(text=text):
            chunk.lines = [_comment(text)]
        case Blank():
            chunk.lines = [""]
        case Directive(name="escape", value=value) if value != "\\":
            chunk.refused = "an escape character of one's own is for Windows; what stands in the file is read with it"
        case Directive(name=name):
            chunk.notes = [_DIRECTIVES[name]] if name in _DIRECTIVES else []
        case Instruction():
            try:
                lines = _lines(context, item)
            except Refused as refused:
                chunk.refused = str(refused)
                if item.word == "FROM" and len(context.stages) < context.froms:
                    froms.placeholder(context, item)
            else:
                comments = [] if context.comments_kept else [_comment(text) for text in item.comments]
                chunk.lines = [*comments, *lines]
                chunk.notes = list(dict.fromkeys(context.notes))


def _lines(context: Context, item: Instruction) -> list[str]:
    if item.word == "FROM":
        context.froms += 1
    if item.problem:
        raise Refused(f"Docker refuses it too: {item.problem}")
    handler = _HANDLERS.get(item.word)
    if handler is None:
        raise Refused("Docker refuses it too: there is no such instruction")
    if not context.stages and item.word not in ("FROM", "ARG"):
        raise Refused("Docker refuses it too: only ARG stands before the first FROM")
    return handler(context, item)


def _comment(text: str) -> str:
    """A comment; what a recipe would not take in one is made visible."""
    shown = "".join(char if char == "\t" or (char.isprintable() or char == "\u3000") else "\ufffd" for char in text)
    return shown


def _recipe(context: Context, chunks: Sequence[_Chunk]) -> str:
    """The text of the recipe; each chunk learns its lines."""
    stages = dict(zip(_from_chunks(chunks), context.stages, strict=False))
    out: list[str] = []
    for index, chunk in enumerate(chunks):
        stage = stages.get(index)
        extra = stage.before if stage is not None else []
        lines = _refusal(chunk) if chunk.refused else chunk.lines
        if stage is not None and chunk.refused:
            lines = [*lines, f"FROM scratch{f' AS {stage.name}' if stage.name else ''}"]
        if not lines:
            chunk.first = chunk.last = 0
            continue
        if extra:
            at = _above(chunks, index, len(out))
            out[at:at] = [*extra, ""]
            for other in chunks[:index]:
                if other.first > at:
                    other.first += len(extra) + 1
                    other.last += len(extra) + 1
        chunk.first, chunk.last = len(out) + 1, len(out) + len(lines)
        out += lines
    return "".join(f"{line}\n" for line in out)


def _above(chunks: Sequence[_Chunk], index: int, at: int) -> int:
    """Where the comments right above a chunk begin, in lines from 0."""
    while index and isinstance(chunks[index - 1].item, Comment):
        index, at = index - 1, at - 1
    return at


def _from_chunks(chunks: Sequence[_Chunk]) -> list[int]:
    return [n for n, chunk in enumerate(chunks) if isinstance(chunk.item, Instruction) and chunk.item.word == "FROM"]


def _refusal(chunk: _Chunk) -> list[str]:
    """What stands in the recipe for what was refused."""
    if isinstance(chunk.item, Directive):
        return []
    assert isinstance(chunk.item, Instruction)
    where = (
        f"line {chunk.item.first}"
        if chunk.item.first == chunk.item.last
        else f"lines {chunk.item.first}-{chunk.item.last}"
    )
    return [
        f"# REFUSED, {where} of the Dockerfile: {_comment(chunk.refused)}",
        *(f"#   {_comment(line)}".rstrip() for line in chunk.item.written),
    ]


def _blame(chunks: Sequence[_Chunk], wrong: Sequence[tuple[int, str]]) -> bool:
    """Refuse what does not pass the check; whether there was any."""
    hit = False
    for line, why in wrong:
        for chunk in chunks:
            if chunk.first <= line <= chunk.last and not chunk.refused and isinstance(chunk.item, Instruction):
                chunk.refused, hit = why, True
                break
    return hit


def _report(chunk: _Chunk) -> LineReport:
    item = chunk.item
    if isinstance(item, Directive):
        first = last = item.line
        word = f"#{item.name}"
    else:
        assert isinstance(item, Instruction)
        first, last, word = item.first, item.last, item.word
    notes = (chunk.refused,) if chunk.refused else tuple(chunk.notes)
    verdict = Verdict.REFUSED if chunk.refused else Verdict.NOTE if notes else Verdict.EXACT
    return LineReport(
        first=first, last=last, word=word, verdict=verdict, notes=notes, recipe_first=chunk.first,
        recipe_last=chunk.last,
    )  # fmt: skip
