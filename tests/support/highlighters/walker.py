"""The model itself as a highlighter: what every printed one must equal, and what tells which moves a text takes.

Invariant: the steps of a walk together take all of the text.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from metalor_lang.editors import regex
from metalor_lang.editors.model import START, Model
from metalor_lang.tooling.roles import Role

NEWLINE: Final = -1
REFUSAL: Final = -2


class Step(NamedTuple):
    """One step of a walk.

    Args:
        state: where it started.
        move: the number of the move that counted; `NEWLINE` at a line end, `REFUSAL` for the wrong rest of a line.
        start, end: offsets of the characters that it took.

    """

    state: int
    move: int
    start: int
    end: int


class Walker:
    """Walks texts through a model."""

    def __init__(self, model: Model) -> None:
        rows = ("|".join(f"({regex.python(move.pattern)})" for move in state.moves) for state in model.states)
        self._rows = [re.compile(row or "(?!)").match for row in rows]
        self._bad = re.compile(regex.python(model.bad))
        self.model = model

    def walk(self, text: str) -> Iterator[Step]:
        """The steps through a text."""
        at, here = 0, START
        while at < len(text):
            start, state = at, self.model.states[here]
            if text.startswith(("\n", "\r\n"), at):
                at += 1 if text[at] == "\n" else 2
                yield Step(here, NEWLINE, start, at)
                here = state.newline
            elif found := self._rows[here](text, at):
                assert found.lastindex is not None
                at = found.end()
                yield Step(here, found.lastindex - 1, start, at)
                here = state.moves[found.lastindex - 1].target
            else:
                line = text.find("\n", at)
                at = len(text) if line < 0 else line - 1 if text[line - 1] == "\r" else line
                yield Step(here, REFUSAL, start, at)
                here = START

    def paint(self, text: str) -> list[Role | None]:
        """The role of each character; line ends and the blanks between words and statements have none."""
        out: list[Role | None] = [None] * len(text)
        for state, number, start, end in self.walk(text):
            if number == REFUSAL:
                out[start:end] = [Role.ERROR] * (end - start)
            elif number != NEWLINE and (role := self.model.states[state].moves[number].role) is not Role.SPACE:
                out[start:end] = [role] * (end - start)
                for each in self._bad.finditer(text, start, end):
                    out[each.start()] = Role.ERROR
        return out
