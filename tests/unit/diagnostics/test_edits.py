"""The edits of diagnostics: what each makes of its recipe, and that it takes its error away."""

import pytest

from metalor_lang.checker.live import LiveRecipe
from metalor_lang.diagnostics.edits import applied, title, together
from metalor_lang.diagnostics.model import Diagnostic, Edit
from metalor_lang.source import SourceFile, Span
from metalor_lang.syntax.characters import decode
from tests.support.goldens import GOLDENS, check_golden, golden_inputs
from tests.support.recipes import FakeContexts

CONTEXTS = FakeContexts()


def corpus() -> dict[str, str]:
    """Every wrong recipe that the goldens have, and those of `fixes.recipes`, by name."""
    found = {path.stem: decode(path.name, path.read_bytes())[0].text for path in golden_inputs("wrong")}
    for path in (*golden_inputs("names", ".recipes"), GOLDENS / "fixes.recipes"):
        for part in path.read_text(encoding="utf-8").split("=== ")[1:]:
            name, _, text = part.partition("\n")
            found[f"{path.stem}: {name}"] = text
    return found


CORPUS = corpus()


def wrong(text: str) -> tuple[Diagnostic, ...]:
    return LiveRecipe("x.metalor", text, CONTEXTS).diagnostics()


def test_every_edit_takes_its_error_away() -> None:
    seen = 0
    for name, text in CORPUS.items():
        for each in wrong(text):
            if each.edits:
                seen += 1
                after = {(new.code, new.message, new.span.start) for new in wrong(applied(text, each.edits))}
                assert (each.code, each.message, each.span.start) not in after, name
    assert seen > 120


def test_safe_edits_leave_no_new_error() -> None:
    for name, text in CORPUS.items():
        before = wrong(text)
        edits = [edit for each in together(before) for edit in each.edits]
        if edits:
            after = wrong(applied(text, edits))
            said = {(each.code, each.message) for each in after}
            assert not {(each.code, each.message) for each in before if each.edits} <= said, name
            # A statement that could not be read before may have mistakes of another kind: those are the checker's.
            new = {each.code for each in after} - {each.code for each in before}
            assert not any(code.startswith(("E01", "E02")) for code in new), name


def test_what_each_edit_does(update_goldens: bool) -> None:
    lines = []
    for name, text in CORPUS.items():
        for each in wrong(text):
            if each.edits:
                safe = "safe" if all(edit.safe for edit in each.edits) else "asks"
                line = SourceFile("", text).position(each.span.start).line
                lines.append(f"{name}\n  {each.code} line {line}, {safe}: {title(text, each.edits)}\n")
                old, new = text.splitlines(), applied(text, each.edits).splitlines()
                lines += [f"  - {row}\n" for row in old if row not in new]
                lines += [f"  + {row}\n" for row in new if row not in old]
    check_golden("".join(lines), GOLDENS / "fixes.expected", update=update_goldens)


@pytest.mark.parametrize(
    ("edits", "result"),
    [
        ((Edit(span=Span(0, 1), text="X"), Edit(span=Span(2, 3), text="")), "Xb"),
        ((Edit(span=Span(1, 1), text="-"), Edit(span=Span(3, 3), text="!")), "a-bc!"),
        ((), "abc"),
    ],
)
def test_edits_are_applied_to_the_text_as_it_was(edits: tuple[Edit, ...], result: str) -> None:
    assert applied("abc", edits) == result


def test_of_overlapping_safe_edits_the_first_counts() -> None:
    def said(start: int, end: int, text: str, safe: bool = True) -> Diagnostic:
        edit = Edit(span=Span(start, end), text=text, safe=safe)
        return Diagnostic(code="E0202", message="", span=Span(start, end), edits=(edit,))

    found = together([said(3, 5, "c"), said(0, 4, "a"), said(4, 6, "b"), said(8, 9, "d", safe=False), said(4, 4, "e")])
    assert [each.edits[0].text for each in found] == ["a", "b"]
