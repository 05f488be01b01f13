"""The bench's own arithmetic: bars, steadiness, and what is written."""

import itertools
import json
import xml.etree.ElementTree as ElementTree

import pytest

from tests.bench import picture, rows
from tests.bench.rows import Bar, Row
from tests.bench.timing import beside

ROW = Row(
    case="a <case>",
    ours=0.2,
    floor=0.1,
    floor_name="cp",
    peers={"BuildKit": 0.4, "Buildah": None},
    bars=(Bar(text="≤ 3 × floor", measured=2, limit=3), Bar(text="≥ 2.5 ×", measured=2, limit=2.5, at_least=True)),
)


@pytest.mark.parametrize(
    ("measured", "at_least", "met"),
    [(2.9, False, True), (3.0, False, True), (3.1, False, False), (2.9, True, False), (3.0, True, True)],
)
def test_a_bar(measured: float, at_least: bool, met: bool) -> None:
    assert Bar(text="", measured=measured, limit=3, at_least=at_least).met is met


def test_an_absent_peer_has_no_bar() -> None:
    assert [bar.text for bar in rows.faster(0.1, {"BuildKit": 0.2, "Buildah": None}, "BuildKit", "Buildah")] == [
        "faster than BuildKit"
    ]


def test_the_line_says_everything() -> None:
    line = rows.line(ROW)
    for wanted in ("a <case>", "0.200s", "2.00", "absent", "–", "≤ 3 × floor: met (2)", "≥ 2.5 ×: NOT MET (2)"):
        assert wanted in line


def test_the_document_has_ratios_and_verdicts() -> None:
    (case,) = json.loads(rows.document([ROW], {"cpus": 2}))["cases"]
    assert case["ratio"] == 2
    assert [bar["met"] for bar in case["bars"]] == [True, False]


def test_the_picture_is_well_formed() -> None:
    texts = [node.text for node in ElementTree.fromstring(picture.draw([ROW])).iter() if node.text]
    assert "a <case>" in texts


def test_a_moving_floor_is_measured_again_and_named() -> None:
    moving = (1.5**power for power in itertools.count())
    assert not beside(lambda: 1.0, lambda: next(moving), 3).steady
    late = itertools.chain((1.0, 1.0, 9.0, 9.0), itertools.repeat(2.0))
    found = beside(lambda: 3.0, lambda: next(late), 3)
    assert (found.ours, found.floor, found.steady) == (3.0, 2.0, True)
