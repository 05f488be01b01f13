"""Pygments as an engine, with the table printed from the given model."""

from collections.abc import Sequence
from types import ModuleType

import pygments
from pygments.token import Other, Whitespace

from metalor_lang.editors import pygments_print
from metalor_lang.editors.model import Model
from metalor_lang.editors.pygments_lexer import TOKENS, MetalorLexer
from tests.support.highlighters import Colours

ROLES = {kind: None if kind is Whitespace else role for role, kind in TOKENS.items()}


class Pygments:
    name = "Pygments"
    every = 1

    def versions(self) -> str:
        return f"Pygments {pygments.__version__}"

    def roles(self, texts: Sequence[str], model: Model) -> Sequence[Colours]:
        lexers = lexer(model), lexer(model, shell=False)
        return [self._roles(text, *lexers) for text in texts]

    @staticmethod
    def _roles(text: str, full: MetalorLexer, plain: MetalorLexer) -> Colours:
        out = kinds(plain, text)
        shown = kinds(full, text)
        # The shell's lexer gives its own tokens; wherever there is no shell both must be the same.
        return [
            "shell" if ours is Other else ROLES[seen] if seen in ROLES else str(seen) for ours, seen in zip(out, shown)
        ]


def kinds(lexer: MetalorLexer, text: str) -> list[object]:
    """The token type of each character."""
    out: list[object] = []
    for at, kind, piece in lexer.get_tokens_unprocessed(text):
        assert at == len(out) and text.startswith(piece, at)
        out += [kind] * len(piece)
    assert len(out) == len(text)
    return out


def lexer(model: Model, **options: bool) -> MetalorLexer:
    """The lexer whose table is printed from a model."""
    table = ModuleType("table")
    exec(pygments_print.files(model)[pygments_print.PATH], table.__dict__)
    return type("Printed", (MetalorLexer,), {"table": table})(**options)
