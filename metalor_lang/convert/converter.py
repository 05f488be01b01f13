"""The conversion: from the items of a Dockerfile to a recipe with a report.

Invariant: every instruction has a report; the recipe is checked as `metalor check` does it, and what does not pass is
taken out and refused.
"""

from collections.abc import Callable, Iterable, Mapping

from metalor_lang.convert import files, froms, runs, settings
from metalor_lang.convert.assembly import Chunk, assemble, blame, comment, report
from metalor_lang.convert.ignore import convert_ignore
from metalor_lang.convert.model import Converted, World
from metalor_lang.convert.names import Refused
from metalor_lang.convert.reader import Blank, Comment, Directive, Instruction, read
from metalor_lang.convert.state import Context
from metalor_lang.convert.survey import survey
from metalor_lang.convert.verify import problems
from metalor_lang.hints import Final

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


def convert(
    text: str,
    *,
    name: str,
    world: World,
    args: Mapping[str, str] | None = None,
    strict_shell: bool = False,
    every_arg: bool = False,
    root: str = "",
) -> Converted:
    """Convert a Dockerfile.

    Args:
        text: the Dockerfile.
        name: what it is called, for the first comment of a refusal.
        world: what may be asked about its context and its bases.
        args: values of its ARGs that are fixed for what has to be worked out here, such as `${X#v}`.
        strict_shell: leave SH its own shell, which stops at the first failure, and write no SHELL of Docker's.
        every_arg: give each step every ARG, as Docker does, and not just those that it names.
        root: the context as seen from the recipe's folder, for archives that are bases; "" where they are one.

    """
    file = read(text)
    context = Context(
        name=name, world=world, survey=survey(file), given=dict(args or {}), strict_shell=strict_shell,
        every_arg=every_arg, root=root, numbered=_numbered(file.instructions),
    )  # fmt: skip
    chunks = [Chunk(item=item) for item in file.items]
    for index, chunk in enumerate(chunks):
        context.chunk = index
        _convert(context, chunk)
    for index, why in context.dropped.items():
        chunks[index].lines = []
        chunks[index].notes = [why]
    text_of = assemble(chunks, context.stages)
    for _ in range(_ROUNDS):
        wrong = problems(text_of)
        hit = blame(chunks, wrong)
        if not hit:
            break
        text_of = assemble(chunks, context.stages)
    found = convert_ignore(world.ignore())
    remarks = [*context.remarks, *found.remarks]
    if "\r\n" in text and any(made.heredocs for made in file.instructions):
        remarks.append("line ends are those of Windows; within heredocs they become plain ones")
    if context.unknown:
        bases = ", ".join(dict.fromkeys(context.unknown))
        remarks.append(f"nothing is known here of {bases}: taken to run as root in /, and to have no ONBUILD")
    if not list(file.instructions):
        remarks.append("there is no instruction in it")
    return Converted(
        recipe=text_of,
        lines=tuple(report(chunk) for chunk in chunks if isinstance(chunk.item, Instruction | Directive)),
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


def _convert(context: Context, chunk: Chunk) -> None:
    item = chunk.item
    context.notes = []
    context.comments_kept = False
    match item:
        case Comment(text=text):
            chunk.lines = [comment(text)]
        case Blank():
            chunk.lines = [""]
        case Directive(name="escape", value=value) if value != "\\":
            chunk.refused = "an escape character of one's own is for Windows; what stands in the file is read with it"
        case Directive(name=name):
            chunk.notes = [_DIRECTIVES[name]] if name in _DIRECTIVES else []
        case Instruction():
            kept = (len(context.stage.before), dict(context.images)) if context.stages else None
            try:
                lines = _lines(context, item)
            except Refused as refused:
                if kept is not None:
                    del context.stage.before[kept[0] :]
                    context.images = kept[1]
                chunk.refused = str(refused)
                if item.word == "FROM" and len(context.stages) < context.froms:
                    froms.placeholder(context, item)
            else:
                comments = [] if context.comments_kept else [comment(text) for text in item.comments]
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
