"""Recipes as canonical text: `format_recipe` for whole files, `print_statement` for one statement.

Invariant: formatting keeps the meaning and every comment, and formatting twice changes nothing more.
"""

import re
from collections.abc import Iterator, Sequence
from json.encoder import encode_basestring

from metalor_lang.hints import TYPE_CHECKING
from metalor_lang.pattern import pattern
from metalor_lang.primitives import WHITE_SPACE
from metalor_lang.record import dataclass, field, replace
from metalor_lang.source import SourceFile
from metalor_lang.syntax import ast

if TYPE_CHECKING:
    from metalor_lang.syntax.grammar import Token

INDENT = "    "

_GAPS = frozenset({"WS", "NL", "BACKSLASH", "COMMENT"})
_BLANKS = WHITE_SPACE.replace("\n", "")


def format_recipe(source: SourceFile) -> str:
    """The recipe in canonical form; a recipe with errors is given back as it is.

    Statements start at the margin, words stand one blank apart, continued lines and blocks are indented by four
    blanks, an array that was written over several lines has one string a line, lines end with LF, blank lines come
    one at a time. Words stay as they were written.
    """
    from metalor_lang.syntax.parser import parse

    if parse(source)[1]:
        return source.text
    return "".join(f"{laid.text}\n" for laid in lay_out(source) if laid.text is not None)


@dataclass(frozen=True, slots=True)
class Laid:
    """Lines of a source (1-based, the last one included), and how they are laid out; None for lines that go."""

    first: int
    last: int
    text: str | None


def lay_out(source: SourceFile) -> list[Laid]:
    """A recipe without errors in canonical form, piece by piece: each statement, each line between them."""
    from metalor_lang.syntax.grammar import scan
    from metalor_lang.syntax.lines import slices

    out: list[Laid] = []
    number = 1
    for cut in slices(source):
        first = source.position(cut.start).line
        out += _between(source, number, first)
        text = source.text[cut.start : cut.end]
        number = source.position(max(cut.end - 1, cut.start)).line + 1
        out.append(Laid(first, number - 1, _Layout(text, scan(text)[0]).text()))
    out += _between(source, number, source.line_count + 1)
    return _thinned(out)


def _between(source: SourceFile, start: int, end: int) -> Iterator[Laid]:
    """The comment and blank lines of a range of lines."""
    for number in range(start, end):
        yield Laid(number, number, source.line(number).strip(_BLANKS))


def _thinned(pieces: Sequence[Laid]) -> list[Laid]:
    """Without blank lines at the start, at the end, and behind other blank lines."""
    last = max((at for at, piece in enumerate(pieces) if piece.text), default=-1)
    out: list[Laid] = []
    blank = True
    for at, piece in enumerate(pieces):
        goes = not piece.text and (blank or at > last)
        blank = not piece.text
        out.append(replace(piece, text=None) if goes else piece)
    return out


@dataclass(slots=True)
class _Gap:
    """What stood between two words: whether the line was broken there, and the comments."""

    breaks: bool = False
    comments: list[str] = field(default_factory=list)


