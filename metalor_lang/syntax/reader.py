"""Reads the tokens of one accepted statement: values, arrays, flags, shell text, blocks.

Invariant: spans are absolute; of the problems that the grammar cannot see the first one is kept, and reading goes on.
"""

import json
import re
from collections.abc import Callable, Sequence

from metalor_lang.diagnostics.model import Diagnostic, Edit
from metalor_lang.primitives import PrimitiveError, parse_exec_array
from metalor_lang.source import Span
from metalor_lang.syntax import ast
from metalor_lang.syntax.flags import flag_problem, unknown_flag
from metalor_lang.syntax.grammar import Token
from metalor_lang.syntax.statements import BY_WORD, StatementSpec

GAPS = frozenset({"WS", "NL", "BACKSLASH", "COMMENT"})
_WORD_TOKENS = frozenset({"WORD", "REST", "VALUE", "DOLLAR", "DOLLARS_BRACE", "REF_OPEN", "SINGLE", "QUOTE"})
_HEREDOC = re.compile(r"(?:^|\s)<<-?\s*(?:[\"'][A-Za-z_]\w*[\"']|[A-Za-z_]\w*)(?=\s|$|[>|;&])")


class Builder:
    """Reads the tokens of one statement from left to right."""

    def __init__(self, text: str, base: int, tokens: Sequence[Token]) -> None:
        self.text = text
        self.base = base
        self.all = tokens
        self.tokens = [token for token in tokens if token.type not in GAPS]
        self.at = 0
        self.problem: Diagnostic | None = None

    # ---- tokens --------------------------------------------------------------------------------------------

    def peek(self) -> str:
        """The type of the next token that is no gap, "" at the end."""
        return self.tokens[self.at].type if self.at < len(self.tokens) else ""

    def take(self) -> Token:
        """The next token that is no gap."""
        token = self.tokens[self.at]
        self.at += 1
        return token

    def raw(self, token: Token) -> str:
        """The token's text."""
        return self.text[token.start : token.end]

    def span(self, start: int, end: int) -> Span:
        """The absolute span of offsets in the statement."""
        return Span(self.base + start, self.base + end)

    def of(self, token: Token) -> Span:
        """The absolute span of a token."""
        return self.span(token.start, token.end)

    def refuse(self, code: str, message: str, span: Span, help: str, edits: tuple[Edit, ...] = ()) -> None:
        """Keep a problem; the first one of a statement counts."""
        if self.problem is None:
            self.problem = Diagnostic(code=code, message=message, span=span, help=help, edits=edits)

    # ---- values --------------------------------------------------------------------------------------------

    def parts(self, until: Callable[[Token], bool]) -> tuple[ast.Part, ...]:
        """The parts of a value up to the token that `until` says yes to (which stays)."""
        pieces: list[tuple[str, int, int] | ast.Ref] = []
        while self.at < len(self.tokens) and not until(self.tokens[self.at]):
            token = self.take()
            if token.type == "REF_OPEN":
                name, close = self.take(), self.take()
                pieces.append(ast.Ref(name=self.raw(name), span=self.span(token.start, close.end)))
            else:
                pieces.append((self.decoded(token), token.start, token.end))
        return self.joined(pieces)

    def joined(self, pieces: Sequence["tuple[str, int, int] | ast.Ref"]) -> tuple[ast.Part, ...]:
        """Pieces of text side by side become one Text."""
        out: list[ast.Part] = []
        run: list[tuple[str, int, int]] = []

        def flush() -> None:
            value = "".join(piece[0] for piece in run)
            if value:
                out.append(ast.Text(value=self.without_surrogates(value, run), span=self.span(run[0][1], run[-1][2])))
            run.clear()

        for piece in pieces:
            if isinstance(piece, ast.Ref):
                flush()
                out.append(piece)
            else:
                run.append(piece)
        flush()
        return tuple(out)

    def decoded(self, token: Token) -> str:
        """What a token of literal text means."""
        raw = self.raw(token)
        match token.type:
            case "DOLLARS_BRACE":
                return raw[1:]
            case "ESCAPE":
                char: str = json.loads(f'"{raw}"')
                if char == "\0":
                    self.refuse(
                        "E0225",
                        "NUL cannot stand in a value",
                        self.of(token),
                        "remove it: no command, name or file can hold it",
                    )
                return char
            case _:
                return raw

    def without_surrogates(self, value: str, run: Sequence[tuple[str, int, int]]) -> str:
        """The text with surrogate pairs joined; a lone one is a problem."""
        if not any("\ud800" <= char <= "\udfff" for char in value):
            return value
        joined = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        high = None
        for char, start, end in run:
            is_low = len(char) == 1 and "\udc00" <= char <= "\udfff"
            if high is not None and not (is_low and high[1] == start):
                self._lone(*high)
                high = None
            elif high is not None:
                high = None
                continue
            if is_low:
                self._lone(start, end)
            elif len(char) == 1 and "\ud800" <= char <= "\udbff":
                high = (start, end)
        if high is not None:
            self._lone(*high)
        return joined

    def _lone(self, start: int, end: int) -> None:
        self.refuse(
            "E0225",
            f"{self.text[start:end]} is half of a surrogate pair",
            self.span(start, end),
            'write the character itself, or both halves: "\\ud83d\\ude00"',
        )

    def value(self) -> ast.Word:
        """One value in any of its forms; an absent one is an empty word behind the last token."""
        if self.at >= len(self.tokens) or self.tokens[self.at].type not in _WORD_TOKENS:
            end = self.tokens[self.at - 1].end
            return ast.Word(parts=(), span=self.span(end, end))
        first = self.tokens[self.at]
        if first.type == "SINGLE":
            self.at += 1
            raw = self.raw(first)[1:-1]
            inner = self.span(first.start + 1, first.end - 1)
            parts = (ast.Text(value=raw, span=inner),) if raw else ()
            return ast.Word(parts=parts, form=ast.Form.SINGLE, span=self.of(first))
        if first.type == "QUOTE":
            return self.double()
        end = first.start

        def ends(token: Token) -> bool:
            nonlocal end
            if token.start != end:
                return True
            # An expansion is three tokens, taken together.
            end = token.end if token.type != "REF_OPEN" else self.tokens[self.at + 2].end
            return False

        bare = self.parts(ends)
        return ast.Word(parts=bare, form=ast.Form.BARE, span=self.span(first.start, self.tokens[self.at - 1].end))

    def double(self) -> ast.Word:
        """A double-quoted value."""
        opening = self.take()
        parts = self.parts(lambda token: token.type == "QUOTE_END")
        closing = self.take()
        return ast.Word(parts=parts, form=ast.Form.DOUBLE, span=self.span(opening.start, closing.end))

    def has_value(self, after: Token) -> bool:
        """Whether a value begins right behind a token."""
        if self.at >= len(self.tokens):
            return False
        token = self.tokens[self.at]
        return token.start == after.end and token.type in _WORD_TOKENS

    def value_after(self, equals: Token) -> ast.Word:
        """The value behind `=`, empty where none stands there."""
        if self.has_value(equals):
            return self.value()
        return ast.Word(parts=(), span=self.span(equals.end, equals.end))

    def word(self, spec: StatementSpec) -> ast.Word:
        """A word of a statement; a bare one that looks like a flag or a heredoc is a problem."""
        word = self.value()
        if word.form is ast.Form.BARE and word.parts and isinstance(first := word.parts[0], ast.Text):
            if first.value.startswith("--"):
                self._flag_like(spec, word, first.value)
            if first.value.startswith("<<"):
                help = "write FILE /path ''' and the text on the lines below it, closed by '''"
                self.refuse("E0228", "there are no heredocs", word.span, help)
        return word

    def _flag_like(self, spec: StatementSpec, word: ast.Word, text: str) -> None:
        name = text[2:].partition("=")[0]
        known = spec.flag(name)
        if known is not None:
            help = f'flags come first: {spec.word} {known.example} …; or quote the word: "{text}"'
            self.refuse("E0244", f"the flag --{name} stands behind words", word.span, help)
        elif spec.flags:
            code, message, help = unknown_flag(spec, f"--{name}")
            self.refuse(code, message, word.span, help)
        else:
            self.refuse(
                "E0244", f"{spec.word} takes no flags", word.span, f'a word that is meant so is quoted: "{text}"'
            )

    def words(self, spec: StatementSpec) -> tuple[ast.Word, ...]:
        """Every word up to the end."""
        out = []
        while self.at < len(self.tokens):
            out.append(self.word(spec))
        return tuple(out)

    def array(self) -> ast.Array:
        """An exec array."""
        opening = self.take()
        items = []
        while self.peek() != "RBRACKET":
            if self.peek() == "COMMA":
                self.at += 1
                continue
            items.append(self.double())
        closing = self.take()
        return ast.Array(items=tuple(items), span=self.span(opening.start, closing.end))

    def pairs(self) -> tuple[ast.Pair, ...]:
        """`key=value` up to the end."""
        out = []
        while self.at < len(self.tokens):
            key, equals = self.take(), self.take()
            value = self.value_after(equals)
            span = Span(self.base + key.start, value.span.end)
            out.append(ast.Pair(key=self.raw(key), value=value, key_span=self.of(key), span=span))
        return tuple(out)

    # ---- flags ---------------------------------------------------------------------------------------------

    def flags(self, spec: StatementSpec) -> tuple[ast.Flag, ...]:
        """The flags; an unknown, repeated, valueless one is a problem and left out."""
        out: list[ast.Flag] = []
        seen: set[str] = set()
        while self.peek() == "FLAG":
            token = self.take()
            name = self.raw(token)[2:]
            value = None
            end = token.end
            if self.peek() == "EQ" and self.tokens[self.at].start == token.end:
                value = self.value_after(self.take())
                end = value.span.end - self.base
            flag = ast.Flag(name=name, value=value, name_span=self.of(token), span=self.span(token.start, end))
            problem = flag_problem(
                spec, name, has_value=value is not None, behind=self.text[token.end :], repeated=name in seen
            )
            if problem is None:
                out.append(flag)
            else:
                code, message, help = problem
                self.refuse(code, message, flag.name_span if code in ("E0240", "E0242") else flag.span, help)
            seen.add(name)
        return tuple(out)

    # ---- shell text and blocks -----------------------------------------------------------------------------

    def shell_text(self) -> ast.ShellText:
        """The text of SH, one-line or block."""
        if self.peek() == "RAW_OPEN":
            block = self.block()
            text = "".join(part.value for part in block.parts if isinstance(part, ast.Text))
            if not text.strip():
                self.refuse("E0245", "SH without any text", block.span, "for example: SH apt-get update")
            return ast.ShellText(text=text, block=True, span=block.span)
        pieces = [token for token in self.tokens[self.at :] if token.type == "SH_TEXT"]
        self.at = len(self.tokens)
        text = "".join(self.raw(piece) for piece in pieces).rstrip(" \t")
        end = pieces[-1].start + len(self.raw(pieces[-1]).rstrip(" \t"))
        span = self.span(pieces[0].start, max(end, pieces[0].start + 1))
        self._check_shell_text(text, span)
        return ast.ShellText(text=text, block=False, span=span)

    def _check_shell_text(self, text: str, span: Span) -> None:
        if text.startswith("--"):
            self.refuse(
                "E0247", "the text of SH cannot start with `--`: flags do", span, f"see the flags: {_flag_list('SH')}"
            )
        if text.startswith("["):
            try:
                parse_exec_array(text)
            except PrimitiveError:
                return
            edit = Edit(span=Span(self.base + self.tokens[0].start, self.base + self.tokens[0].end), text="RUN")
            self.refuse(
                "E0246",
                "SH takes shell text; an exec array belongs to RUN",
                span,
                f"write RUN {text}",
                (edit,) if self.tokens[0].type == "SH" else (),
            )
        heredoc = _HEREDOC.search(text)
        if heredoc and "((" not in text and _balanced(text[: heredoc.start()]):
            help = "write SH ''' and the text on the lines below it, closed by '''; a heredoc works inside such a block"
            self.refuse("E0228", "a heredoc needs lines of its own, which a line of SH has not", span, help)
        last = text.split()[-1] if text.split() else ""
        if last in ("'''", '"""') and text != last:
            at = span.end - 3
            self.refuse(
                "E0113",
                "a block must be the whole text of SH",
                Span(at, span.end),
                "write SH ''' and the text on the lines below it, closed by ''' on a line of its own",
            )

    def block(self) -> ast.Block:
        """A block: indentation removed, line ends LF."""
        opening = next(token for token in self.all if token.type in ("RAW_OPEN", "TEXT_OPEN"))
        closing = self.all[-1] if self.all[-1].type.endswith("_CLOSE") else self.all[-2]
        indent = self.raw(closing)[:-3]
        start = self.text.index("\n", opening.end) + 1
        pieces: list[tuple[str, int, int] | ast.Ref] = []
        inner = [token for token in self.all if start <= token.start < closing.start]
        lines: list[list[Token]] = [[]]
        for token in inner:
            if token.type == "NL":
                pieces_of = self._block_line(lines[-1], indent)
                pieces += pieces_of
                pieces.append(("\n", token.start, token.end))
                lines.append([])
            else:
                lines[-1].append(token)
        self.at = len(self.tokens)
        return ast.Block(
            parts=self.joined(pieces), raw=opening.type == "RAW_OPEN", span=self.span(opening.start, closing.end)
        )

    def _block_line(self, tokens: Sequence[Token], indent: str) -> list["tuple[str, int, int] | ast.Ref"]:
        if not tokens:
            return []
        start, end = tokens[0].start, tokens[-1].end
        line = self.text[start:end]
        if line.startswith(indent):
            start += len(indent)
        elif not line.strip(" \t"):
            return []
        else:
            self._less_indented(line, start, indent)
        out: list[tuple[str, int, int] | ast.Ref] = []
        index = 0
        while index < len(tokens):
            token = tokens[index]
            if token.type == "REF_OPEN":
                name, close = tokens[index + 1], tokens[index + 2]
                out.append(ast.Ref(name=self.raw(name), span=self.span(token.start, close.end)))
                index += 3
                continue
            at = max(token.start, start)
            text = self.decoded(token) if token.type == "DOLLARS_BRACE" else self.text[at : token.end]
            if text:
                out.append((text, at, token.end))
            index += 1
        return out

    def _less_indented(self, line: str, start: int, indent: str) -> None:
        own = line[: len(line) - len(line.lstrip(" \t"))]
        end = start + max(len(own), 1)
        if len(own) >= len(indent) or own != indent[: len(own)]:
            message = "this line is indented with other characters than the closing fence"
            help = "use spaces or tabs, the same in the whole block"
        else:
            message = "this line is indented less than the closing fence"
            help = "the closing fence's indentation is removed from every line: indent the line, or the fence less"
        self.refuse("E0112", message, self.span(start, end), help)


def _balanced(text: str) -> bool:
    """Whether no quote of the shell is open at the end of a text (roughly: escapes aside)."""
    return text.count("'") % 2 == 0 and text.count('"') % 2 == 0


def _flag_list(word: str) -> str:
    return " ".join("--" + flag.name for flag in BY_WORD[word].flags)
