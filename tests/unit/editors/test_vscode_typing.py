"""What Visual Studio Code makes of its settings for the language while one types, and what it folds and comments.

The editor's own algorithm stands below in Python: which rules it asks in which order, and which lines it looks at.
"""

import json
import re
from collections.abc import Iterator, Sequence

import pytest

from metalor_lang.source import SourceFile
from metalor_lang.syntax.formatter import format_recipe
from metalor_lang.syntax.parser import parse
from tests.support.documents import ROOT
from tests.support.highlighters.texts import known

SETTINGS = json.loads((ROOT / "grammar" / "editors" / "vscode" / "language-configuration.json").read_text("utf-8"))
MORE = re.compile(SETTINGS["indentationRules"]["increaseIndentPattern"])
LESS = re.compile(SETTINGS["indentationRules"]["decreaseIndentPattern"])
STEP = {"none": 0, "indent": 4, "outdent": -4}


def margin(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def entered(lines: Sequence[str]) -> int:
    """Where the cursor stands after Enter behind some lines: the rules of Enter come first."""
    for rule in SETTINGS["onEnterRules"]:
        before = "previousLineText" not in rule or (len(lines) > 1 and re.search(rule["previousLineText"], lines[-2]))
        if before and re.search(rule["beforeText"], lines[-1]):
            return margin(lines[-1]) + STEP[rule["action"]["indent"]]
    above = next(line for line in reversed(lines) if line.strip())
    return margin(above) + 4 * bool(MORE.search(above))


def typed(lines: Sequence[str], line: str) -> int:
    """Where a line comes to stand below others: one that ends an indentation is moved when its last letter is typed.

    The lines above are searched for the next one that indents or ends an indentation; all others count for nothing.
    """
    if not LESS.search(line):
        return entered(lines)
    for above in reversed(lines):
        if MORE.search(above):
            return margin(above)
        if LESS.search(above):
            return max(0, margin(above) - 4)
    return 0


def statements(lines: Sequence[str]) -> Iterator[int]:
    """The numbers of the lines that are no text of files or of shell, whose margin is the writer's."""
    fence = ""
    for number, line in enumerate(lines):
        if fence and not line.lstrip().startswith(fence):
            continue
        if not fence:
            yield number
        opened = re.search("[ \t]('''|\"\"\")$", line)
        fence = opened[1] if opened and not fence else ""


def test_every_line_of_a_recipe_is_typed_to_its_place() -> None:
    """But for a line below an empty one or a comment, which keeps what is there."""
    seen = 0
    for text in known():
        if "\r" in text or "\t" in text or not text.strip() or parse(SourceFile("x", text))[1]:
            continue
        lines = format_recipe(SourceFile("x", text)).split("\n")[:-1]
        for number in statements(lines):
            line, above = lines[number], lines[number - 1].strip()
            if number and above and line.strip() and "#" not in (line.lstrip()[0], above[0]):
                seen += 1
                assert typed(lines[:number], line) == margin(line), lines[: number + 1]
    assert seen > 400


def test_a_comment_is_a_number_sign_and_regions_fold() -> None:
    assert SETTINGS["comments"] == {"lineComment": "#"}
    assert re.search(SETTINGS["folding"]["markers"]["start"], "    # region tools")
    assert not SETTINGS["folding"].get("offSide"), "an END belongs to what is folded by indentation"


@pytest.mark.parametrize(
    ("lines", "column"),
    [
        (["RUN --cache=/x \\"], 4),
        (["ENV A=1 \\", "    B=2 \\"], 4),
        (["ENV A=1 \\", "    # why"], 4),
        (["ENV A=1 \\", "    B=2"], 0),
        (["SH '''", "    ls", "    '''"], 0),
        (["FROM a:1"], 0),
        (["FROM a:1", "USER x"], 0),
        (["IF a == b", "    SH a \\"], 8),
        (["IF a == b", "    SH a \\", "        b \\"], 8),
        (["IF a == b", "    SH a \\", "        b"], 4),
        (["IF a == b", "    SH '''"], 8),
        (["IF a == b", "    SH '''", "        a", "        '''"], 4),
        (["FILE --chmod=755 \\", "    /x '''"], 4),
        (["IF a == b", "    RUN ["], 8),
        (["IF a == b", "    RUN [", "        \"a\"", "    ]"], 4),
    ],
)  # fmt: skip
def test_enter(lines: list[str], column: int) -> None:
    assert entered(lines) == column


@pytest.mark.parametrize(
    ("lines", "line", "column"),
    [
        (["IF a == b", "    SH '''", "        a", "        '''"], "END", 0),
        (["IF a == b", "    SH '''", "        a", "        '''", "    USER a"], "ELSE", 0),
        (["IF a == b", "    FOR A IN b", "        SH a \\", "            b"], "END", 4),
        (["IF a == b", "    FOR A IN b", "        USER a", "    END"], "END", 0),
        (["IF a == b", "    RUN [", "        \"a\""], "]", 4),
        (["IF a == b", "    RUN [", "        \"a\"", "    ]"], "END", 0),
        (["IF a == b", "ELSE"], "END", 0),
    ],
)  # fmt: skip
def test_what_ends_something_comes_to_stand_below_what_begins_it(lines: list[str], line: str, column: int) -> None:
    assert typed(lines, line) == column


@pytest.mark.parametrize(
    ("line", "more"),
    [("SH '''", False), ("    '''", False), ("RUN [", True), ('RUN ["a"]', False), ("# [", False), ("USER x", False),
     ("IF ${A} == b", True), ("    ELSE", True), ("FOR A IN b", True), ("DEFINE a", True), ("END", False),
     ("USE a", False), ("# IF x", False), ("IFx", False)],
)  # fmt: skip
def test_what_indents(line: str, more: bool) -> None:
    assert bool(MORE.search(line)) is more


@pytest.mark.parametrize(
    ("line", "less"),
    [
        ("]", True),
        ("    END", True),
        ("    ELSE", True),
        ("ELSE IF a == b", True),
        ("IF a == b", False),
        ("ENDS", False),
    ],
)
def test_what_ends_an_indentation(line: str, less: bool) -> None:
    assert bool(LESS.search(line)) is less