class _Layout:
    """Lays out one statement from its tokens."""

    def __init__(self, source: str, tokens: Sequence["Token"]) -> None:
        self.source = source
        self.tokens = tokens
        self.at = 0
        self.out: list[str] = []

    def raw(self, token: "Token") -> str:
        return self.source[token.start : token.end]

    def gap(self) -> _Gap:
        """Take the gap at the current token."""
        gap = _Gap()
        while self.at < len(self.tokens) and (token := self.tokens[self.at]).type in _GAPS:
            gap.breaks = gap.breaks or token.type == "NL"
            if token.type == "COMMENT":
                gap.comments.append(self.raw(token).rstrip(_BLANKS))
            self.at += 1
        return gap

    def text(self) -> str:
        """The whole statement, without a line end behind it."""
        while self.at < len(self.tokens):
            kind = self.tokens[self.at].type
            if kind in _GAPS:
                self.between()
            elif kind == "LBRACKET":
                self.array()
            elif kind == "SH_TEXT":
                self.shell()
            elif kind in ("RAW_OPEN", "TEXT_OPEN"):
                self.block()
            else:
                self.out.append(self.raw(self.tokens[self.at]))
                self.at += 1
        return "".join(self.out).rstrip(" \t") if not self.tokens[-1].type.endswith("_CLOSE") else "".join(self.out)

    def between(self) -> None:
        gap = self.gap()
        if self.at >= len(self.tokens):
            self.out += [f"  {comment}" for comment in gap.comments]
        elif gap.breaks:
            self.out.append(" \\\n" + "".join(f"{INDENT}{comment}\n" for comment in gap.comments) + INDENT)
        else:
            self.out.append(" ")

    def shell(self) -> None:
        while self.at < len(self.tokens):
            self.out.append(self.raw(self.tokens[self.at]))
            self.at += 1
            gap = self.gap()
            if self.at < len(self.tokens):
                self.out.append("\\\n" + "".join(f"{INDENT}{comment}\n" for comment in gap.comments) + INDENT)

    def block(self) -> None:
        opening = self.tokens[self.at]
        closing = next(token for token in reversed(self.tokens) if token.type.endswith("_CLOSE"))
        fence = self.raw(opening)
        indent = self.raw(closing)[:-3]
        body = self.source[self.source.index("\n", opening.end) + 1 : closing.start]
        self.out.append(fence + "\n")
        for line in re.split(r"\r?\n", body)[:-1]:
            content = line[len(indent) :] if line.startswith(indent) else ""
            self.out.append(f"{INDENT}{content}\n" if content else "\n")
        self.out.append(INDENT + fence)
        self.at = len(self.tokens)

    def array(self) -> None:
        """An array: on one line if it was, else one string a line."""
        end = next(at for at in range(self.at, len(self.tokens)) if self.tokens[at].type == "RBRACKET")
        inner = self.tokens[self.at + 1 : end]
        self.at = end + 1
        items: list[str] = []
        # Comments by the number of items before them; those on a line of their own, and those behind something.
        above: dict[int, list[str]] = {}
        beside: dict[int, str] = {}
        in_string = False
        fresh_line = False
        for token in inner:
            raw = self.raw(token)
            match token.type:
                case "QUOTE":
                    in_string = True
                    items.append(raw)
                case "QUOTE_END":
                    in_string = False
                    items[-1] += raw
                case "NL":
                    fresh_line = True
                    continue
                case "COMMENT" if fresh_line or len(items) in beside:
                    above.setdefault(len(items), []).append(raw.rstrip(_BLANKS))
                case "COMMENT":
                    beside[len(items)] = raw.rstrip(_BLANKS)
                case "WS" | "COMMA":
                    continue
                case _ if in_string:
                    items[-1] += raw
                case _:
                    raise AssertionError(f"{token.type} in an array")
            fresh_line = False
        if not any(token.type == "NL" for token in inner):
            self.out.append("[" + ", ".join(items) + "]")
            return
        self.out.append("[" + (f"  {beside[0]}" if 0 in beside else "") + "\n")
        for index in range(len(items) + 1):
            self.out += [f"{INDENT}{comment}\n" for comment in above.get(index, ())]
            if index < len(items):
                comma = "," if index + 1 < len(items) else ""
                note = f"  {beside[index + 1]}" if index + 1 in beside else ""
                self.out.append(f"{INDENT}{items[index]}{comma}{note}\n")
        self.out.append("]")


# ---- one statement, from its node ------------------------------------------------------------------------------

_PLAIN = pattern(r"[A-Za-z0-9_./:@%+,=^~-]+")
_NOT_BARE = pattern(r"[\s\"'\\\x00-\x1f\x7f-\x9f]")
_DOLLAR_TRAP = pattern(r"\$+(?=[A-Za-z_({]|\Z)")


def print_statement(statement: ast.Statement) -> str:
    """The statement on one line, as history and events show it; the text of an SH block follows SH whole.

    What is printed parses to the same statement, blocks apart: of a FILE only the destination is shown.
    """
    flags = "".join(f" {_flag(flag)}" for flag in statement.flags)
    return statement.word + flags + _rest(statement)


