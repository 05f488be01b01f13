import json
from dataclasses import fields
from datetime import UTC, datetime
from typing import get_args

import pytest

from metalor_lang.build import events as ev

STEP = ev.StepRef(
    stage=0, title="web", number=2, total=5, kind="run", text='RUN ["a"]', line=7, key="sha256:" + "0" * 64
)
ALL = (
    ev.BuildStarted(recipe="a.metalor", target="web", stages=("web",), skipped=("x",), steps=5),
    ev.StageStarted(stage=0, title="web", base="scratch", steps=5),
    ev.StepStarted(step=STEP),
    ev.StepOutput(step=STEP, data=b"h\xc3\xa9\xff\n"),
    ev.StepCached(step=STEP),
    ev.StepConfigured(step=STEP),
    ev.StepSkipped(step=STEP, reason="--no-tests"),
    ev.StepFinished(step=STEP, duration_ms=12),
    ev.StepFailed(step=STEP, reason="exit status 2", status=2, tail=("x",), log="/l", duration_ms=3),
    ev.StepStopped(step=STEP, duration_ms=3),
    ev.StepProgress(step=STEP, done=5, total=None),
    ev.Notice(text="hello"),
    ev.Exported(output="oci:out", digest="sha256:1"),
    ev.BuildFinished(ok=True, ran=1, cached=2, skipped=0, duration_ms=9, image=""),
)


def test_every_event_is_named_and_tried():
    assert set(ev.EVENT_NAMES) == set(get_args(ev.Event)) == {type(event) for event in ALL}
    assert len(set(ev.EVENT_NAMES.values())) == len(ev.EVENT_NAMES)


@pytest.mark.parametrize("event", ALL, ids=lambda event: ev.EVENT_NAMES[type(event)])
def test_json_holds_every_field(event):
    when = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
    result = json.loads(json.dumps(ev.to_json(event, when)))
    assert result["event"] == ev.EVENT_NAMES[type(event)]
    assert result["time"] == "2024-05-06T07:08:09.123Z"
    expected = {"event", "time"}
    for field in fields(event):
        if field.name == "step":
            expected |= {part.name for part in fields(ev.StepRef)}
        else:
            expected.add("text" if field.name == "data" else field.name)
    assert set(result) == expected


def test_output_that_is_no_utf8_is_spelled_out():
    assert ev.to_json(ALL[3])["text"] == "hé\\xff\n"
