"""The report of a build's tests: every way in which a test can end, and texts that XML cannot write."""

import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from metalor_lang.build.events import StepCached, StepFailed, StepFinished, StepRef, StepSkipped, StepStarted
from metalor_lang.build.results import Results
from metalor_lang.screen.junit import render_junit
from tests.support.junit import outcomes, read_report
from tests.support.recipes import plan_of

RECIPE = """\
FROM scratch AS below
SH make
TEST SH one
TEST SH two
TEST SH three
FROM below AS top
TEST SH one
TEST SH '''
    first line
    second line
    '''
TEST SH '''
    first line
    second line
    '''
TEST SH seven
"""

EARLIER = "It passed in an earlier build, and nothing that it depends on has changed."
ENDED = "ended with the build while it ran; line 7 failed: exit status 3"


def steps(plan, kind="test"):
    return [
        StepRef(
            stage=index, title=stage.title, number=step.number, total=9, kind=step.kind.value, text=step.text,
            line=plan.program.recipe.source.position(step.span.start).line, key=step.key, platform=str(stage.platform),
        )
        for index, stage in plan.stages.items()
        for step in stage.steps
        if step.kind.value == kind
    ]  # fmt: skip


def failed(step, **more):
    given = {
        "reason": "exit status 3",
        "status": 3,
        "tail": ("a < b", "]]>"),
        "log": "/store/x.log",
        "duration_ms": 1234,
    }
    return StepFailed(step=step, **{**given, **more})


def test_every_end_of_a_test_has_its_own_word():
    plan = plan_of(RECIPE)
    results = Results()
    results.expect((plan, plan))
    one, two, three, four, five, six, _ = steps(plan)
    for event in (
        StepStarted(step=one),
        StepFinished(step=one, duration_ms=2500),
        StepCached(step=two),
        StepSkipped(step=three, reason="--no-tests"),
        StepStarted(step=four),
        failed(four),
        StepStarted(step=five),
        StepStarted(step=six),
        failed(six, status=None, reason="no room on the disk", tail=(), log=""),
    ):
        results.emit(event)
    text = render_junit(results, recipe="app", path="recipes/app.metalor")
    assert list(outcomes(text).items()) == [
        (("below", "TEST SH one"), ("passed", "")),
        (("below", "TEST SH two"), ("system-out", EARLIER)),
        (("below", "TEST SH three"), ("skipped", "left out: --no-tests")),
        (("top", "TEST SH one"), ("failure", "exit status 3")),
        (("top", "TEST SH first line second line (line 8)"), ("skipped", ENDED)),
        (("top", "TEST SH first line second line (line 12)"), ("error", "no room on the disk")),
        (("top", "TEST SH seven"), ("skipped", "the build ended before it; line 7 failed: exit status 3")),
    ]  # fmt: skip
    root = read_report(text)
    assert (root.get("tests"), root.get("failures"), root.get("errors"), root.get("time")) == ("7", "1", "1", "4.968")
    case = next(root.iter("failure"))
    assert case.text == "a < b\n]]>\nthe whole output: /store/x.log"
    top = root.findall("testsuite")[1]
    assert {each.get("name"): each.get("value") for each in top.iter("property")} == {
        "recipe": "recipes/app.metalor", "platform": str(plan.program.platform),
    }  # fmt: skip
    assert {each.get("classname") for each in top.iter("testcase")} == {"app.top"}


def test_rounds_have_names_of_their_own():
    plan = plan_of("FROM scratch\nFOR L IN de en\n    TEST SH say $L\n    TEST SH date\nEND\nTEST SH date\n")
    results = Results()
    results.expect((plan,))
    suite = read_report(render_junit(results, recipe="app", path="app.metalor"))
    assert [case.get("name") for case in suite.iter("testcase")] == [
        "TEST SH say $L  with L=de",
        "TEST SH date (line 4) #1",
        "TEST SH say $L  with L=en",
        "TEST SH date (line 4) #2",
        "TEST SH date (line 6)",
    ]


def test_a_step_that_fails_is_named_at_the_tests_behind_it():
    plan = plan_of(RECIPE)
    results = Results()
    results.expect((plan,))
    (make,) = steps(plan, "sh")
    results.emit(StepStarted(step=make))
    results.emit(failed(make))
    said = set(outcomes(render_junit(results, recipe="app", path="app.metalor")).values())
    assert said == {("skipped", "the build ended before it; line 2 failed: exit status 3")}


def test_a_build_that_was_refused_has_no_tests():
    root = read_report(render_junit(Results(), recipe="app", path="app.metalor"))
    assert root.get("tests") == "0" and not list(root)


@given(st.text(max_size=40), st.text(max_size=40), st.lists(st.text(max_size=40), max_size=3))
def test_it_is_well_formed_whatever_is_said(path, reason, tail):
    plan = plan_of(RECIPE)
    results = Results()
    results.expect((plan,))
    first = steps(plan)[0]
    results.emit(failed(first, reason=reason, tail=tuple(tail), log=path))
    read_report(render_junit(results, recipe=path, path=path))


def test_the_schema_refuses_what_is_no_report():
    good = render_junit(Results(), recipe="app", path="app.metalor")
    for wrong in (
        good.replace('tests="0"', 'tests="x"'),
        good.replace("testsuites", "testsuite"),
        good.replace(">\n</", "><testcase/></"),
    ):
        with pytest.raises(xmlschema.XMLSchemaValidationError):
            read_report(wrong)
