"""The recording in the documents is what the program does now."""

import json
import xml.dom.minidom

import pytest

from tests.support import recording
from tests.support.documents import ROOT

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def played():
    return recording.record()


def test_the_session_shows_what_was_recorded(played):
    assert recording.screens(played) == (recording.FOLDER / "screens.txt").read_text(), "see `make recording`"


def test_the_pictures_show_the_screens(played):
    names = set()
    for shot, screen, _ in played.shots:
        text = recording.svg(screen, shot.title)
        document = xml.dom.minidom.parseString(text)
        rows: dict[float, list[tuple[float, str]]] = {}
        for node in document.getElementsByTagName("text"):
            place = float(node.getAttribute("y"))
            rows.setdefault(place, []).append((float(node.getAttribute("x")), node.firstChild.data))
        drawn = ["".join(piece for _, piece in sorted(rows[y])).replace(" ", "") for y in sorted(rows)]
        assert drawn == [line.replace(" ", "") for line in screen.display if line.strip()]
        committed = (recording.FOLDER / f"{shot.name}.svg").read_text()
        assert committed.count("<text") > 5 and shot.title in committed
        names.add(f"{shot.name}.svg")
    assert {path.name for path in recording.FOLDER.glob("*.svg")} == names


def test_the_cast_is_one_that_players_read(played):
    for text in (recording.cast(played), (recording.FOLDER / "session.cast").read_text()):
        head, *events = (json.loads(line) for line in text.splitlines())
        assert head["version"] == 2 and (head["width"], head["height"]) == (recording.COLUMNS, recording.ROWS)
        times = [when for when, _, _ in events]
        assert len(events) > 50 and times == sorted(times) and {kind for _, kind, _ in events} == {"o"}
        assert str(ROOT) not in text


def test_the_pictures_are_in_a_document():
    page = (ROOT / "docs" / "reference" / "prompt.md").read_text()
    assert all(path.name in page for path in recording.FOLDER.glob("*.svg"))
