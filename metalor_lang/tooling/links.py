"""What a recipe points at: files of contexts, local bases, addresses.

Invariant: a link is made from text that is known whole; whether its target is there is not asked.
"""

from collections.abc import Iterator
from typing import Final

from metalor_lang.checker.program import Base, ImageBase, RootfsBase, Transport
from metalor_lang.checker.scope import GLOB
from metalor_lang.record import dataclass
from metalor_lang.source import Span
from metalor_lang.syntax import ast
from metalor_lang.tooling.items import Place, Where
from metalor_lang.tooling.names import Names

_WEB: Final = ("https://", "http://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Text that points at something: a path in a place, or an address where `place` is None."""

    span: Span
    target: str
    place: Place | None = None


def links(names: Names, recipe: ast.Recipe) -> tuple[Link, ...]:
    """The links of a recipe, in order."""
    bases = {stage.node.span.start: stage.base for stage in names.stages}
    stages = {stage.node.stage for stage in names.stages}
    out: list[Link] = []
    for node in recipe.statements:
        step = node.step if isinstance(node, ast.Test) else node
        match step:
            case ast.From():
                out += _base(names, step, bases.get(step.span.start))
            case ast.Import(path=path) if (text := names.text(path)) is not None:
                out.append(Link(span=path.span, target=text, place=Place(where=Where.MACHINE)))
            case ast.Copy():
                out += _sources(names, step, stages)
            case ast.Fetch(url=url) | ast.Git(url=url):
                text = names.text(url)
                if text is not None and text.startswith(_WEB):
                    out.append(Link(span=url.span, target=text))
            case ast.Run() | ast.Sh():
                out += _binds(names, step, stages)
            case _:
                pass
    return tuple(out)


def _base(names: Names, node: ast.From, base: Base | None) -> Iterator[Link]:
    match base:
        case RootfsBase(path=path):
            yield Link(span=node.base.span, target=path, place=Place(where=Where.MACHINE))
        case ImageBase(transport=transport, location=path) if transport is not Transport.REGISTRY:
            yield Link(span=node.base.span, target=path, place=Place(where=Where.MACHINE))
        case _:
            pass


def _sources(names: Names, node: ast.Copy, stages: set[str | None]) -> Iterator[Link]:
    flag = node.flag("from")
    origin = "" if flag is None else None if flag.value is None else names.text(flag.value)
    if origin is None or origin in stages:
        return
    for word in node.sources:
        text = names.text(word)
        if text is None or (word.form is ast.Form.BARE and GLOB.search(text)):
            continue
        yield Link(span=word.span, target=text, place=Place(where=Where.CONTEXT, name=origin))


def _binds(names: Names, node: ast.Run | ast.Sh, stages: set[str | None]) -> Iterator[Link]:
    for flag in node.all_flags("bind"):
        text = None if flag.value is None else names.text(flag.value)
        if text is None or flag.value is None:
            continue
        *origin, source, _ = text.split(":") if ":" in text else (text, "")
        if len(origin) > 1 or (origin and origin[0] in stages):
            continue
        place = Place(where=Where.CONTEXT, name=origin[0] if origin else "")
        yield Link(span=flag.value.span, target=source, place=place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """The value of a `${NAME}`, to be shown behind it."""

    offset: int
    value: str
    name: str


def hints(names: Names, span: Span) -> Iterator[Hint]:
    """The known values of the expansions in a span, in order."""
    text = names.source.text
    for use in names.uses:
        at = use.span.start - 2
        if span.start <= at < span.end and use.value is not None and at in names.values and text[at : at + 2] == "${":
            yield Hint(offset=use.span.end + 1, value=use.value, name=use.symbol.name)
