"""A document after any edits is what a fresh parse and check of its text give, spans included."""

import random

import pytest

from metalor_lang.checker.checker import check
from metalor_lang.checker.live import LiveRecipe
from metalor_lang.source import SourceFile
from metalor_lang.syntax import ast, document
from metalor_lang.syntax.document import Document, Reread
from metalor_lang.syntax.moving import moved
from metalor_lang.syntax.parser import parse
from tests.property.test_automaton_agrees import _SCRAPS
from tests.support.recipes import FakeContexts
from tests.unit.syntax.test_automaton import TEXTS, deep


def random_edit(text: str, draw: random.Random) -> tuple[int, int, str]:
    """What fingers do: a character, a deletion, a pasted piece, a line doubled or taken away."""
    at = draw.randrange(len(text) + 1)
    match draw.randrange(6):
        case 0 | 1:
            return at, at, draw.choice("abc ENV=$\"'{}[]\\\n#")
        case 2:
            return at, min(len(text), at + draw.randrange(1, 4)), ""
        case 3:
            return at, at, draw.choice(_SCRAPS)
        case 4:
            piece = draw.choice(TEXTS)
            start = draw.randrange(len(piece) + 1)
            return at, min(len(text), at + draw.randrange(10)), piece[start : start + draw.randrange(80)]
        case _:
            start = text.rfind("\n", 0, at) + 1
            end = text.find("\n", at) + 1 or len(text)
            return start, end, draw.choice(("", text[start:end] * 2))


