"""Pygments' lexer for what stood on the screen of a session at the prompt.

Invariant: the pieces together are the text, whatever it is; a line that a prompt stands before is read as the recipe
that it is, the others are output.
"""

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

from pygments.lexer import Lexer
from pygments.token import Generic, Name, Text, Whitespace, _TokenType

from metalor_lang.editors.pygments_lexer import MetalorLexer

_PROMPT: Final = re.compile(r"[^\s>]+ [0-9]+> ?")
"""The stage (or "metalor") and the number of the statement to come."""

_MORE: Final = re.compile(r" *… ?")
_COMMAND: Final = re.compile(r"(:[a-z]*)([^\n]*)")
_WRONG: Final = re.compile(r"(?:\S+: )?(?:error(?:\[E[0-9]{4}\])?: |E[0-9]{4} )|✗ |  = help: |metalor: ")

_Piece = tuple[int, _TokenType, str]


class MetalorSessionLexer(Lexer):
    """Sessions of `metalor repl`: prompts, statements, commands and what they printed."""

    name = "Metalor session"
    aliases: ClassVar[list[str]] = ["metalor-session", "metalor-console"]
    filenames: ClassVar[list[str]] = ["*.metalor-session"]
    mimetypes: ClassVar[list[str]] = ["text/x-metalor-session"]
    url = ""
    version_added = ""

    @staticmethod
    def analyse_text(text: str) -> float:
        """How likely a text is a session, between 0 and 1."""
        return 0.9 if re.match(r"metalor 1> ", text) else 0.0

    def get_tokens_unprocessed(self, text: str) -> Iterator[_Piece]:
        """(offset, token type, text) of each piece; together they are the text."""
        typed, prompts = "", dict[int, str]()
        at = start = 0
        for line in text.splitlines(keepends=True):
            more = _MORE.match(line) if prompts else None
            prompt = more or _PROMPT.match(line)
            if more is None:
                yield from self._typed(start, typed, prompts)
                typed, prompts, start = "", {}, at
            if prompt is None:
                yield at, Generic.Error if _WRONG.match(line) else Generic.Output, line
            else:
                prompts[len(typed)] = prompt.group()
                typed += line[prompt.end() :]
            at += len(line)
        yield from self._typed(start, typed, prompts)

    def _typed(self, at: int, typed: str, prompts: Mapping[int, str]) -> Iterator[_Piece]:
        """What was typed at one prompt, with the prompts put in where its lines start."""
        left = sorted(prompts)
        for start, kind, text in self._entry(typed):
            done = 0
            while left and left[0] < start + len(text):
                cut = left[0] - start
                if done < cut:
                    yield at, kind, text[done:cut]
                yield at + cut - done, Generic.Prompt, prompts[left[0]]
                at += cut - done + len(prompts[left.pop(0)])
                done = cut
            yield at, kind, text[done:]
            at += len(text) - done
        for each in left:
            yield at, Generic.Prompt, prompts[each]
            at += len(prompts[each])

    @staticmethod
    def _entry(typed: str) -> Iterator[_Piece]:
        command = _COMMAND.match(typed)
        if command is None:
            yield from MetalorLexer().get_tokens_unprocessed(typed)
            return
        yield 0, Name.Function.Magic, command.group(1)
        if command.group(2):
            yield command.start(2), Text, command.group(2)
        if command.end() < len(typed):
            yield command.end(), Whitespace, typed[command.end() :]
