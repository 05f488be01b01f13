"""The automaton against the grammar that it is derived from: the committed table, and every statement that we have."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from metalor_lang.diagnostics.codes import CODES
from metalor_lang.source import SourceFile
from metalor_lang.syntax import grammar, parser
from metalor_lang.syntax.automaton import derive, machine, table, write
from metalor_lang.syntax.characters import decode
from metalor_lang.syntax.lines import slices
from metalor_lang.syntax.statements import STATEMENTS

ROOT = Path(__file__).parents[3]
FILES = sorted(path for folder in ("examples", "tests/goldens") for path in (ROOT / folder).rglob("*.metalor"))
TEXTS = [
    *(decode(path.name, path.read_bytes())[0].text for path in FILES),
    *(text for code in CODES.values() for text in (code.right, code.wrong) if text),
    *(f"{spec.example}\n" for spec in STATEMENTS),
]


def statements() -> list[str]:
    """Each statement of the texts, right and wrong ones."""
    return [source.text[cut.start : cut.end] for source in map(_source, TEXTS) for cut in slices(source)]


def _source(text: str) -> SourceFile:
    return SourceFile("x", text)


def test_the_table_is_the_grammars() -> None:
    assert write.rendered(derive.derive(grammar.grammar_text())) == write.TABLE.read_text("utf-8"), "run `make grammar`"


def test_the_lexer_offers_nothing_in_vain() -> None:
    assert all(to != derive.REFUSED for _, moves in table.STATES for _, to in moves)


def test_there_are_texts() -> None:
    assert len(FILES) > 30
    found = statements()
    right = [each for each in found if machine.tokens(each) is not None]
    assert len(right) > 200 and len(found) - len(right) > 100


def test_tokens_are_larks() -> None:
    for text in statements():
        tokens, refusal = grammar.scan_by_lark(text)
        ours = machine.tokens(text)
        assert (ours is None) == (refusal is not None), text
        if ours is not None:
            assert ours == [tuple(each) for each in tokens]


def test_words_are_the_tokens_between_which_gaps_stand() -> None:
    for text in statements():
        tokens = machine.tokens(text)
        if tokens is None:
            continue
        kinds = [kind for kind, _, _ in tokens]
        opening = next((at for at, kind in enumerate(kinds) if kind in ("RAW_OPEN", "TEXT_OPEN")), len(kinds))
        words = [
            each
            for at, each in enumerate(tokens)
            if each[0] not in machine.GAPS or (at > opening and each[0] == "NL")
        ]  # fmt: skip
        assert machine.read(text, 0) == (words, len(text))


@pytest.mark.parametrize("behind", ["", "\n", "\r\n", "\nCMD [", "\n\n  # c\n", " # c\nUSER x"])
def test_a_statement_ends_at_its_line(behind: str) -> None:
    for text in ("WORKDIR /a", 'RUN ["a",\n  "b"]', "SH a \\\n  b", "SH '''\n x\n '''", "ENV A=\"x ${Y}\" B='c'"):
        if text.startswith("SH") and behind.startswith(" #"):
            continue  # shell text takes what looks like a comment, and none may follow a block
        before = "USER y\n  "
        found = machine.read(before + text + behind, len(before))
        assert found is not None
        tokens, end = found
        assert end == len(before + text) + (len(" # c") if behind.startswith(" #") else 0)
        assert tokens[0][1] == len(before)


@pytest.mark.parametrize("text", ["", "\r", " /x /y", "\x00", "x\n", " \\\n\n", " \\"])
def test_what_is_no_statement_is_nothing(text: str) -> None:
    assert machine.read(f"WORKDIR{text}", 0) is None
    assert machine.tokens(f"WORKDIR{text}") is None


def test_files_read_by_lark_alone_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = [parser.parse(_source(text)) for text in TEXTS]
    monkeypatch.setattr(parser, "read", lambda text, at: None)
    monkeypatch.setattr(machine, "tokens", lambda text: None)
    for text, (recipe, diagnostics) in zip(TEXTS, quick):
        by_lark, others = parser.parse(_source(text))
        assert (deep(recipe.statements), diagnostics) == (deep(by_lark.statements), others), text


def deep(node: object) -> object:
    """A node with its spans, which take no part in equality."""
    if isinstance(node, tuple):
        return tuple(map(deep, node))
    names = [each.name for each in getattr(node, "__record_fields__", ())]
    return (type(node).__name__, *((name, deep(getattr(node, name))) for name in names)) if names else node


def test_a_wrong_move_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: each of the first states with another next state is caught by the texts."""
    noticed = 0
    for state in range(40):
        accepting, moves = table.STATES[state]
        if not moves:
            continue
        kind, to = moves[0]
        wrong = (accepting, ((kind, (to + 1) % len(table.STATES)), *moves[1:]))
        monkeypatch.setattr(machine, "STATES", (*table.STATES[:state], wrong, *table.STATES[state + 1 :]))
        monkeypatch.setattr(machine, "_everything", None)
        noticed += any(
            (machine.tokens(text) is None) != (grammar.scan_by_lark(text)[1] is not None) for text in statements()
        )
    assert noticed > 20


def test_groups_capture_nothing() -> None:
    assert derive.without_groups(r"a(b|[(\])](?:c)\()(d)") == r"a(?:b|[(\])](?:c)\()(?:d)"
    assert all(re.compile(pattern).groups == 0 for _, pattern in table.TERMINALS)


def test_a_grammar_that_nests_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derive, "_MOST", 200)
    with pytest.raises(ValueError, match="without end"):
        derive.derive('statement: "(" statement ")" | "x"\n')


def test_a_grammar_whose_lexer_renames_is_refused() -> None:
    with pytest.raises(ValueError, match="renamed"):
        derive.derive('statement: NAME | IF\nIF: "if"\nNAME: /[a-z]+/\n')


def test_right_recipes_need_no_lark() -> None:
    code = (
        "import sys\n"
        "from metalor_lang.syntax.parser import parse\n"
        "from metalor_lang.syntax.formatter import format_recipe\n"
        "from metalor_lang.source import SourceFile\n"
        "source = SourceFile('x', open(sys.argv[1]).read())\n"
        "assert parse(source)[0].statements and not parse(source)[1]\n"
        "format_recipe(source)\n"
        "assert not any(name.partition('.')[0] == 'lark' for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, ROOT / "tests/goldens/syntax/values.metalor"], check=True)
