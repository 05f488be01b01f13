"""The automaton and Lark on statements made to be nearly right: equal tokens, equal refusals, equal trees with spans.

`METALOR_AGREE` sets how many texts are tried (some hundreds by default; 80,000 is the number in the documents).
"""

import os
import random
from collections.abc import Iterator

import pytest

from metalor_lang.source import SourceFile
from metalor_lang.syntax import grammar, parser
from metalor_lang.syntax.automaton import machine
from metalor_lang.syntax.lines import slices
from metalor_lang.syntax.statements import STATEMENTS
from tests.unit.syntax.test_automaton import TEXTS, deep

COUNT = int(os.environ.get("METALOR_AGREE", "2000"))

_WORDS = [spec.word for spec in STATEMENTS]
_SCRAPS = [
    *_WORDS, *sorted({f"--{flag.name}" for spec in STATEMENTS for flag in spec.flags}), "AS", "run", "FROM a:1",
    "=", "[", "]", ",", '"', "'", "'''", '"""', "'''\n", "\n'''", "\n  '''\n", '"""\n', '\n"""', "\\", "\\\\", "\\\n",
    "\\ \n", "\n", "\n\n", "\r\n", "\r", " ", "\t", "#", " # c", "\n    ", "<<EOF", "日本", "\u00a0", "\u2028", "\x00",
    "${", "}", "${A}", "$${", "$", "$A", "\\u0041", "\\ud83d", '["a"]', '"x", ', '",\n "', "a", "b/c", "--", "1", "A=b",
]  # fmt: skip


def texts(count: int, seed: int) -> Iterator[str]:
    """Known recipes with some characters changed, and words and scraps in any order."""
    draw = random.Random(seed)
    for _ in range(count):
        if draw.random() < 0.6:
            yield "".join(_mutated(draw.choice(TEXTS), draw) for _ in range(draw.choice((1, 1, 1, 2, 3))))
        else:
            word = f"{draw.choice(_WORDS)} " if draw.random() < 0.7 else ""
            yield word + "".join(draw.choice(_SCRAPS) for _ in range(draw.randrange(25)))


def _mutated(text: str, draw: random.Random) -> str:
    for _ in range(draw.choice((0, 1, 1, 1, 2, 3))):
        at = draw.randrange(len(text) + 1)
        match draw.randrange(5):
            case 0 | 1:
                text = text[:at] + draw.choice(_SCRAPS) + text[at:]
            case 2:
                text = text[:at] + text[at + draw.randrange(1, 6) :]
            case 3:
                text = text[:at] + draw.choice(_SCRAPS) + text[at + 1 :]
            case _:
                text = text[:at] + text[max(0, at - draw.randrange(1, 20)) :]
    return text


def test_statements() -> None:
    right = wrong = 0
    for text in texts(COUNT, seed=len(machine.STATES)):
        for cut in slices(SourceFile("x", text)):
            statement = text[cut.start : cut.end]
            tokens, refusal = grammar.scan_by_lark(statement)
            ours = machine.tokens(statement)
            assert ours == (None if refusal is not None else [tuple(each) for each in tokens]), statement
            right, wrong = right + (refusal is None), wrong + (refusal is not None)
    assert right > COUNT / 2 and wrong > COUNT / 4
    print(f"{right + wrong} statements, {wrong} of them wrong: the automaton and Lark agree")


def test_whole_files(monkeypatch: pytest.MonkeyPatch) -> None:
    made = list(texts(COUNT, seed=7))
    quick = [parser.parse(SourceFile("x", text)) for text in made]
    monkeypatch.setattr(parser, "read", lambda text, at: None)
    monkeypatch.setattr(machine, "tokens", lambda text: None)
    for text, (recipe, diagnostics) in zip(made, quick):
        by_lark, others = parser.parse(SourceFile("x", text))
        assert deep(recipe.statements) == deep(by_lark.statements), text
        assert diagnostics == others, text
