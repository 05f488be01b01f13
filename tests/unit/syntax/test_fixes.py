"""Safe edits of syntax errors: made to the end, and never to the worse."""

import pytest

from metalor_lang.diagnostics.model import Diagnostic, Edit
from metalor_lang.source import SourceFile, Span
from metalor_lang.syntax import ast
from metalor_lang.syntax.fixes import fix
from metalor_lang.syntax.parser import parse

CODE = "E0202"


@pytest.mark.parametrize(
    ("text", "after", "codes"),
    [
        ("FROM scratch\n", "FROM scratch\n", []),
        ("from scratch as a#b\n", "FROM scratch AS a#b\n", ["E0202", "E0230"]),
        ("FROM scratch as a # c\r\narg A=1\r\n", "FROM scratch AS a # c\r\nARG A=1\r\n", ["E0230", "E0202"]),
        ('CMD ["a",]#c', 'CMD ["a"] #c', ["E0115", "E0209"]),
        ('ENV A="\t日\t"\n', 'ENV A="\\t日\\t"\n', ["E0226", "E0226"]),
        ("ENV A=1\\\n  B=2\n", "ENV A=1 \\\n  B=2\n", ["E0107"]),
        # One error hid the next: both statements were one to the parser.
        ("run [\nrun [\n", "RUN [\nRUN [\n", ["E0202", "E0202"]),
        # Not without asking.
        ("ENV A b\n", "ENV A b\n", []),
        ("COPY a b\nnonsense\n", "COPY a b\nnonsense\n", []),
    ],
)
def test_fix(text: str, after: str, codes: list[str]) -> None:
    fixed, done = fix(SourceFile("a", text))
    assert (fixed.text, [each.diagnostic.code for each in done]) == (after, codes)


def test_where_it_was_is_a_place_of_the_text_at_that_time() -> None:
    done = fix(SourceFile("a", '# c\nENV A="\t\t"\n'))[1]
    assert [str(each.place) for each in done] == ["2:8", "2:10"]


def claiming(code: str, *edits: Edit) -> tuple[Diagnostic, ...]:
    return tuple(Diagnostic(code=code, message="m", span=each.span, edits=(each,)) for each in edits)


def test_edits_that_do_no_good_are_not_made() -> None:
    def read(source: SourceFile) -> tuple[ast.Recipe, tuple[Diagnostic, ...]]:
        found = claiming(CODE, Edit(span=Span(0, 1), text="Y", safe=True), Edit(span=Span(3, 4), text="", safe=True))
        return parse(source)[0], found if len(source.text) > 4 else found[:1]

    # The first is said again after its edit; the second one's edit cures it.
    fixed, done = fix(SourceFile("a", "#\n\n#\n"), read)
    assert (fixed.text, len(done)) == ("#\n\n\n", 1)


@pytest.mark.parametrize("again", [0, 1])
def test_edits_that_take_a_right_statement_away_are_not_made(again: int) -> None:
    text = "FROM scratch\nUSER a\n"

    def read(source: SourceFile) -> tuple[ast.Recipe, tuple[Diagnostic, ...]]:
        eaten = "\nUSER" not in source.text
        found = claiming(CODE, Edit(span=Span(12, 13), text=" ", safe=True))
        return parse(source)[0], claiming("E0109", *(Edit(span=Span(0, 1), text=""),) * again) if eaten else found

    # With fewer errors after it the statement was part of another one: the text of a block.
    assert fix(SourceFile("a", text), read)[0].text == (text if again else "FROM scratch USER a\n")


def test_edits_that_touch_each_other_are_made() -> None:
    def read(source: SourceFile) -> tuple[ast.Recipe, tuple[Diagnostic, ...]]:
        edits = (Edit(span=Span(at, at + 1), text="#", safe=True) for at, char in enumerate(source.text) if char == "x")
        return parse(source)[0], claiming(CODE, *edits)

    assert fix(SourceFile("a", "xxx x"), read)[0].text == "### #"


def test_an_edit_that_never_settles_comes_to_an_end() -> None:
    def read(source: SourceFile) -> tuple[ast.Recipe, tuple[Diagnostic, ...]]:
        at = len(source.text)
        return parse(source)[0], claiming(CODE if at % 2 else "E0230", Edit(span=Span(at, at), text="#", safe=True))

    assert len(fix(SourceFile("a", "#"), read)[0].text) > 1
