"""The lines below the prompt: what they say, and that they always fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.plan.graph import ImageState
from metalor_lang.repl.outcome import Entry, View
from metalor_lang.repl.toolbar import hint, status
from metalor_lang.repl.typed import Reading
from metalor_lang.screen.text import char_width, visible
from metalor_lang.source import Span
from metalor_lang.tooling.signature import signature

LAST = Entry(text="RUN", statement='RUN --network=none ["make"]', kind="run", duration_ms=1234)
VIEW = View(
    recipe="app", position=3, waiting=0, stage="build", base="docker.io/library/debian:12", platform="linux/amd64",
    state=ImageState(user="nobody", workdir="/src"), last=LAST,
)  # fmt: skip


def said(fragments):
    return "".join(text for _, text in fragments)


def columns(text):
    return sum(map(char_width, text))


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (120, " build · docker.io/library/debian:12 · linux/amd64 · nobody · /src · 3.4 MB · 1.2s · net none"),
        (80, " build · debian:12 · amd64 · nobody · /src · 3.4 MB · 1.2s · net none"),
        (60, " build · debian:12 · amd64 · nobody · /src · 3.4 MB · 1.2s"),
        (50, " build · debian:12 · nobody · /src · 3.4 MB"),
        (40, " build · nobody · /src · 3.4 MB"),
        (16, " build · nobody"),
        (5, " bu…"),
    ],
)
def test_the_status_leaves_out_what_matters_least(width, line):
    shown = said(status(VIEW, 3_400_000, width))
    assert shown.rstrip() == line
    assert columns(shown) == width


def test_what_waits_and_what_was_cached_is_said():
    view = View(recipe="a", position=1, waiting=2, stage="s", base="b:1", platform="linux/amd64",
                last=Entry(text="", statement="SH x", kind="sh", cached=True))  # fmt: skip
    assert said(status(view, None, 80)).rstrip() == " s · 2 waiting · b:1 · linux/amd64 · root · / · cached · net host"
    assert said(status(None, None, 30)) == " " * 30
    assert "start with FROM" in said(status(View(recipe="a", position=0, waiting=0), None, 80))


@given(st.text(max_size=30), st.text(max_size=40), st.integers(4, 120))
def test_both_lines_fit_whatever_names_hold(stage, folder, width):
    view = View(recipe="a", position=1, waiting=1, stage=stage or "x", base=folder, platform="linux/amd64",
                state=ImageState(workdir=folder))  # fmt: skip
    shown = said(status(view, 5, width))
    assert columns(shown) == width and visible(shown) == shown
    problem = Diagnostic(code="E0101", message=folder, span=Span(0, 0), help=stage)
    lines = said(hint(Reading(colours=(), problem=problem, signature=None), width)).split("\n")
    assert len(lines) <= 4
    assert all(columns(line) <= width and visible(line) == line for line in lines)


def test_a_problem_is_told_with_what_to_write_instead():
    problem = Diagnostic(code="E0401", message="`man.py` is not there", span=Span(0, 0), help="did you mean main.py?")
    reading = Reading(colours=(), problem=problem, signature=None)
    assert said(hint(reading, 80)) == "E0401 `man.py` is not there\n  did you mean main.py?"
    assert said(hint(reading, 20)) == "E0401 `man.py` is\nnot there\n  did you mean\n  main.py?"


@pytest.mark.parametrize("width", [10, 40, 80, 200])
def test_the_active_part_of_a_form_stands_out(width):
    fragments = hint(Reading(colours=(), problem=None, signature=signature("COPY a b", 8)), width)
    assert columns(said(fragments)) <= width
    active = [text for style, text in fragments if "active" in style]
    assert active == (["destination"] if width >= 40 else [])
