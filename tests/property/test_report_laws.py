"""Laws of reports and of safe edits, on recipes of every kind."""

import json
import re
import xml.etree.ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from metalor_lang.checker.checker import check
from metalor_lang.cli.reports import FORMATS
from metalor_lang.diagnostics.findings import Findings
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.source import SourceFile
from metalor_lang.syntax.ast import Recipe
from metalor_lang.syntax.fixes import fix
from metalor_lang.syntax.parser import parse
from tests.support.recipes import FakeContexts
from tests.support.texts import mixed, texts

# Slips that can be put right without asking, and what they grow in.
slips = st.lists(
    st.sampled_from(
        [
            "from scratch as a\n", "arg A=1#c\n", 'CMD ["a",]\n', 'RUN ["a",\n "b",]#c\n', 'ENV A="\t\t"\n', "run [\n",
            "test cmd x\n", "sh echo\\\n  b\n", "sh '''\n  from\n'''\n", "ENV A=1\\\n  B=2\n", "copy a b c\n", "\r\n",
            "# c\n", "test fails [\"a\"]\n", "FROM scratch as",
        ]
    ),
    max_size=8,
).map("".join)  # fmt: skip
anything = st.one_of(texts, mixed, slips)
DIRECTIVE = re.compile(r"[ \t]*#[ \t]*\w+[ \t]*=")


@settings(max_examples=300, deadline=None)
@given(anything)
def test_every_format_of_every_recipe_can_be_read(text: str) -> None:
    source = SourceFile("a b.metalor", text)
    files = [Findings(source=source, diagnostics=parse(source)[1])]
    count = len(files[0].diagnostics)
    shown = {name: write(files) for name, write in FORMATS.items()}
    for name, written in shown.items():
        assert not any(ord(char) < 32 and char != "\n" for char in written), name
    assert shown["short"].count("\n") == shown["github"].count("\n") == count
    assert len(json.loads(shown["json"])["files"][0]["diagnostics"]) == count
    results = json.loads(shown["sarif"])["runs"][0]["results"]
    assert len(results) == count
    issues = json.loads(shown["gitlab"])
    assert len({issue["fingerprint"] for issue in issues}) == len(issues) == count
    assert len(list(ET.fromstring(shown["junit"]).iter("failure"))) == count
    lines = text.split("\n")
    for result in results:  # each place is one of the text, counted in UTF-16
        region = result["locations"][0]["physicalLocation"]["region"]
        for which in ("start", "end"):
            line = lines[region[f"{which}Line"] - 1].encode("utf-16-le", "surrogatepass")
            assert 1 <= region[f"{which}Column"] <= len(line) // 2 + 1


@settings(max_examples=300, deadline=None)
@given(anything)
def test_safe_edits_settle_and_do_no_harm(text: str) -> None:
    source = SourceFile("a", text)
    after, done = fix(source)
    assert bool(done) == (after.text != text)
    assert fix(after) == (after, ())
    if not parse(source)[1]:
        assert not done
    # What was right stays as it is, but for case, commas, tabs and blanks where errors were, and for comments that
    # are directives elsewhere.
    gone = any(each.diagnostic.code == "E0207" for each in done)
    squeezed = re.compile(r"[\s,]|\\t")
    left = "".join(line for line in text.splitlines(keepends=True) if not (gone and DIRECTIVE.match(line)))
    kept = "".join(line for line in after.text.splitlines(keepends=True) if not (gone and DIRECTIVE.match(line)))
    assert squeezed.sub("", kept).upper() == squeezed.sub("", left).upper()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(["FROM scratch\n", "arg TARGETARCH\n", "ARG TARGETOS\n", "ARG A=1\n", "ENV B=${A}\n"])))
def test_safe_edits_of_names_settle(lines: list[str]) -> None:
    def read(source: SourceFile) -> tuple[Recipe, tuple[Diagnostic, ...]]:
        recipe, syntax = parse(source)
        _, wrong = check(recipe, syntax=syntax, contexts=FakeContexts())
        return recipe, tuple(sorted((*syntax, *wrong), key=lambda each: each.span))

    after, done = fix(SourceFile("a", "".join(lines)), read)
    assert fix(after, read) == (after, ())
    assert "TARGET" not in after.text and "arg" not in after.text
    # What has no safe edit is still there.
    assert after.text == "".join(line for line in lines if "TARGET" not in line)
    assert len(done) >= sum("TARGET" in line for line in lines)
