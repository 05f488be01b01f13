"""The model: walked, it colours as the parser; what cannot be a highlighter is refused."""

import pytest

from metalor_lang.editors.model import START, Model, State, compiled, model
from metalor_lang.syntax.automaton import derive, table
from metalor_lang.tooling.roles import Role, roles
from tests.support.highlighters import by_lark, by_parser, corpus, differences
from tests.support.highlighters.broken import KINDS, broken
from tests.support.highlighters.texts import known, nearly_right
from tests.support.highlighters.walker import NEWLINE, REFUSAL, Walker


def test_every_terminal_of_the_automaton_has_a_role() -> None:
    assert {name for name, _ in table.TERMINALS} <= set(roles())


def test_states_are_few_and_all_are_reached() -> None:
    states = model().states
    assert 100 < len(states) < 400
    reached, todo = {START}, [START]
    while todo:
        state = states[todo.pop()]
        for to in (state.newline, *(move.target for move in state.moves)):
            if to not in reached:
                reached.add(to)
                todo.append(to)
    assert reached == set(range(len(states)))
    assert len({(state.moves, state.newline) for state in states}) == len(states), "two states are the same"


def test_shell_and_other_blocks_are_told_apart() -> None:
    text = "SH '''\n a\n'''\nFILE /x '''\n a\n'''\n"
    found = Walker(model()).paint(text)
    assert [found[at + 1] for at in range(len(text)) if text.startswith(" a", at)] == [Role.SHELL, Role.BLOCK]


def test_a_walk_takes_all_of_a_text() -> None:
    walker = Walker(model())
    for text in (*known()[:40], *nearly_right(60, seed=2)):
        at = 0
        for step in walker.walk(text):
            assert step.start == at < step.end
            at = step.end
        assert at == len(text)


def test_line_ends_and_refusals() -> None:
    walker = Walker(model())
    steps = [(step.move, step.start, step.end) for step in walker.walk("FROM ' x\r\r\nRUN [\r\n")]
    assert [step for step in steps if step[0] < 0] == [(REFUSAL, 5, 9), (NEWLINE, 9, 11), (NEWLINE, 16, 18)]


@pytest.mark.parametrize("texts", [known(), nearly_right(300, seed=5)], ids=["known", "nearly right"])
def test_it_colours_as_the_parser(texts: tuple[str, ...]) -> None:
    walker = Walker(model())
    right = [by_lark(text) for text in texts]
    assert not list(differences(texts, right, [by_parser(text) for text in texts]))
    assert not list(differences(texts, right, [walker.paint(text) for text in texts]))


def test_the_corpus_goes_everywhere_and_starts_afresh() -> None:
    files = corpus.files(model())
    assert corpus.covered(model(), files) == corpus.wanted(model())
    assert files == corpus.files(model())
    for case in corpus.cases(model())[::97]:
        assert not [each for each in Walker(model()).paint(case + "USER x")[len(case) :] if each is Role.ERROR], case


def _means_the_same(state: State, kind: str) -> bool:
    """Whether a wrong target is as good as the right one: nothing but an error or a line end follows either way."""
    last = model().states[state.moves[-1].target] if state.moves else state
    return kind == "target" and (state is model().states[START] or (not last.moves and last.newline == START))


def test_broken_states_are_noticed_by_the_corpus() -> None:
    """The corpus is good enough: it tells every model with one state broken from the right one."""
    files = corpus.files(model())
    right = [Walker(model()).paint(text) for text in files]
    where = [{state for state, _ in corpus.covered(model(), [text])} for text in files]
    tried = 0
    for number, state in list(enumerate(model().states))[::4]:
        for kind in KINDS:
            try:
                walker = Walker(broken(model(), number, kind))
            except ValueError:
                continue
            if _means_the_same(state, kind):
                continue
            tried += 1
            assert any(
                any(differences([text], [expected], [walker.paint(text)]))
                for text, expected, states in zip(files, right, where)
                if number in states
            ), (number, kind)
    assert tried > 150


_PATTERNS = {"A": "a", "NL": "\r?\n", "WS": "[ \t]+", "COMMENT": "#[^\r\n]*"}
_COLOURS = dict.fromkeys(_PATTERNS, Role.WORD) | {"WS": Role.SPACE}


@pytest.mark.parametrize(
    ("moves", "patterns", "message"),
    [
        ([[("A", derive.REFUSED)]], {}, "offers what the parser refuses"),
        ([[("A", 0)]], {}, "starts a statement"),
        ([[("A", 1)], []], {"A": "a(?=b)"}, "not every editor"),
        ([[("A", 1)], []], {"A": "a\n"}, "line end"),
        ([[("A", 1)], []], {"A": "[^a]"}, "line end"),
        ([[("A", 1)], []], {"A": "a*"}, "nothing at all"),
    ],
)
def test_what_cannot_be_a_highlighter_is_refused(
    moves: list[list[tuple[str, int]]], patterns: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        compiled(moves, _PATTERNS | patterns, _COLOURS)


def test_a_terminal_without_a_role_is_refused() -> None:
    with pytest.raises(KeyError):
        compiled([[("A", 1)], []], _PATTERNS, {"WS": Role.SPACE, "COMMENT": Role.COMMENT})


def test_moves_of_one_colour_and_target_are_one_where_order_is_free() -> None:
    patterns = _PATTERNS | {"AB": "ab", "B": "b", "C": "c"}
    colours = _COLOURS | dict.fromkeys(("AB", "B", "C"), Role.WORD) | {"AB": Role.KEY}
    states = compiled([[("A", 1)], [("C", 2), ("AB", 2), ("B", 2), ("A", 2)], []], patterns, colours)
    (row,) = [state for state in states if any(move.role is Role.KEY for move in state.moves)]
    # `a` may not come before `ab`, which it is the start of; `b` and `c` go together.
    roles_in_order = [move.role for move in row.moves]
    assert roles_in_order in ([Role.KEY, Role.WORD], [Role.WORD, Role.KEY, Role.WORD])
    walker = Walker(Model("", states, model().bad))
    assert walker.paint("aab") == [Role.WORD, Role.KEY, Role.KEY]
    assert walker.paint("aa") == [Role.WORD, Role.WORD]
    assert walker.paint("aab\nac")[:3] == walker.paint("aab")
