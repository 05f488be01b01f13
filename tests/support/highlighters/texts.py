"""The texts of the agreement: known recipes, and recipes made to be nearly right.

`METALOR_HIGHLIGHT` sets how many of the latter (4,000 by default).
"""

import os
import random
from functools import cache

from metalor_lang.editors.model import model
from tests.property.test_automaton_agrees import texts as mutated
from tests.support.highlighters import corpus
from tests.unit.syntax.test_automaton import TEXTS

MUTANTS = int(os.environ.get("METALOR_HIGHLIGHT", "4000"))
_BEHIND = ("\n", "\n\n", "\r\n", "\n'''\n", '\n"""\n')


@cache
def known() -> tuple[str, ...]:
    """Every example and golden, every example of the language's own pages; each with LF and with CRLF."""
    plain = [text.encode(errors="replace").decode() for text in TEXTS]
    return tuple(dict.fromkeys((*plain, *(text.replace("\r\n", "\n").replace("\n", "\r\n") for text in plain))))


@cache
def covering() -> tuple[str, ...]:
    """Every move of every state."""
    return tuple(corpus.files(model()))


@cache
def nearly_right(count: int = MUTANTS, seed: int = 11) -> tuple[str, ...]:
    """Recipes with characters changed, some to a file, in files with LF and with CRLF."""
    draw = random.Random(seed)
    out, now = [], ""
    for number, text in enumerate(mutated(count, seed)):
        now += text + draw.choice(_BEHIND)
        if number % 10 == 9:
            out.append(now.replace("\n", "\r\n").replace("\r\r\n", "\r\n") if draw.random() < 0.2 else now)
            now = ""
    return (*out, now)
