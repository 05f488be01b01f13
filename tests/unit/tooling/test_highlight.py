"""Colours: the table of roles is total, and texts are painted as the parser reads them."""

import pytest

from metalor_lang.syntax.grammar import parser
from metalor_lang.tooling.highlight import highlight
from metalor_lang.tooling.roles import Role, roles

_LETTERS = {
    Role.KEYWORD: "K", Role.SPACE: " ", Role.COMMENT: "c", Role.CONTINUATION: "\\", Role.FLAG: "f", Role.OPERATOR: "o",
    Role.NUMBER: "1", Role.NAME: "n", Role.KEY: "k", Role.WORD: "w", Role.STRING: "s", Role.ESCAPE: "e",
    Role.VARIABLE: "v", Role.EXPANSION: "x", Role.FENCE: "F", Role.SHELL: "$", Role.BLOCK: "b", Role.ERROR: "!",
}  # fmt: skip


def painted(text: str, cursor: int | None = None) -> str:
    out = [" "] * len(text)
    for piece in highlight(text, cursor):
        out[piece.start : piece.end] = _LETTERS[piece.role] * (piece.end - piece.start)
    return "".join("\n" if char == "\n" else mark for char, mark in zip(text, out))


def test_every_terminal_has_a_role_and_no_role_is_for_nothing() -> None:
    assert set(roles()) == {terminal.name for terminal in parser().terminals}
    assert {*roles().values(), Role.ERROR} == set(Role)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("# hello", "ccccccc"),
        ("FROM --platform=a/b c:${V}1 AS st # x",
         "KKKK ffffffffffowww wwxxvxw KK nn ccc"),
        ('RUN ["a", "\\n${B}"]', "KKK osssos" .replace("osssos", "osss") + "o seexxvxso"),
        ("ENV A=1 B='x' \\\n  # no\n  C=$${",
         "KKK now nosss \\\n  cccc\n  noeee"),
        ("SH echo $A \\\n  b", "KK $$$$$$$$\\\n  $"),
        ("SH '''\n  x\n  '''\nCMD [\"a\"]", "KK FFF\n$$$\nFFFFF\nKKK ossso"),
        ("FILE /a '''\n  x\n  '''", "KKKK ww FFF\nbbb\nFFFFF"),
        ("COPPY a b\nUSER x", "!!!!!!!!!\nKKKK w"),
        ('RUN ["a" "b"]\nUSER x', "KKK osss !!!!\nKKKK w"),
        ("RECIPE 1", "KKKKKK 1"),
        ("LABEL a.b=c", "KKKKK kkkow"),
        ("ENV A=\x00b", "KKK no!w"),
    ],
)  # fmt: skip
def test_painting(text: str, shown: str) -> None:
    assert painted(text) == shown


@pytest.mark.parametrize("text", ["C", "fro", "FROM a:1 A", "TEST R", "USER x\nWORK", "COPY 'a b", "RUN -", "RUN --",
                                  "FILE /a '", "FILE /a ''", 'FILE /a ""', 'RUN ["\\', 'RUN ["\\u00'])  # fmt: skip
def test_a_word_that_is_being_typed_is_no_error_yet(text: str) -> None:
    assert "!" in painted(text)
    assert "!" not in painted(text, len(text))


@pytest.mark.parametrize("text", ["X", "FROM a:1 B", "FROM a:1 A ", "RUN x"])
def test_what_cannot_become_right_is_an_error_at_once(text: str) -> None:
    assert "!" in painted(text, len(text))
