import io
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalor_lang.build import events as ev
from metalor_lang.screen.console import JsonConsole, LiveConsole, PlainConsole
from metalor_lang.screen.text import char_width, duration, fit, one_line, output_line, size, visible

STEP = ev.StepRef(
    stage=0, title="web", number=2, total=5, kind="run", text='RUN ["a"]', line=7, key="sha256:" + "0" * 64
)
OTHER = ev.StepRef(stage=1, title="api", number=1, total=1, kind="sh", text="SH a\nb", line=9, key="sha256:" + "1" * 64)


def plain(events, **options):
    out = io.StringIO()
    console = PlainConsole(out, **options)
    for event in events:
        console.emit(event)
    console.close()
    return out.getvalue()


def test_plain_lines():
    text = plain(
        [
            ev.BuildStarted(recipe="a.metalor", target="web", stages=("web",), skipped=("x", "y"), steps=6),
            ev.StepStarted(step=STEP),
            ev.StepStarted(step=OTHER),
            ev.StepOutput(step=STEP, data=b"one\ntw"),
            ev.StepOutput(step=OTHER, data=b"\x1b[31mred\n"),
            ev.StepOutput(step=STEP, data=b"o\n10%\r20%\rend"),
            ev.StepFinished(step=STEP, duration_ms=1234),
            ev.StepFailed(step=OTHER, reason="exit status 2", status=2, tail=(), log="", duration_ms=100),
            ev.BuildFinished(ok=False, ran=1, cached=0, skipped=0, duration_ms=65000, image=""),
        ]
    )
    assert text.splitlines() == [
        "building a.metalor (web), 6 steps",
        "not needed: x, y",
        '[web 2/5] RUN ["a"]',
        "[api 1/1] SH a …",
        "[web 2/5] | one",
        "[api 1/1] | ^[[31mred",
        "[web 2/5] | two",
        "[web 2/5] | end",
        "[web 2/5] done in 1.2s",
        "[api 1/1] failed after 0.1s: exit status 2",
        "failed in 1m05s: 1 ran",
    ]


def test_a_step_says_that_it_is_emulated():
    assert plain([ev.StepStarted(step=STEP, emulated=True)]) == '[web 2/5] emulated RUN ["a"]\n'


@pytest.mark.parametrize(
    ("ok", "said"), [(True, "done in 0.0s: nothing had to run"), (False, "failed in 0.0s: no step was finished")]
)
def test_an_end_without_a_step(ok, said):
    assert plain([ev.BuildFinished(ok=ok, ran=0, cached=0, skipped=0, duration_ms=10, image="")]) == f"{said}\n"


def test_the_output_of_one_stage_for_two_platforms_stays_apart():
    one, two = (replace(STEP, title=f"linux/{arch} web", platform=f"linux/{arch}") for arch in ("amd64", "arm64"))
    both = ("linux/amd64", "linux/arm64")
    text = plain(
        [
            ev.BuildStarted(recipe="a", target="web", stages=("x", "y"), skipped=(), steps=1, platforms=both),
            ev.StepOutput(step=one, data=b"for am"),
            ev.StepOutput(step=two, data=b"for arm64\n"),
            ev.StepOutput(step=one, data=b"d64\n"),
        ]
    )
    assert text.splitlines() == [
        "building a (web) for linux/amd64, linux/arm64, 1 step",
        "[linux/arm64 web 2/5] | for arm64",
        "[linux/amd64 web 2/5] | for amd64",
    ]


STOPPED = (
    ev.StepStarted(step=STEP),
    ev.StepStarted(step=OTHER),
    ev.StepOutput(step=OTHER, data=b"half a line"),
    ev.StepStopped(step=STEP, duration_ms=1200),
    ev.StepStopped(step=OTHER, duration_ms=700),
    ev.BuildFinished(ok=False, ran=1, cached=0, skipped=0, duration_ms=2100, image="", interrupted=True),
)


def test_a_step_that_is_ended_says_so_and_the_build_that_it_was_interrupted():
    assert plain(STOPPED).splitlines() == [
        '[web 2/5] RUN ["a"]',
        "[api 1/1] SH a …",
        "[web 2/5] stopped after 1.2s",
        "[api 1/1] | half a line",
        "[api 1/1] stopped after 0.7s",
        "interrupted after 2.1s: 1 ran",
    ]


