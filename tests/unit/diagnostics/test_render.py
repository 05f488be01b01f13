"""How diagnostics look for people."""

import pytest
from wcwidth import wcswidth

from metalor_lang.diagnostics.findings import Findings
from metalor_lang.diagnostics.model import Diagnostic, Label
from metalor_lang.diagnostics.render import render_human
from metalor_lang.diagnostics.render.sarif import render_sarif
from metalor_lang.source import SourceFile, Span


def at(source: SourceFile, text: str, **more: object) -> Diagnostic:
    start = source.text.index(text)
    return Diagnostic(code="E0209", message="no", span=Span(start, start + len(text)), **more)  # type: ignore[arg-type]


def test_human() -> None:
    source = SourceFile("a.metalor", "FROM a:1\nRUN [\n    'x'\n")
    label = Label(span=Span(13, 14), text="opens here")
    found = at(source, "'x'", help='write "x"', labels=(label,))
    assert render_human([found], source) == (
        "a.metalor:3:5: error[E0209]: no\n"
        "2 | RUN [\n"
        "  |     - opens here\n"
        "3 |     'x'\n"
        "  |     ^^^\n"
        '  = help: write "x"\n'
    )


def test_label_on_the_same_line_does_not_repeat_it() -> None:
    source = SourceFile("a", "CMD [x")
    text = render_human([at(source, "x", labels=(Label(span=Span(4, 5), text="opens here"),))], source)
    assert text.count("CMD [x") == 1
    assert "    - opens here" in text and "     ^" in text


@pytest.mark.parametrize(
    ("line", "marked"),
    [
        ("\tENV 日本=1", "日本"),
        ("a\tb\tc", "c"),
        ("日本語 x", "x"),
        ("e\u0301e\u0301 x", "x"),
        ("a\x1b[31m x", "x"),
        ("\u202eabc x", "x"),
    ],
)
def test_the_underline_stands_below_its_text(line: str, marked: str) -> None:
    source = SourceFile("a", line)
    shown, below = render_human([at(source, marked)], source).splitlines()[1:3]
    assert not any(ord(char) < 32 or 0x202A <= ord(char) <= 0x202E for char in shown)
    start = below.index("^")
    assert wcswidth(shown[: shown.index(marked)]) == start
    assert below.count("^") == wcswidth(marked)


def test_color_only_adds_escapes() -> None:
    source = SourceFile("a", "USER a b")
    found = [at(source, "b", help="write one")]
    colored = render_human(found, source, color=True)
    plain = render_human(found, source)
    assert "\x1b" not in plain
    assert "\x1b[1;31m" in colored
    import re

    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain


@pytest.mark.parametrize("where", [0, 60, 150, 294])
def test_long_lines_are_cut_around_the_place(where: int) -> None:
    line = "".join(chr(97 + index % 26) for index in range(300))
    source = SourceFile("a", line)
    found = Diagnostic(code="E0209", message="no", span=Span(where, where + 3))
    shown, below = render_human([found], source, width=80).splitlines()[1:3]
    assert len(shown) <= 80 and len(below) <= 80
    start = below.index("^")
    assert shown[start : start + 3] == line[where : where + 3]


def test_a_span_at_the_end_of_the_text() -> None:
    source = SourceFile("a", "SH '''\n  x\n")
    found = Diagnostic(code="E0109", message="open", span=Span(11, 11), labels=(Label(span=Span(3, 6), text="here"),))
    text = render_human([found], source)
    assert text.startswith("a:3:1: ") and "  |    --- here\n" in text and text.endswith("  | ^\n")


def test_spans_over_lines() -> None:
    source = SourceFile("a", "".join(f"line {number}\n" for number in range(9)))
    text = render_human([Diagnostic(code="E0109", message="open", span=Span(0, 40))], source)
    assert text.count("^^^^^^") == 4


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("GIT https://me:hunter2@example.org/x /x", "GIT https://**:*******@example.org/x /x"),
        ('FETCH "https://ghp_hunter2@e.org/x" /x', 'FETCH "https://***********@e.org/x" /x'),
        ("FETCH http://me:hun@t/er2@e.org/x@v1 /x", "FETCH http://**:***@*****@*******@v1 /x"),
        ("FETCH https://${WHO}:hunter2@e.org/x /x", "FETCH https://${WHO}:*******@e.org/x /x"),
        ("GIT ssh://git:hunter2@e.org/x /x", "GIT ssh://***:*******@e.org/x /x"),
        ("GIT ssh://git@e.org/x /x", "GIT ssh://git@e.org/x /x"),
        ("FETCH https://e.org/a@1/b:2 /x", "FETCH https://e.org/a@1/b:2 /x"),
        ("SH echo me@e.org https://e.org", "SH echo me@e.org https://e.org"),
    ],
)
def test_passwords_in_addresses_are_not_shown(line: str, shown: str) -> None:
    source = SourceFile("a", f"{line} mark")
    text, below = render_human([at(source, "mark")], source).splitlines()[1:3]
    assert text == f"1 | {shown} mark"
    assert below.index("^") == text.index("mark"), "what is hidden keeps its length"
    log = render_sarif([Findings(source=source, diagnostics=(at(source, line),))], version="1")
    assert "hunter2" not in log and "er2" not in log


def test_labels_in_other_files_stand_below() -> None:
    source = SourceFile("app.metalor", "FROM scratch\n" + "\n" * 98 + "USE c.g p=x\nUSE c.h\n")
    first, second = (
        SourceFile("lib/c.metalor", "DEFINE g p\n\n    WORKDIR ${p}\n"),
        SourceFile("d\x07.metalor", "IMPORT x\n"),
    )
    wrong = Diagnostic(
        code="E0340",
        message="no path",
        span=Span(111, 118),
        help="write /x",
        labels=(
            Label(span=Span(24, 28), text="here", source=first),
            Label(span=Span(123, 130), text="also here"),
            Label(span=Span(0, 6), text="imported here", source=second),
            Label(span=Span(7, 8), text="the group", source=first),
        ),
    )
    assert (
        render_human([wrong], source)
        == """\
app.metalor:100:1: error[E0340]: no path
100 | USE c.g p=x
    | ^^^^^^^
101 | USE c.h
    | ------- also here
    in lib/c.metalor:3:13
  1 | DEFINE g p
    |        - the group
    ⋮
  3 |     WORKDIR ${p}
    |             ---- here
    in d␇.metalor:1:1
  1 | IMPORT x
    | ------ imported here
    = help: write /x
"""
    )
