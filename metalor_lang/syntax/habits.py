"""Punctuation that means something in the loops and conditions of other languages, and stands for itself in ours.

`FOR L IN a, b` would go over "a," and "b", and `FOR N IN {1..3}` once, over those six characters: nothing that anybody
means, and nothing that would be seen.

Invariant: only bare words are looked at; what is quoted is meant as it stands. `${NAME}` and `$${` are no punctuation.
"""

import re
from collections.abc import Iterator, Sequence

from metalor_lang.diagnostics.model import Edit
from metalor_lang.hints import Final
from metalor_lang.pattern import pattern
from metalor_lang.record import dataclass, replace
from metalor_lang.source import Span
from metalor_lang.syntax import ast

CODE: Final = "E0815"

_MARKS: Final = (",", ";", "|", "!", "(", ")", "*", "..")
_OPENERS: Final = (":", "do", "then")
_EXPANSION = pattern(r"\$+\{(?:[A-Za-z0-9_]*\})?")
_PARTING: Final = ",;|"
_AROUND: Final = "(){}"
_RANGE = pattern(r"(-?[0-9]{1,9})\.\.[.=]?(-?[0-9]{1,9})")
_BRACES = pattern(r"([^{}]*)\{([^{}]*)\}([^{}]*)")
_MOST_SHOWN: Final = 20
"""How many values a help writes out."""


@dataclass(frozen=True, slots=True)
class Habit:
    """What is said of it: message, place, help, and the edit that the help shows."""

    message: str
    span: Span
    help: str = ""
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True, slots=True)
class _Bare:
    """A bare word, and the same with all that is expanded in it blotted out."""

    word: ast.Word
    raw: str
    plain: str

    def at(self, index: int) -> Span:
        """The place of one character."""
        return Span(self.word.span.start + index, self.word.span.start + index + 1)

    def mark(self, marks: str) -> Span | None:
        """The place of the first such mark."""
        index = next((index for index, char in enumerate(self.plain) if char in marks), None)
        return None if index is None else self.at(index)

    def without(self, marks: str) -> str:
        """The word without such marks at its edges."""
        start = len(self.plain) - len(self.plain.lstrip(marks))
        return self.raw[start : max(len(self.plain.rstrip(marks)), start)]


def suspected(text: str, start: int, end: int) -> bool:
    """Whether there is any such punctuation between two offsets, at the cost of a look: most lines have none."""
    return (
        any(text.find(mark, start, end) >= 0 for mark in _MARKS)
        or text.count("{", start, end) != text.count("${", start, end)
        or text.count("}", start, end) != text.count("${", start, end)
        or text.endswith(_OPENERS, start, end)
    )


def in_loop(text: str, start: int, values: Sequence[ast.Word]) -> Habit | None:
    """The first habit in the values of a FOR.

    Args:
        text: the source.
        start: where the FOR starts in it.
        values: of the FOR.

    """
    words = [_bare(text, word) for word in values]
    found = _at_edges(words) or _opened(words, "do") or _in_loop(words) or _parted(words)
    if found is None:
        return None
    if found.help:
        return found
    shown = _meant(words)
    if shown is None:
        return replace(found, help="write the values one by one, with blanks between them: FOR NAME IN 1 2 3")
    edit = Edit(span=Span(values[0].span.start, values[-1].span.end), text=shown)
    return replace(found, help=f"write {_line(text, start, edit.span.start)} {shown}", edits=(edit,))


def _in_loop(words: Sequence[_Bare | None]) -> Habit | None:
    for each in filter(None, words):
        mark = each.mark(_AROUND)
        if mark is not None:
            return Habit("FOR takes words as they are: braces and parentheses stand for themselves", mark)
        if _RANGE.fullmatch(each.plain):
            return Habit("FOR takes words as they are: there are no ranges", each.word.span)
        mark = each.mark("*")
        if mark is not None:
            help = f'quote it where it is meant: "{each.raw}"; COPY and --exclude take patterns'
            return Habit("FOR looks at no files: `*` stands for itself", mark, help)
    return None


def in_condition(text: str, start: int, condition: ast.Condition) -> Habit | None:
    """The first habit in the condition of an IF or ELSE IF.

    Args:
        text: the source.
        start: where the statement starts in it.
        condition: of the statement.

    """
    several = condition.comparison in (ast.Comparison.IN, ast.Comparison.NOT_IN)
    written = (condition.value, *condition.others)
    words = [_bare(text, word) for word in written]
    found = _at_edges(words) or _opened(words, "then" if several else "") or _in_condition(words)
    found = found or (_parted(words[1:]) if several else None)
    if found is None or found.help:
        return found
    clean = [_without(text, word, bare, _PARTING + _AROUND + ":") for word, bare in zip(written, words)]
    value, *others = clean
    if several and len(others) == 1 and words[1] is not None:
        others = re.split(r"[,;]+", others[0])
    if several and others[-1] == "then":
        others.pop()
    shown = " ".join(filter(None, (value, str(condition.comparison), *others)))
    if not value or not any(others) or any(mark in _plain(shown) for mark in _AROUND):
        return replace(found, help="write IF ${NAME} == value, or IF ${NAME} IN one two")
    line = f"{_line(text, start, condition.span.start)} {shown}"
    return replace(found, help=f"write {line}", edits=(Edit(span=condition.span, text=shown),))