def test_live_lines_of_an_interrupted_build(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert live(STOPPED) == [
        '■ [web 2/5] RUN ["a"]  stopped after 1.2s',
        "■ [api 1/1] SH a …  stopped after 0.7s",
        "interrupted after 2.1s: 1 ran",
        "",
    ]


def test_raw_passes_control_characters():
    assert "\x1b[31m" in plain([ev.StepOutput(step=STEP, data=b"\x1b[31mred\n")], raw=True)


def test_json_is_one_object_a_line():
    out = io.StringIO()
    console = JsonConsole(out)
    console.emit(ev.StepOutput(step=STEP, data=b"a\nb\n"))
    console.emit(ev.Notice(text="x"))
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["step-output", "notice"]


class Screen:
    """A terminal that knows what the live console writes: text, LF, CR, cursor up, erase below, colours."""

    def __init__(self):
        self.lines, self.row, self.column = [""], 0, 0

    def feed(self, text):
        position = 0
        while position < len(text):
            char = text[position]
            if char == "\x1b":
                end = position + 2
                while not text[end].isalpha():
                    end += 1
                number = text[position + 2 : end]
                if text[end] == "A":
                    self.row -= int(number)
                    assert self.row >= 0, "moved above the screen"
                elif text[end] == "J":
                    self.lines[self.row] = self.lines[self.row][: self.column]
                    del self.lines[self.row + 1 :]
                else:
                    assert text[end] == "m"
                position = end
            elif char == "\n":
                self.row, self.column = self.row + 1, 0
                if self.row == len(self.lines):
                    self.lines.append("")
            elif char == "\r":
                self.column = 0
            else:
                line = self.lines[self.row]
                self.lines[self.row] = line[: self.column] + char + line[self.column + 1 :]
                self.column += 1
            position += 1


def live(events):
    out = io.StringIO()
    console = LiveConsole(out)
    screen = Screen()
    for event in events:
        console.emit(event)
    console.close()
    screen.feed(out.getvalue())
    return screen.lines


def test_live_lines_leave_nothing_behind(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    lines = live(
        [
            ev.StepStarted(step=STEP),
            ev.StepOutput(step=STEP, data=b"working \x1b[2J hard\n"),
            ev.StepStarted(step=OTHER),
            ev.StepCached(step=OTHER),
            ev.StepFinished(step=STEP, duration_ms=2000),
            ev.StepFailed(step=OTHER, reason="exit status 1", status=1, tail=(), log="", duration_ms=1),
            ev.BuildFinished(ok=True, ran=1, cached=1, skipped=0, duration_ms=10, image=""),
        ]
    )
    assert lines == [
        "= [api 1/1] SH a …  cached",
        '✓ [web 2/5] RUN ["a"]  2.0s',
        "✗ [api 1/1] SH a …  exit status 1",
        "done in 0.0s: 1 ran, 1 cached",
        "",
    ]


def test_live_lines_show_the_last_output(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    out = io.StringIO()
    console = LiveConsole(out)
    screen = Screen()
    try:
        console.emit(ev.StepStarted(step=STEP))
        console.emit(ev.StepOutput(step=STEP, data=b"x" * 100 + b"\n"))
        console.emit(ev.Notice(text="hello"))
        with console.lock:
            screen.feed(out.getvalue())
    finally:
        console.close()
    assert screen.lines[0] == "hello"
    assert screen.lines[2].strip().startswith("xxx") and screen.lines[2].endswith("…")
    assert all(len(line) < 40 for line in screen.lines)


@given(st.text(), st.integers(1, 30))
def test_fit_keeps_the_width(text, width):
    result = fit(visible(text), width)
    assert sum(map(char_width, result)) <= width


@given(st.text())
def test_visible_text_moves_nothing(text):
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or char in "\u202e\u2066\u2028" for char in visible(text))


@given(st.binary())
def test_output_lines_move_nothing(data):
    assert visible(output_line(data)) == output_line(data)


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (duration, 0, "0.0s"),
        (duration, 59_900, "59.9s"),
        (duration, 61_000, "1m01s"),
        (duration, 3_720_000, "1h02m"),
        (size, 999, "999 B"),
        (size, 1500, "1.5 kB"),
        (size, 2_500_000_000, "2.5 GB"),
        (one_line, "SH a\n  b", "SH a …"),
        (output_line, b"1%\r2%\r", "2%"),
        (output_line, b"dos\r", "dos"),
    ],
)
def test_texts(function, value, text):
    assert function(value) == text


def test_why_a_step_runs_is_told_everywhere():
    why = ev.Why(code="argument", words="argument VERSION 1 → 2")
    events = [ev.StepStarted(step=STEP, why=why), ev.StepFinished(step=STEP, duration_ms=1234)]
    assert plain(events).splitlines()[0] == '[web 2/5] RUN ["a"]  (argument VERSION 1 → 2)'
    started = ev.to_json(events[0])
    assert started["why"] == {"code": "argument", "words": "argument VERSION 1 → 2"}
    assert ev.to_json(ev.StepStarted(step=STEP))["why"] is None
    out = io.StringIO()
    live = LiveConsole(out)
    live.emit(events[0])
    assert "argument VERSION 1 → 2" in out.getvalue()
    out.truncate(0)
    live.emit(events[1])
    live.close()
    assert "argument VERSION 1 → 2  1.2s" in out.getvalue()