@pytest.mark.parametrize("seed", range(8))
def test_any_edits(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(12):
        text = "".join(draw.choice(TEXTS) for _ in range(draw.randrange(1, 5)))[:3000]
        live = LiveRecipe("x", text, FakeContexts())
        for _ in range(40):
            start, end, new = random_edit(text, draw)
            text = text[:start] + new + text[end:]
            live.edit(start, end, new)
            assert live.source.text == text and live.source.starts == SourceFile("x", text).starts
            recipe, syntax = parse(SourceFile("x", text))
            assert deep(live.recipe.statements) == deep(recipe.statements), text
            _, wrong = check(recipe, contexts=FakeContexts(), given_args_strict=False, syntax=syntax)
            fresh = sorted((*syntax, *wrong), key=lambda each: (each.span.start, each.span.end))
            assert live.diagnostics() == tuple(fresh), text


@pytest.mark.parametrize("seed", range(4))
def test_the_roomy_text_after_an_edit_is_the_one_put_together_anew(seed: int) -> None:
    """Most edits keep what stands around them; each statement is where its span says."""
    draw, kept = random.Random(seed), 0
    for _ in range(20):
        text = "".join(draw.choice(TEXTS) for _ in range(draw.randrange(1, 5)))[:3000]
        live = Document("x", text)
        live.roomy()
        for _ in range(30):
            start, end, new = random_edit(live.text, draw)
            live.edit(start, end, new)
            kept += live._roomy is not None
            room, whole = live.roomy()[0].source, live._with_blanks()
            assert (room.text, room.starts) == (whole.text, whole.starts)
            assert room.text.replace(" ", "") == live.text.replace(" ", "")
    assert kept > 100


def test_an_edit_reads_only_what_it_touches(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"ENV A{number}=x\n" for number in range(2000)]
    text = "FROM a:1\n" + "".join(lines)
    read = []

    class Counting(document.Reading):
        def units(self, at=0):
            for unit in super().units(at):
                read.append(unit)
                yield unit

    monkeypatch.setattr(document, "Reading", Counting)
    made = Document("x", text)
    assert len(read) == 2001
    for place in (20, len(text) // 2, len(text) - 3):
        for new in ("y", "\n", " B=c", '"', ""):
            read.clear()
            before = made.text
            made.edit(place, place + 1, new)
            made.parsed()
            assert 0 < len(read) < 12, (place, new)
            made.edit(place, place + len(new), before[place])
            assert made.text == text


def test_typing_moves_what_follows_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "FROM a:1\nENV A=x\n" + "".join(f"ENV A{number}=${{A}}\n" for number in range(2000))
    live = LiveRecipe("x", text, FakeContexts())
    counts = []

    def counting(value, by):
        counts.append(by)
        return moved(value, by)

    monkeypatch.setattr(document, "moved", counting)
    often = 0
    for _ in range(200):
        counts.clear()
        live.edit(15, 15, "y")
        assert live.diagnostics() == ()
        often += len(counts) > 100
    assert often == 200 // document._ROOM + 1
    counts.clear()
    live.edit(15, 215, "")
    live.edit(len(text), len(text), "USERS x\n")
    found = live.diagnostics()
    assert len(counts) < 100
    recipe, wrong = parse(SourceFile("x", live.source.text))
    assert len(found) == 1 and found == wrong
    assert deep(live.recipe.statements) == deep(recipe.statements)


@pytest.mark.parametrize("seed", range(4))
def test_reading_again_gives_what_parse_gives(seed: int) -> None:
    draw = random.Random(seed)
    again = Reread()
    text = "".join(draw.choice(TEXTS) for _ in range(3))[:3000]
    for _ in range(60):
        start, end, new = random_edit(text, draw)
        text = draw.choice((text[:start] + new + text[end:], text[:start] + new + text[end:], new + text, text))[:4000]
        source = SourceFile(draw.choice("xxxy"), text)
        recipe, found = again(source)
        fresh, wrong = parse(source)
        assert (recipe.source, deep(recipe.statements), found) == (source, deep(fresh.statements), wrong)


def test_a_moved_tree_is_the_tree_further_on() -> None:
    for text in TEXTS:
        if parse(SourceFile("x", text))[1]:
            continue
        here = parse(SourceFile("x", text))[0].statements
        there = parse(SourceFile("x", "\n" * 7 + text))[0].statements
        assert deep(moved(here, 7)) == deep(there)
        assert deep(moved(there, -7)) == deep(here)


def test_moved_diagnostics_keep_all_they_say() -> None:
    for text in TEXTS:
        found = parse(SourceFile("x", text))[1]
        assert moved(moved(found, 5), -5) == found


def test_expands_says_whether_a_name_is_expanded() -> None:
    def holds(node: object) -> bool:
        if isinstance(node, ast.Ref):
            return True
        if isinstance(node, tuple):
            return any(map(holds, node))
        return any(holds(getattr(node, each.name)) for each in getattr(node, "__record_fields__", ()))

    seen = set()
    for text in TEXTS:
        for statement in parse(SourceFile("x", text))[0].statements:
            assert statement.expands == holds(statement)
            seen.add(statement.expands)
    assert seen == {True, False}


@pytest.mark.parametrize(("start", "end"), [(-1, 0), (2, 1), (0, 99)])
def test_what_is_no_range_is_refused(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="not a range"):
        Document("x", "USER a\n").edit(start, end, "")


BLOCKS = """\
IMPORT lib.metalor AS lib
ARG MODE
ARG NAMES="a b"
DEFINE page name title=${name}
    WORKDIR /${name}
    RUN ["${title}", "${MODE}"]
    IF ${name} == a
        USE lib.deep path=x
    END
END
FROM debian:12 AS one
FOR --split NAME IN ${NAMES}
    USE page name=${NAME}
    ENV NAME=${NAME}
END
IF ${MODE} == debug
    EXPOSE 80 x
ELSE IF ${TARGETARCH} != arm64
    FROM one AS two
    CMD ["a"]
ELSE
    COPY --from=one a /a
END
USE lib.deep path=/srv
"""
LIBRARY = "DEFINE deep path\n    WORKDIR ${path}\n    SH echo $path ${MODE}\nEND\n"


@pytest.mark.parametrize("seed", range(6))
def test_any_edits_of_blocks(seed: int) -> None:
    """Expanding moves places, and so does an edit: both are undone."""
    draw = random.Random(seed)
    contexts = FakeContexts(recipes={"lib.metalor": LIBRARY})
    text = BLOCKS
    live = LiveRecipe("x", text, contexts)
    lines = BLOCKS.splitlines(keepends=True)
    for _ in range(80):
        start = draw.randrange(len(text) + 1)
        if draw.random() < 0.6:  # a line comes or goes
            start = text.rfind("\n", 0, start) + 1
            end = draw.choice((start, text.find("\n", start) + 1 or len(text)))
            new = draw.choice((draw.choice(lines), ""))
        else:
            end, new = min(len(text), start + draw.randrange(3)), draw.choice(("x", "", "${NAMES}", " ", "\n"))
        text = text[:start] + new + text[end:]
        live.edit(start, end, new)
        recipe, syntax = parse(SourceFile("x", text))
        _, wrong = check(recipe, contexts=contexts, given_args_strict=False, syntax=syntax)
        fresh = sorted((*syntax, *wrong), key=lambda each: (each.span.start, each.span.end))
        assert live.diagnostics() == tuple(fresh), text
        if draw.random() < 0.05:
            live.edit(0, len(text), BLOCKS)
            text = BLOCKS


def test_what_stands_below_a_string_that_is_not_closed_stays_in_its_column() -> None:
    """Room behind a refused line moves the next one nowhere: by its column it is told from a line of the DEFINE."""
    live = LiveRecipe("x", 'FROM a:1\nDEFINE a\n    USE b\nCMD ["/bin/END\nFROM scratch\n', FakeContexts())
    for at in (8, 9):
        live.edit(at, at, "2")
    fresh = LiveRecipe("x", live.source.text, FakeContexts())
    assert [each.code for each in live.diagnostics()] == [each.code for each in fresh.diagnostics()]
    assert live.diagnostics() == fresh.diagnostics()
