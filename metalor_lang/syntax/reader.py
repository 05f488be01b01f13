"""Reads the tokens of one accepted statement: values, arrays, flags, shell text, blocks.

Invariant: offsets are into the whole source; of the problems that the grammar cannot see the first one is kept, and
reading goes on.
"""

import json
from collections.abc import Sequence

from metalor_lang.diagnostics.model import Diagnostic, Edit
from metalor_lang.pattern import pattern
from metalor_lang.primitives import PrimitiveError, parse_exec_array
from metalor_lang.source import Span
from metalor_lang.syntax import ast
from metalor_lang.syntax.ast import Form, Text, Word
from metalor_lang.syntax.automaton.machine import Raw
from metalor_lang.syntax.flags import flag_problem, unknown_flag
from metalor_lang.syntax.statements import BY_WORD, StatementSpec

_WORD_TOKENS = frozenset({"WORD", "REST", "VALUE", "DOLLAR", "DOLLARS_BRACE", "REF_OPEN", "SINGLE", "QUOTE"})
_LITERAL = frozenset({"WORD", "VALUE", "REST", "STRING", "ITEM"})
"""Terminals that mean their own text."""
_HEREDOC = pattern(r"(?:^|\s)<<-?\s*(?:[\"'][A-Za-z_]\w*[\"']|[A-Za-z_]\w*)(?=\s|$|[>|;&])")
_SURROGATE = pattern("[\ud800-\udfff]")
_Piece = tuple[str, int, int]


