"""Another name for an argument, a variable, a stage or what a block brings.

Invariant: a renaming that is given changes what the recipe means in nothing but the name: every other name means what
it meant, every place of this one is changed, and no error is new. Anything else is refused with its reason.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

from metalor_lang.checker.scope import RESERVED_ARGS
from metalor_lang.diagnostics.edits import applied
from metalor_lang.diagnostics.model import Diagnostic, Edit
from metalor_lang.record import dataclass
from metalor_lang.source import SourceFile, Span
from metalor_lang.tooling.names import How, NameKind, Names, Origin, Use

_SMALL: Final = frozenset({NameKind.STAGE, NameKind.GROUP, NameKind.SPACE})
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STAGE: Final = re.compile(r"[a-z][a-z0-9_-]*")
_SETS: Final = r"(?:^|[\s;&|({{]){0}\+?=|\b(?:for|read|export|local|unset|declare|readonly|printenv)\b[^;&|\n]*\b{0}\b"
"""How shell text uses a name without a `$`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renaming:
    """The edits of a new name.

    Args:
        edits: those that are certain.
        unsure: places in shell text that may mean a variable of the image or one of the shell's own.

    """

    edits: tuple[Edit, ...]
    unsure: tuple[Edit, ...] = ()


def renamable(names: Names, offset: int) -> Use | str:
    """The place of a name that can be renamed at an offset, or why there is none."""
    use = names.at(offset)
    if use is None:
        return "no name of the recipe stands here: arguments, variables, stages and groups have one"
    symbol = use.symbol
    match symbol.origin:
        case Origin.ALWAYS:
            return f"`{symbol.name}` is always defined: it cannot have another name"
        case Origin.BASE:
            return f"`{symbol.name}` comes from the base image"
        case Origin.SETTINGS:
            return f"the context `{symbol.name}` is named where it is given: --context, or the settings"
        case Origin.RECIPE:
            pass
    if symbol.kind is NameKind.VARIABLE and use.how is How.SHELL:
        return f"in shell text `{symbol.name}` may be the shell's own: rename it where ENV sets it"
    if symbol.kind is NameKind.VARIABLE and symbol.name in RESERVED_ARGS:
        return f"every step has a `{symbol.name}`: it cannot have another name"
    for each in names.of(symbol):
        if not each.exact:
            line = names.source.position(each.span.start).line
            written = names.source.slice(each.span)
            return f"line {line} names `{symbol.name}` through {written}, which another name would not change"
    return use


def rename(
    names: Names,
    offset: int,
    new: str,
    *,
    read: Callable[[str], Names],
    check: Callable[[str], Sequence[Diagnostic]],
) -> Renaming | str:
    """The edits that give the name at an offset another one, or why it cannot have it.

    Args:
        names: of the recipe.
        offset: in a place of the name.
        new: the name it is to have.
        read: reads the names of another text of this recipe.
        check: gives the errors of another text of this recipe.

    """
    use = renamable(names, offset)
    if isinstance(use, str):
        return use
    symbol, source = use.symbol, names.source
    if symbol.kind in _SMALL and not _STAGE.fullmatch(new):
        return f"`{new}` is no name of a {symbol.kind}: it is a small letter, then a-z, 0-9, _ and -"
    if symbol.kind not in _SMALL and not _NAME.fullmatch(new):
        return f"`{new}` is no name: it is ASCII letters, digits and _, and starts with no digit"
    if new == symbol.name:
        return Renaming(edits=())
    places = names.of(symbol)
    in_shell = [each for each in places if each.how is How.SHELL]
    if symbol.kind is not NameKind.VARIABLE:
        if (line := _set_in_shell(source, in_shell, symbol.name)) is not None:
            return f"the shell text in line {line} sets `{symbol.name}` itself: change it there first"
        sure, unsure = list(places), []
    else:
        sure, unsure = [each for each in places if each.how is not How.SHELL], in_shell
    edits = tuple(Edit(span=each.span, text=new) for each in sure)
    text = applied(source.text, edits)
    if (reason := _changes(names, sure, unsure, new, read(text))) is not None:
        return reason
    known = {(each.code, each.message) for each in check(source.text)}
    for each in check(text):
        if (each.code, each.message) not in known and (each.code, each.message.replace(new, symbol.name)) not in known:
            line = SourceFile("", text).position(each.span.start).line
            return f"then line {line} would be wrong: {each.message}"
    return Renaming(edits=edits, unsure=tuple(Edit(span=each.span, text=new) for each in unsure))


def _set_in_shell(source: SourceFile, places: Sequence[Use], name: str) -> int | None:
    """The line of shell text that uses a name in another way than to read it."""
    sets = re.compile(_SETS.format(name))
    for each in places:
        found = sets.search(source.text, each.statement.start, each.statement.end)
        if found is not None:
            return source.position(found.end() - 1).line
    return None


def _changes(names: Names, sure: Sequence[Use], left: Sequence[Use], new: str, after: Names) -> str | None:
    """What a renaming would change beside the name; None where it is nothing."""
    old = sure[0].symbol
    moved = _Moved([each.span for each in sure], len(new))
    was = {moved.span(each.span): (each.symbol.number, each.how) for each in names.uses if each not in left}
    now = {each.span: (each.symbol.number, each.how) for each in after.uses}
    for span in sorted(now.keys() - was.keys()):
        line = after.source.position(span.start).line
        return f"`{new}` is used already: line {line} would mean this one"
    for span in sorted(was.keys() - now.keys()):
        line = after.source.position(span.start).line
        return f"line {line} would not mean `{old.name}` any more"
    partner: dict[int, int] = {}
    back: dict[int, int] = {}
    for span, (number, _) in was.items():
        other = now[span][0]
        if partner.setdefault(number, other) != other or back.setdefault(other, number) != number:
            line = after.source.position(span.start).line
            return f"there is a `{new}` already: line {line} would mean another one"
    return None


class _Moved:
    """Where places are when each of some spans has another length."""

    def __init__(self, spans: Sequence[Span], length: int) -> None:
        self._spans = sorted(spans)
        self._length = length

    def span(self, span: Span) -> Span:
        """A span that is one of them, holds some, or is apart from them."""
        return Span(self._offset(span.start, at_end=False), self._offset(span.end, at_end=True))

    def _offset(self, offset: int, *, at_end: bool) -> int:
        by = 0
        for each in self._spans:
            if each.end < offset or (each.end == offset and (at_end or len(each))):
                by += self._length - len(each)
        return offset + by
