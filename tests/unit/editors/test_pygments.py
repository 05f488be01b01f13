"""Pygments' own contract: the lexers give back the text, never fail, are found by name, and golden tokens."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename, guess_lexer
from pygments.token import Comment, Error, Generic, Keyword, Name, Other, String

from metalor_lang.editors.model import model
from metalor_lang.editors.pygments_lexer import TOKENS, MetalorLexer
from metalor_lang.editors.pygments_session import MetalorSessionLexer
from metalor_lang.tooling.roles import Role
from tests.support.documents import ROOT
from tests.support.goldens import check_golden
from tests.support.highlighters import by_lark, differences
from tests.support.highlighters.pygments_engine import Pygments, kinds
from tests.support.highlighters.texts import known
from tests.unit.syntax.test_automaton import FILES

GOLDENS = ROOT / "tests" / "goldens" / "pygments"

pieces = st.lists(
    st.one_of(
        st.sampled_from(
            ["SH ", "SH '''\n", "'''", '"""', "FROM ", "RUN [", '"', "${A}", "\\\n", "\n", "# ", "cat <<E\n", "$("]
        ),
        st.text(max_size=6),
    ),
    max_size=12,
).map("".join)  # fmt: skip


def test_every_role_has_a_token_type_of_its_own() -> None:
    assert set(TOKENS) == {role.value for role in Role}
    assert len(set(TOKENS.values())) == len(TOKENS)


@pytest.mark.parametrize("lexer", [MetalorLexer, MetalorSessionLexer])
@settings(max_examples=300, deadline=None)
@given(text=pieces)
def test_any_text_is_given_back(lexer: type, text: str) -> None:
    at = 0
    for start, _, piece in lexer().get_tokens_unprocessed(text):
        assert start == at and piece and text.startswith(piece, at)
        at += len(piece)
    assert at == len(text)
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    whole = "".join(piece for _, piece in lexer(stripnl=False, ensurenl=False).get_tokens(text))
    assert whole == plain.removeprefix("\ufeff")


@settings(max_examples=200, deadline=None)
@given(text=pieces)
def test_the_shells_lexer_moves_nothing(text: str) -> None:
    for plain, shown in zip(kinds(MetalorLexer(shell=False), text), kinds(MetalorLexer(), text)):
        assert plain is shown or plain in (Other, TOKENS["space"]), (plain, shown)


def test_colours_are_larks() -> None:
    right = [by_lark(text) for text in known()]
    assert not list(differences(known(), right, Pygments().roles(known(), model())))


def test_they_are_found_by_name_and_by_file() -> None:
    assert isinstance(get_lexer_by_name("metalor"), MetalorLexer)
    assert isinstance(get_lexer_for_filename("app.metalor"), MetalorLexer)
    assert isinstance(get_lexer_by_name("metalor-session"), MetalorSessionLexer)


@pytest.mark.parametrize(
    ("text", "lexer"),
    [
        ("# a\n\nRECIPE 1\nFROM a:1\n", MetalorLexer),
        ("metalor 1> FROM a:1\n✓ 1  0.1s\n", MetalorSessionLexer),
    ],
)
def test_they_are_guessed(text: str, lexer: type) -> None:
    assert isinstance(guess_lexer(text), lexer)


def test_likely_is_not_certain() -> None:
    assert MetalorLexer.analyse_text("FROM a:1\nSH apt-get update\n") > 0
    for other in ("", "FROM a\nRUN apt-get update\n", "#!/bin/sh\nSH x\n", "x = 1\n"):
        assert not MetalorLexer.analyse_text(other)


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.parent.parent.name == "examples"], ids=lambda p: p.stem
)
def test_golden_tokens(path: Path, update_goldens: bool) -> None:
    tokens = MetalorLexer().get_tokens(path.read_text(encoding="utf-8"))
    shown = "".join(f"{str(kind).removeprefix('Token.'):28} {text!r}\n" for kind, text in tokens)
    GOLDENS.mkdir(exist_ok=True)
    check_golden(shown, GOLDENS / f"{path.stem}.tokens", update=update_goldens)


def test_a_block_of_shell_is_one_text_and_ends_where_it_ends() -> None:
    text = "SH '''\n  cat <<E\n  \"it\n  '''\nSH echo \"$A\" 'x\nUSER y\n"
    found = kinds(MetalorLexer(), text)
    assert found[text.index("USER")] is Keyword
    assert found[text.index("'''\nSH")] is String.Delimiter
    assert found[text.index("echo")] is Name.Builtin
    assert found[text.index("$A")] is Name.Variable


def test_errors_in_shell_stay_errors() -> None:
    assert kinds(MetalorLexer(), "SH echo \x01a")[8] is Error


def test_what_stands_between_lines_of_shell_stays_ours() -> None:
    text = "SH if a; then \\\n  # no 'shell\n  echo b; fi\n"
    found = kinds(MetalorLexer(), text)
    assert found[text.index("# no")] is Comment.Single and found[text.index("'shell")] is Comment.Single
    assert found[text.index("echo")] is Name.Builtin and found[text.index("fi\n")] is Keyword


def test_a_session() -> None:
    text = (
        "metalor 1> FROM a:1 AS app\n✓ 1  0.1s\napp 2> SH '''\n     … echo hi\n     … '''\nhi\napp 3> :undo 2\n"
        "typed:3:11: error[E0221]: no\nE0401 no\nstage-2 4> USER x\n"
    )
    found = kinds(MetalorSessionLexer(), text)

    def kind(part: str) -> object:
        return found[text.index(part)]

    assert [kind(part) for part in ("metalor 1>", "app 2>", "     …", "stage-2")] == [Generic.Prompt] * 4
    assert [kind(part) for part in ("FROM", "SH", "USER")] == [Keyword] * 3
    assert [kind(part) for part in ("✓", "hi\napp")] == [Generic.Output] * 2
    assert [kind(part) for part in ("typed:3", "E0401")] == [Generic.Error] * 2
    assert kind(":undo") is Name.Function.Magic and kind("echo") is Name.Builtin
    assert found[text.index("'''", text.index("echo"))] is String.Delimiter


def test_the_screens_of_the_recorded_session_are_read() -> None:
    text = (ROOT / "docs" / "images" / "repl" / "screens.txt").read_text(encoding="utf-8")
    found = list(MetalorSessionLexer().get_tokens(text))
    prompts = [piece for kind, piece in found if kind is Generic.Prompt]
    assert len(prompts) > 8 and all(">" in piece or "…" in piece for piece in prompts)
    assert (Keyword, "COPY") in found