class Reader:
    """Reads the tokens of one statement from left to right.

    Args:
        text: the source.
        tokens: the statement's, without those between its words.
        end: where its text ends.

    """

    __slots__ = ("at", "end", "expands", "problem", "text", "tokens")

    def __init__(self, text: str, tokens: Sequence[Raw], end: int) -> None:
        self.text = text
        self.tokens = tokens
        self.end = end
        self.at = 0
        self.expands = False
        self.problem: Diagnostic | None = None

    # ---- tokens --------------------------------------------------------------------------------------------

    def peek(self) -> str:
        """The type of the next token, "" at the end."""
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def take(self) -> Raw:
        """The next token."""
        token = self.tokens[self.at]
        self.at += 1
        return token

    def raw(self, token: Raw) -> str:
        """The token's text."""
        return self.text[token[1] : token[2]]

    def refuse(self, code: str, message: str, span: Span, help: str, edits: tuple[Edit, ...] = ()) -> None:
        """Keep a problem; the first one of a statement counts."""
        if self.problem is None:
            self.problem = Diagnostic(code=code, message=message, span=span, help=help, edits=edits)

    # ---- values --------------------------------------------------------------------------------------------

    def joined(self, pieces: Sequence[_Piece | ast.Ref]) -> tuple[ast.Part, ...]:
        """Pieces of text side by side become one Text."""
        out: list[ast.Part] = []
        run: list[_Piece] = []

        def flush() -> None:
            value = "".join(piece[0] for piece in run)
            if value:
                if _SURROGATE.search(value):
                    value = self._without_surrogates(value, run)
                out.append(Text(value=value, span=Span(run[0][1], run[-1][2])))
            run.clear()

        for piece in pieces:
            if isinstance(piece, ast.Ref):
                if run:
                    flush()
                out.append(piece)
            else:
                run.append(piece)
        if run:
            flush()
        return tuple(out)

    def _piece(self, token: Raw) -> _Piece | ast.Ref:
        """What a taken token means: text, or the expansion that it begins (whose tokens are taken)."""
        kind, start, end = token
        if kind == "REF_OPEN":
            name, close = self.take(), self.take()
            self.expands = True
            return ast.Ref(name=self.raw(name), span=Span(start, close[2]))
        raw = self.text[start:end]
        if kind == "DOLLARS_BRACE":
            return raw[1:], start, end
        if kind == "ESCAPE":
            char: str = json.loads(f'"{raw}"')
            if char == "\0":
                help = "remove it: no command, name or file can hold it"
                self.refuse("E0225", "NUL cannot stand in a value", Span(start, end), help)
            return char, start, end
        return raw, start, end

    def _without_surrogates(self, value: str, run: Sequence[_Piece]) -> str:
        """The text with surrogate pairs joined; a lone one is a problem."""
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
            Span(start, end),
            'write the character itself, or both halves: "\\ud83d\\ude00"',
        )

    def value(self) -> Word:
        """One value in any of its forms; an absent one is an empty word behind the last token."""
        tokens, at = self.tokens, self.at
        if at >= len(tokens) or (first := tokens[at])[0] not in _WORD_TOKENS:
            end = tokens[at - 1][2]
            return Word(parts=(), span=Span(end, end))
        kind, start, end = first
        if kind == "QUOTE":
            return self.double()
        self.at = at + 1
        if kind == "SINGLE":
            parts = (
                (Text(value=self.text[start + 1 : end - 1], span=Span(start + 1, end - 1)),) if end > start + 2 else ()
            )
            return Word(parts=parts, form=Form.SINGLE, span=Span(start, end))
        if kind in _LITERAL and (at + 1 == len(tokens) or tokens[at + 1][1] != end):
            span = Span(start, end)
            return Word(parts=(Text(value=self.text[start:end], span=span),), form=Form.BARE, span=span)
        pieces = [self._piece(first)]
        # A bare word goes on as long as its tokens touch.
        while self.at < len(tokens) and tokens[self.at][1] == tokens[self.at - 1][2]:
            pieces.append(self._piece(self.take()))
        return Word(parts=self.joined(pieces), form=Form.BARE, span=Span(start, tokens[self.at - 1][2]))

    def double(self) -> Word:
        """A double-quoted value."""
        tokens, at = self.tokens, self.at
        start = tokens[at][1]
        kind, inner, end = tokens[at + 1]
        if kind in _LITERAL and tokens[at + 2][0] == "QUOTE_END":
            self.at = at + 3
            text = Text(value=self.text[inner:end], span=Span(inner, end))
            return Word(parts=(text,), form=Form.DOUBLE, span=Span(start, end + 1))
        self.at = at + 1
        pieces = []
        while (token := self.take())[0] != "QUOTE_END":
            pieces.append(self._piece(token))
        return Word(parts=self.joined(pieces), form=Form.DOUBLE, span=Span(start, token[2]))

    def value_after(self, equals: Raw) -> Word:
        """The value behind `=`, empty where none stands there."""
        at = self.at
        if at < len(self.tokens) and self.tokens[at][1] == equals[2] and self.tokens[at][0] in _WORD_TOKENS:
            return self.value()
        return Word(parts=(), span=Span(equals[2], equals[2]))

    def word(self, spec: StatementSpec) -> Word:
        """A word of a statement; a bare one that looks like a flag or a heredoc is a problem."""
        word = self.value()
        if word.form is Form.BARE and word.parts and isinstance(first := word.parts[0], Text):
            if first.value.startswith("--"):
                self._flag_like(spec, word, first.value)
            elif first.value.startswith("<<"):
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
        start = self.take()[1]
        items = []
        while (kind := self.tokens[self.at][0]) != "RBRACKET":
            if kind == "COMMA":
                self.at += 1
            else:
                items.append(self.double())
        return ast.Array(items=tuple(items), span=Span(start, self.take()[2]))

    def pairs(self) -> tuple[ast.Pair, ...]:
        """`key=value` up to the end."""
        out = []
        while self.at < len(self.tokens):
            key, equals = self.take(), self.take()
            value = self.value_after(equals)
            span, key_span = Span(key[1], value.span.end), Span(key[1], key[2])
            out.append(ast.Pair(key=self.raw(key), value=value, key_span=key_span, span=span))
        return tuple(out)

    # ---- flags ---------------------------------------------------------------------------------------------

    def flags(self, spec: StatementSpec) -> tuple[ast.Flag, ...]:
        """The flags; an unknown, repeated, valueless one is a problem and left out."""
        if self.at >= len(self.tokens) or self.tokens[self.at][0] != "FLAG":
            return ()
        out: list[ast.Flag] = []
        seen: set[str] = set()
        while self.peek() == "FLAG":
            _, start, end = self.take()
            name_span = Span(start, end)
            name = self.text[start + 2 : end]
            value = None
            behind = end
            if self.peek() == "EQ" and self.tokens[self.at][1] == end:
                value = self.value_after(self.take())
                end = value.span.end
            flag = ast.Flag(name=name, value=value, name_span=name_span, span=Span(start, end))
            known = spec.flag(name)
            if known is not None and known.takes_value is (value is not None) and (known.repeats or name not in seen):
                out.append(flag)
            else:
                problem = flag_problem(
                    spec,
                    name,
                    has_value=value is not None,
                    behind=self.text[behind : self.end],
                    repeated=name in seen,
                )
                assert problem is not None
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
        pieces = self.tokens[self.at :]
        self.at = len(self.tokens)
        text = "".join([self.text[start:end] for _, start, end in pieces]).rstrip(" \t")
        first, last = pieces[0][1], pieces[-1]
        span = Span(first, max(last[1] + len(self.raw(last).rstrip(" \t")), first + 1))
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
            edit = Edit(span=Span(*self.tokens[0][1:]), text="RUN")
            self.refuse(
                "E0246",
                "SH takes shell text; an exec array belongs to RUN",
                span,
                f"write RUN {text}",
                (edit,) if self.tokens[0][0] == "SH" else (),
            )
        heredoc = _HEREDOC.search(text) if "<<" in text else None
        if heredoc and "((" not in text and _balanced(text[: heredoc.start()]):
            help = "write SH ''' and the text on the lines below it, closed by '''; a heredoc works inside such a block"
            self.refuse("E0228", "a heredoc needs lines of its own, which a line of SH has not", span, help)
        if ("'''" in text or '"""' in text) and (last := text.split()[-1]) in ("'''", '"""') and text != last:
            at = span.end - 3
            self.refuse(
                "E0113",
                "a block must be the whole text of SH",
                Span(at, span.end),
                "write SH ''' and the text on the lines below it, closed by ''' on a line of its own",
            )

    def block(self) -> ast.Block:
        """A block: indentation removed, line ends LF."""
        opening, closing = self.take(), self.tokens[-1]
        indent = self.raw(closing)[:-3]
        self.at += 1  # the end of the opening line
        pieces: list[_Piece | ast.Ref] = []
        while (token := self.take()) is not closing:
            if token[0] == "NL":
                pieces.append(("\n", token[1], token[2]))
            else:
                self._block_line(token, indent, pieces)
        span = Span(opening[1], closing[2])
        return ast.Block(parts=self.joined(pieces), raw=opening[0] == "RAW_OPEN", span=span)

    def _block_line(self, token: Raw, indent: str, pieces: list[_Piece | ast.Ref]) -> None:
        """Read a line up to its end."""
        start, at = token[1], self.at
        while self.tokens[at][0] != "NL":
            at += 1
        line = self.text[start : self.tokens[at][1]]
        if line.startswith(indent):
            start += len(indent)
        elif not line.strip(" \t"):
            self.at = at
            return
        else:
            self._less_indented(line, start, indent)
        while True:
            piece = self._piece(token)
            if token[1] >= start:
                pieces.append(piece)
            elif text := self.text[start : token[2]]:
                pieces.append((text, start, token[2]))
            if self.at == at:
                return
            token = self.take()

    def _less_indented(self, line: str, start: int, indent: str) -> None:
        own = line[: len(line) - len(line.lstrip(" \t"))]
        end = start + max(len(own), 1)
        if len(own) >= len(indent) or own != indent[: len(own)]:
            message = "this line is indented with other characters than the closing fence"
            help = "use spaces or tabs, the same in the whole block"
        else:
            message = "this line is indented less than the closing fence"
            help = "the closing fence's indentation is removed from every line: indent the line, or the fence less"
        self.refuse("E0112", message, Span(start, end), help)


def _balanced(text: str) -> bool:
    """Whether no quote of the shell is open at the end of a text (roughly: escapes aside)."""
    return text.count("'") % 2 == 0 and text.count('"') % 2 == 0


def _flag_list(word: str) -> str:
    return " ".join("--" + flag.name for flag in BY_WORD[word].flags)