def _rest(statement: ast.Statement) -> str:
    match statement:
        case ast.RecipeVersion():
            return f" {statement.version}"
        case ast.Arg():
            return f" {statement.name}" + (
                "" if statement.default is None else f"={print_word(statement.default, value=True)}"
            )
        case ast.From():
            return f" {print_word(statement.base)}" + (f" AS {statement.stage}" if statement.stage else "")
        case ast.Env() | ast.Label() | ast.Annotate():
            return _pairs(statement.pairs)
        case ast.Unset():
            return f" {statement.kind}" + (f" {print_word(statement.name)}" if statement.name else "")
        case ast.Workdir():
            return f" {print_word(statement.path)}"
        case ast.User():
            return f" {print_word(statement.user)}"
        case ast.StopSignal():
            return f" {print_word(statement.signal)}"
        case ast.Layer():
            return f" {print_word(statement.name)}"
        case ast.Expose():
            return _words(*statement.ports)
        case ast.Volume():
            return _words(*statement.paths)
        case ast.Shell() | ast.Entrypoint() | ast.Cmd() | ast.Run():
            return " [" + ", ".join(_double(item, in_array=True) for item in statement.argv.items) + "]"
        case ast.Sh():
            return " " + statement.text.text.strip("\n")
        case ast.Copy():
            return _words(*statement.sources, statement.destination)
        case ast.File():
            return _words(statement.destination)
        case ast.Fetch() | ast.Git():
            return _words(statement.url, statement.destination)
        case ast.Test():
            return f" {print_statement(statement.step)}"
        case ast.If() | ast.Else():
            return _condition(statement.condition, isinstance(statement, ast.Else))
        case ast.End():
            return ""
        case ast.For():
            return f" {statement.name} IN{_words(*statement.values)}"
        case ast.Define():
            return f" {statement.name}" + "".join(
                f" {each.name}" + ("" if each.default is None else f"={print_word(each.default, value=True)}")
                for each in statement.parameters
            )
        case ast.Use():
            return f" {statement.title}" + _pairs(statement.pairs)
        case ast.Import():
            return f" {print_word(statement.path)} AS {statement.space}"


def _condition(condition: ast.Condition | None, otherwise: bool) -> str:
    if condition is None:
        return ""
    before = " IF" if otherwise else ""
    return f"{before} {print_word(condition.value)} {condition.comparison}{_words(*condition.others)}"


def _pairs(pairs: tuple[ast.Pair, ...]) -> str:
    return "".join(f" {pair.key}={print_word(pair.value, value=True)}" for pair in pairs)


def _words(*words: ast.Word) -> str:
    return "".join(f" {print_word(word)}" for word in words)


def _flag(flag: ast.Flag) -> str:
    return f"--{flag.name}" + ("" if flag.value is None else f"={print_word(flag.value, value=True)}")


def print_word(word: ast.Word, *, value: bool = False) -> str:
    """A word as it is written: bare where that means the same, else in quotes.

    Args:
        word: the word.
        value: whether it stands behind `=`, where more may come first and nothing at all is a value.

    """
    literal = word.literal
    if word.form is ast.Form.BARE and (bare := _bare(word, value=value)) is not None:
        return bare
    if literal is not None and _PLAIN.fullmatch(literal) and not literal.startswith("--"):
        return literal
    if literal is not None and "$" in literal and not re.search(r"['\r\n\x00-\x08\x0b-\x1f\x7f-\x9f]", literal):
        return f"'{literal}'"
    return _double(word, in_array=False)


def _bare(word: ast.Word, *, value: bool) -> str | None:
    """The word without quotes, or None where it needs some."""
    if not word.parts:
        return "" if value else None
    out = []
    for index, part in enumerate(word.parts):
        if isinstance(part, ast.Ref):
            out.append(f"${{{part.name}}}")
            continue
        if _NOT_BARE.search(part.value):
            return None
        text = part.value.replace("${", "$${")
        follows = index + 1 < len(word.parts)
        if re.search(r"\$[A-Za-z_(]", text) or (follows and text.endswith("$")):
            return None
        out.append(text)
    text = "".join(out)
    if text.startswith(("[", "#", "--", "<<")) and not value:
        return None
    return text


def _double(word: ast.Word, *, in_array: bool) -> str:
    """The word in double quotes."""
    out = []
    for index, part in enumerate(word.parts):
        if isinstance(part, ast.Ref):
            out.append(f"${{{part.name}}}")
            continue
        if "$" not in part.value:
            out.append(_escaped(part.value))
            continue
        last = index + 1 == len(word.parts)

        def dollars(found: re.Match[str], text: str = part.value, last: bool = last) -> str:
            following = text[found.end() : found.end() + 1]
            if following == "{":
                return found.group() + "$"
            # A `$` that would be read together with what follows is written by its number.
            if (not following and not last) or (following and not in_array):
                return "\\u0024" * len(found.group())
            return found.group()

        pieces: list[str] = []
        at = 0
        for found in _DOLLAR_TRAP.finditer(part.value):
            pieces += (_escaped(part.value[at : found.start()]), dollars(found))
            at = found.end()
        out.append("".join(pieces) + _escaped(part.value[at:]))
    return '"' + "".join(out) + '"'


def _escaped(text: str) -> str:
    """Text with JSON's escapes, and those characters escaped that no recipe may hold."""
    quoted = encode_basestring(text)[1:-1]
    if quoted.isprintable():
        return quoted
    return re.sub(r"[\x7f-\x9f\u202a-\u202e\u2066-\u2069]", lambda found: f"\\u{ord(found.group()):04x}", quoted)
