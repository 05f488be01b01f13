import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalor_lang.repl.pieces import margin, needs_more, pieces


def cut(text):
    return [(piece.text, piece.command) for piece in pieces(text)]


def test_statements_and_commands():
    text = "# a base\nFROM scratch\n\nSH a && \\\n   b\n  :undo 2\n"
    text += "RUN [\n  # c\n  \"x\"\n]\nFILE /a '''\n  :no\n  '''\n# end\n"
    assert cut(text) == [
        ("# a base\nFROM scratch", False),
        ("\nSH a && \\\n   b", False),
        (":undo 2", True),
        ('RUN [\n  # c\n  "x"\n]', False),
        ("FILE /a '''\n  :no\n  '''\n# end", False),
    ]


def test_a_recipe_has_no_commands():
    assert [piece.command for piece in pieces("FROM scratch\n:undo\n", commands=False)] == [False, False]


def test_comments_alone_are_nothing():
    assert cut("# a\n\n  # b\n") == []


@pytest.mark.parametrize(
    "text,more",
    [
        ("", False),
        ("SH a", False),
        ("SH a \\", True),
        ("SH a \\\n b", False),
        ("RUN [", True),
        ('RUN ["a",', True),
        ('RUN ["a"]', False),
        ("SH '''", True),
        ("SH '''\n  a\n", True),
        ("SH '''\n  a\n  '''", False),
        (":shell echo \\", False),
        ("FROM scratch\n:undo\nRUN [", True),
        ("IF ${A} == b", True),
        ("IF ${A} == b\n  SH a\nELSE", True),
        ("IF ${A} == b\n  SH a\nEND", False),
        ("FOR A IN b\nIF ${A} == b\nEND", True),
        ("FOR A IN b\nIF ${A} == b\nEND\nEND", False),
        ("DEFINE a\nSH '''\n  END\n  '''\n", True),
        ("IF a = b", True),
        ("END", False),
        ("END\nFOR A IN b", True),
        ("IF ${A} == b\n:undo", False),
    ],
)
def test_needs_more(text, more):
    assert needs_more(text) is more


@pytest.mark.parametrize(
    "text,found",
    [
        ("SH a", (0, 0)),
        ("IF ${A} == b", (0, 1)),
        ("IF ${A} == b\nSH a", (1, 1)),
        ("IF ${A} == b\nSH a\n    ELSE", (0, 1)),
        ("IF ${A} == b\nFOR B IN c\nSH a\nEND", (1, 1)),
        ("IF ${A} == b\nSH a \\", None),
        ("END", (0, 0)),
    ],
)
def test_where_the_last_line_and_the_next_one_are_put(text, found):
    assert margin(text) == found


def test_a_block_is_one_piece():
    text = "FROM scratch\n# twice\nFOR A IN b c\n  SH a\n\n  # in it\n  IF ${A} == b\n  END\nEND\nSH b\n"
    assert cut(text) == [
        ("FROM scratch", False),
        ("# twice\nFOR A IN b c\n  SH a\n\n  # in it\n  IF ${A} == b\n  END\nEND", False),
        ("SH b", False),
    ]
    assert cut("FOR A IN b\nSH a\n:undo\nEND\n") == [("FOR A IN b\nSH a", False), (":undo", True), ("END", False)]
    assert cut("DEFINE a\nSH a\n\n") == [("DEFINE a\nSH a", False)]


LINES = st.lists(
    st.sampled_from(
        [
            "FROM scratch",
            "SH a \\",
            "b",
            "RUN [",
            '"x"',
            "]",
            "'''",
            "SH '''",
            "# c",
            "",
            ":undo",
            "  :x",
            "FOR A IN b",
            "END",
        ]
    ),
    max_size=12,
)


def nothing(text):
    return all(not line or line.startswith("#") for line in map(str.strip, text.split("\n")))


@given(LINES)
def test_nothing_is_lost_and_nothing_twice(lines):
    text = "\n".join(lines)
    at = 0
    for piece in pieces(text):
        assert text[piece.start : piece.start + len(piece.text)] == piece.text
        assert nothing(text[at : piece.start])
        at = piece.start + len(piece.text)
    assert nothing(text[at:])
