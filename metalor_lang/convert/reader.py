"""The text of a Dockerfile as instructions, comments and blank lines, the way BuildKit reads it.

Invariant: every line of the file is in exactly one item, in order; nothing is judged here but what makes reading
impossible, and that is kept in `Instruction.problem`.
"""

import json
import re
from collections.abc import Iterator, Sequence

from metalor_lang.convert.words import WordError, literal, pieces
from metalor_lang.hints import Final
from metalor_lang.record import dataclass, replace

_DIRECTIVE: Final = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*")
_DIRECTIVES: Final = ("syntax", "escape", "check")
_HEREDOC: Final = re.compile(r"(\d*)<<(-?)([^<]*)")
_HEREDOC_WORDS: Final = ("ADD", "COPY", "RUN")
_GAP: Final = re.compile(r"[\t\v\f\r ]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heredoc:
    """A heredoc: its word in the line, its name, its text with the line ends."""

    word: str
    name: str
    expands: bool
    strips: bool
    text: str

    @property
    def stripped(self) -> str:
        """The text as `<<-` means it: without the tabs at the front of its lines."""
        return re.sub(r"^\t+", "", self.text, flags=re.MULTILINE) if self.strips else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A physical line of an instruction: text without its continuation mark, or a comment, or blank."""

    text: str
    comment: bool = False

    @property
    def blank(self) -> bool:
        """Whether it is an empty line within a continuation, which Docker drops."""
        return not self.comment and not self.text.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction.

    Args:
        first: its first line, 1-based.
        last: its last line, heredocs included.
        word: upper case.
        written: its lines as they stand in the file.
        flags: `--name=value` in order; the value is None for a bare `--name`.
        rest: what stands behind the flags, lines joined, trimmed.
        parts: the same by physical line, comments and blank lines included.
        heredocs: in order.
        array: the strings of `rest` where that is a JSON array of strings.
        problem: why it cannot be read ("" when it can).

    """

    first: int
    last: int
    word: str
    written: tuple[str, ...]
    flags: tuple[tuple[str, str | None], ...] = ()
    rest: str = ""
    parts: tuple[Part, ...] = ()
    heredocs: tuple[Heredoc, ...] = ()
    array: tuple[str, ...] | None = None
    problem: str = ""

    @property
    def comments(self) -> tuple[str, ...]:
        """The comments between its lines, as written, without white space in front."""
        return tuple(part.text.strip() for part in self.parts if part.comment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """`# syntax=…`, `# escape=…` or `# check=…` at the top."""

    line: int
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A comment line, without white space in front."""

    line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Blank:
    """An empty line."""

    line: int


Item = Instruction | Directive | Comment | Blank


@dataclass(frozen=True, slots=True, kw_only=True)
class Dockerfile:
    """What was read."""

    items: tuple[Item, ...]
    escape: str

    @property
    def instructions(self) -> Iterator[Instruction]:
        """The instructions, in order."""
        return (item for item in self.items if isinstance(item, Instruction))


def read(text: str) -> Dockerfile:
    """Read a Dockerfile."""
    lines = text.removeprefix("\ufeff").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return _File([line.removesuffix("\r") for line in lines]).read()


class _File:
    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self.at = 0
        self.escape = "\\"
        self.items: list[Item] = []

    def read(self) -> Dockerfile:
        self.directives()
        while self.at < len(self.lines):
            line = self.lines[self.at]
            stripped = line.lstrip()
            if stripped.startswith("#"):
                self.at += 1
                self.items.append(Comment(line=self.at, text=line.strip()))
            elif not stripped:
                self.at += 1
                self.items.append(Blank(line=self.at))
            else:
                self.items.append(self.instruction())
        return Dockerfile(items=tuple(self.items), escape=self.escape)

    def directives(self) -> None:
        seen: set[str] = set()
        while self.at < len(self.lines):
            found = _DIRECTIVE.fullmatch(self.lines[self.at].lstrip())
            name = found[1].lower() if found is not None else ""
            if found is None or name not in _DIRECTIVES or name in seen:
                return
            seen.add(name)
            self.at += 1
            if name == "escape" and found[2] in ("`", "\\"):
                self.escape = found[2]
            self.items.append(Directive(line=self.at, name=name, value=found[2]))

    def instruction(self) -> Instruction:
        start = self.at
        mark = re.compile(re.escape(self.escape) + r"[ \t]*\Z")
        line = self.lines[self.at].lstrip()
        self.at += 1
        parts = [Part(text=mark.sub("", line, count=1))]
        goes_on = mark.search(line) is not None
        while goes_on and self.at < len(self.lines):
            line = self.lines[self.at]
            self.at += 1
            if line.lstrip().startswith("#"):
                parts.append(Part(text=line, comment=True))
            elif not line.strip():
                parts.append(Part(text=""))
            else:
                parts.append(Part(text=mark.sub("", line, count=1)))
                goes_on = mark.search(line) is not None
        return self.whole(start, parts)

    def whole(self, start: int, parts: list[Part]) -> Instruction:
        text = "".join(part.text for part in parts if not part.comment)
        end = len(text.rstrip())
        word = _GAP.split(text.strip(), maxsplit=1)[0] if text.strip() else ""
        at = len(text) - len(text.lstrip()) + len(word)
        problem = ""
        flags: tuple[tuple[str, str | None], ...] = ()
        try:
            flags, at = _flags(text, at, self.escape)
        except WordError as error:
            problem = str(error)
        while at < end and text[at].isspace():
            at += 1
        rest = text[at:end]
        made = Instruction(
            first=start + 1, last=self.at, word=word.upper(), written=(), flags=flags, rest=rest,
            parts=_behind(parts, at, end), array=_array(rest), problem=problem,
        )  # fmt: skip
        made = self.heredocs(made, text)
        return replace(made, last=self.at, written=tuple(self.lines[start : self.at]))

    def heredocs(self, made: Instruction, text: str) -> Instruction:
        nested = made.word == "ONBUILD" and made.rest.partition(" ")[0].upper() in _HEREDOC_WORDS
        if made.array is not None or not (made.word in _HEREDOC_WORDS or nested) or "<<" not in text:
            return made
        out: list[Heredoc] = []
        for word in raw_words(text):
            found = heredoc(word)
            if found is None:
                continue
            body: list[str] = []
            while self.at < len(self.lines):
                line = self.lines[self.at]
                self.at += 1
                if (line.lstrip("\t") if found.strips else line) == found.name:
                    break
                body.append(f"{line}\n")
            else:
                return replace(made, problem=f"the heredoc <<{found.name} is not closed")
            out.append(replace(found, text="".join(body)))
        return replace(made, heredocs=tuple(out))


def heredoc(word: str) -> Heredoc | None:
    """The heredoc that a word opens, without its text."""
    found = _HEREDOC.fullmatch(word)
    if found is None or not found[3]:
        return None
    try:
        name = literal(pieces(found[3]))
    except WordError:
        return None
    if not name or any(char.isspace() for char in name):
        return None
    return Heredoc(word=word, name=name, expands=name == found[3], strips=bool(found[2]), text="")


def raw_words(text: str) -> list[str]:
    """Words with quotes and escapes left in; none at all where a quote is not closed (as BuildKit has it)."""
    words: list[str] = []
    word, at = "", 0
    while at < len(text):
        char = text[at]
        at += 1
        if char in "'\"":
            end = at
            while end < len(text) and text[end] != char:
                end += 2 if char == '"' and text[end] == "\\" else 1
            if end >= len(text):
                return []
            word += text[at - 1 : end + 1]
            at = end + 1
        elif char == "\\":
            word += text[at - 1 : at + 1]
            at += 1
        elif char.isspace():
            if word:
                words.append(word)
            word = ""
        else:
            word += char
    return [*words, word] if word else words


def _flags(text: str, at: int, escape: str) -> tuple[tuple[tuple[str, str | None], ...], int]:
    """The flags that stand at `at`, and where they end."""
    out: list[tuple[str, str | None]] = []
    while True:
        start = at
        while start < len(text) and text[start].isspace():
            start += 1
        if not text.startswith("--", start):
            return tuple(out), at
        word, at = _flag(text, start, escape)
        if word == "--":
            return tuple(out), at
        name, equals, value = word[2:].partition("=")
        out.append((name, value if equals else None))


def _flag(text: str, at: int, escape: str) -> tuple[str, int]:
    word, quote = "", ""
    while at < len(text) and (quote or not text[at].isspace()):
        char = text[at]
        at += 1
        if char == escape and quote != "'":
            word += text[at : at + 1]
            at += 1
        elif char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        else:
            word += char
    if quote:
        raise WordError(f"a closing {quote} is missing in a flag")
    return word, at


def _behind(parts: Sequence[Part], start: int, end: int) -> tuple[Part, ...]:
    """What of the parts lies from `start` to `end` of their joined text; comments and blank lines stay."""
    out: list[Part] = []
    at = 0
    for part in parts:
        if part.comment or not part.text:
            out.append(part)
            continue
        low, high = max(start - at, 0), min(end - at, len(part.text))
        if low < high:
            out.append(Part(text=part.text[low:high]))
        at += len(part.text)
    return tuple(out)


def _array(rest: str) -> tuple[str, ...] | None:
    """The strings of a JSON array; a thing like `[1]` is None (see `bad_array`)."""
    if not rest.startswith("["):
        return None
    try:
        found = json.loads(rest)
    except (ValueError, RecursionError):
        return None
    return tuple(found) if isinstance(found, list) and all(isinstance(each, str) for each in found) else None


def bad_array(rest: str) -> bool:
    """Whether it is JSON, but not of strings: Docker refuses that, and does not take it as shell text."""
    if not rest.startswith("["):
        return False
    try:
        json.loads(rest)
    except (ValueError, RecursionError):
        return False
    return _array(rest) is None