def _in_condition(words: Sequence[_Bare | None]) -> Habit | None:
    if words[0] is not None and words[0].plain.startswith("!"):
        help = "write != for ==, and NOT IN for IN"
        return Habit("`!` denies nothing: it would belong to the word", words[0].at(0), help)
    for each in filter(None, words):
        mark = each.mark(_AROUND)
        if mark is not None:
            return Habit("IF compares words as they are: parentheses and braces stand for themselves", mark)
        mark = each.mark("*")
        if mark is not None:
            help = f'quote it where it is meant: "{each.raw}"; IN compares with several values'
            return Habit("IF knows no patterns: `*` stands for itself", mark, help)
    return None


def in_pairs(text: str, start: int, pairs: Sequence[ast.Pair | ast.Parameter]) -> Habit | None:
    """The first habit in what USE gives or DEFINE presets.

    Args:
        text: the source.
        start: where the statement starts in it.
        pairs: what it gives, or its parameters.

    """
    values = [each.value if isinstance(each, ast.Pair) else each.default for each in pairs]
    words = [None if word is None else _bare(text, word) for word in values]
    opens = isinstance(pairs[-1], ast.Parameter) if pairs else False
    found = _at_edges(words) or (_opened(words, "") if opens else None)
    if found is None:
        return None
    shown = [
        each.key + "=" + _without(text, each.value, bare, _PARTING) if isinstance(each, ast.Pair) else
        each.name if each.default is None else each.name + "=" + _without(text, each.default, bare, _PARTING + ":")
        for each, bare in zip(pairs, words)
    ]  # fmt: skip
    first = pairs[0].key_span if isinstance(pairs[0], ast.Pair) else pairs[0].span
    end = next(word.span.end for word in reversed(values) if word is not None)
    edits = (Edit(span=Span(first.start, end), text=" ".join(shown)),) if values[-1] is not None else ()
    return replace(found, help=f"write {_line(text, start, first.start)} {' '.join(shown)}", edits=edits)


def parted(text: str) -> bool:
    """Whether a word of a list that an argument gave shows that the list is parted by something else than blanks."""
    return text[0] in _PARTING or text[-1] in _PARTING


def _bare(text: str, word: ast.Word) -> _Bare | None:
    if word.form is not ast.Form.BARE or not len(word.span):
        return None
    raw = text[word.span.start : word.span.end]
    return _Bare(word, raw, _plain(raw))


def _plain(raw: str) -> str:
    return _EXPANSION.sub(lambda found: "\0" * len(found.group()), raw)


def _line(text: str, start: int, end: int) -> str:
    """The beginning of a statement, on one line."""
    return " ".join(text[start:end].replace("\\", " ").split())


def _without(text: str, word: ast.Word, bare: _Bare | None, marks: str) -> str:
    """A value as it is written, without such marks at its edges if it is a bare word."""
    return text[word.span.start : word.span.end] if bare is None else bare.without(marks)


def _at_edges(words: Sequence[_Bare | None]) -> Habit | None:
    """A comma or semicolon at the edge of a word."""
    for each in filter(None, words):
        for index in (0, len(each.plain) - 1):
            if each.plain[index] in _PARTING:
                return Habit(f"`{each.plain[index]}` parts nothing here: white space does", each.at(index))
    return None


def _parted(words: Sequence[_Bare | None]) -> Habit | None:
    """A comma in the only word where several could stand."""
    mark = words[0].mark(_PARTING) if len(words) == 1 and words[0] is not None else None
    return None if mark is None else Habit("`,` parts nothing here: this is one word", mark)


def _opened(words: Sequence[_Bare | None], opener: str) -> Habit | None:
    """What ends the line that opens a block in other languages."""
    last = words[-1] if words else None
    if last is None:
        return None
    if last.plain.endswith(":"):
        return Habit("`:` opens nothing: the block begins at the end of the line", last.at(len(last.plain) - 1))
    if opener and last.plain == opener and len(words) > 1:
        return Habit(f"`{opener}` opens nothing: the block begins at the end of the line", last.word.span)
    return None


def _meant(words: Sequence[_Bare | None]) -> str | None:
    """The values that a FOR is meant to go over; None where that is not certain."""
    out: list[str] = []
    for each in words:
        if each is None:
            return None
        out += _values(each)
        if len(out) > _MOST_SHOWN:
            return None
    if len(out) > 1 and out[-1] == "do":
        out.pop()
    shown = " ".join(out)
    return None if not out or any(mark in _plain(shown) for mark in (*_AROUND, "..")) else shown


def _values(each: _Bare) -> Iterator[str]:
    """What one word is meant to go over."""
    within = _BRACES.fullmatch(each.plain)
    if within is not None and ("," in within[2] or _RANGE.fullmatch(within[2])):
        before, after = each.raw[: within.start(2) - 1], each.raw[within.end(2) + 1 :]
        inner = each.raw[within.start(2) : within.end(2)]
        for text in _range(inner) or inner.split(","):
            yield before + text + after
        return
    plain = each.without(_PARTING + _AROUND + ":")
    yield from _range(plain) or (text for text in re.split(r"[,;]+", plain) if text)


def _range(text: str) -> list[str]:
    """The numbers of `1..3`; nothing where it is none, or too many."""
    found = _RANGE.fullmatch(text)
    if found is None:
        return []
    first, last = int(found[1]), int(found[2])
    step = 1 if first <= last else -1
    return list(map(str, range(first, last + step, step)))[: _MOST_SHOWN + 1] if abs(last - first) <= 10**6 else []
