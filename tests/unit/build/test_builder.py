"""The walk over a plan with a performer that writes nothing but remembers what it was asked."""

import errno
import os
import threading
import time

import pytest

from metalor_lang.build.builder import Builder
from metalor_lang.build.cached import cached_steps
from metalor_lang.build.events import (
    Notice,
    Recorder,
    StepCached,
    StepFailed,
    StepFinished,
    StepSkipped,
    StepStarted,
    StepStopped,
)
from metalor_lang.build.failures import BuildFailed, Interrupted, command_failed
from metalor_lang.build.model import Options
from metalor_lang.checker.checker import check
from metalor_lang.errors import Exit, MachineError, MetalorError
from metalor_lang.plan.evaluator import evaluate
from metalor_lang.plan.graph import BaseInfo
from metalor_lang.source import SourceFile
from metalor_lang.store.store import Store
from metalor_lang.syntax.parser import parse

RECIPE = """\
FROM scratch AS one
SH first
SH second
FROM scratch AS two
SH third
FROM one AS three
COPY --from=two /x /x
TEST SH look
ENV A=b
SH fourth
"""


class NoFolders:
    def names(self):
        return frozenset()

    def find(self, context, source, *, glob, excludes):
        return None

    def exists(self, path):
        return True

    def recipe(self, path):
        raise AssertionError(path)


class OneRootfs:
    def base(self, base, platform):
        return BaseInfo(digest="sha256:" + "a" * 64)


def planned(text, inputs=None):
    recipe, syntax = parse(SourceFile("a.metalor", text))
    program, found = check(recipe, contexts=NoFolders())
    assert not syntax and not found and program is not None
    plan, found = evaluate(program, inputs=inputs)
    assert plan is not None and not found
    return plan


class Performer:
    """Commits an empty snapshot for each step that writes; can fail, wait and count."""

    def __init__(self, store, fail=(), hold=()):
        self.store = store
        self.fail = fail
        self.hold = hold
        self.asked = []
        self.readied = []
        self.stopped = threading.Event()

    def base(self, stage):
        raise AssertionError("there are only scratch bases")

    def unpacked(self, stage):
        return None

    def ready(self, *, commands):
        self.readied.append(threading.get_ident())
        self.commands = commands

    def perform(self, stage, step, chain, sources, ref):
        self.asked.append(step.text)
        if step.text in self.hold and self.stopped.wait(20):
            raise Interrupted("stopped")
        if step.text in self.fail:
            raise command_failed(step, code=2, signal=None, timed_out=False, timeout=None, tail=(b"x",), log="/log")
        if not step.kind.writes:
            return chain
        with self.store.snapshots.draft() as draft:
            return (*chain, draft.commit({"text": step.text}))

    def stop(self):
        self.stopped.set()


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "store") as opened:
        yield opened


def build(store, text=RECIPE, performer=None, **options):
    performer = performer or Performer(store)
    events = Recorder()
    builder = Builder(
        planned(text),
        store=store,
        performer=performer,
        events=events,
        options=Options(**{"jobs": 2, **options}),
        recipe="a",
    )
    with store.lease():
        return builder.build(), performer, events.events


class WithoutBase(Performer):
    def __init__(self, store, error):
        super().__init__(store)
        self.error = error

    def base(self, stage):
        raise self.error


@pytest.mark.parametrize(
    ("error", "code", "exit"),
    [(MetalorError("the layer is damaged"), "E0503", 1), (MachineError("No space left on device"), "E0609", 3)],
)
def test_a_base_that_cannot_be_unpacked_names_who_is_to_blame(store, error, code, exit):
    plan = planned("FROM rootfs:.\nSH true\n", OneRootfs())
    builder = Builder(
        plan, store=store, performer=WithoutBase(store, error), events=Recorder(), options=Options(jobs=1), recipe="a"
    )
    with store.lease(), pytest.raises(BuildFailed) as caught:
        builder.build()
    assert (caught.value.diagnostic.code, caught.value.exit) == (code, exit)


def of(events, kind):
    return [event.step.text for event in events if isinstance(event, kind)]


def test_every_needed_step_runs_once_and_then_never(store):
    first, performer, events = build(store)
    assert sorted(performer.asked) == sorted(
        ["SH first", "SH second", "SH third", "COPY --from=two /x /x", "TEST SH look", "SH fourth"]
    )
    assert sorted(of(events, StepStarted)) == sorted(of(events, StepFinished)) == sorted(performer.asked)
    second, performer, events = build(store, expect_cached=True)
    assert performer.asked == [] and len(of(events, StepCached)) == 6
    assert second.target.chain == first.target.chain and len(first.target.chain) == 4
    assert second.stages[2].start == second.stages[0].chain


def test_what_steps_need_is_made_ready_once_here_and_only_if_one_runs(store):
    _, performer, _ = build(store)
    assert performer.readied == [threading.get_ident()]
    _, performer, _ = build(store)
    assert performer.readied == []
    _, performer, _ = build(store, text=RECIPE.replace("fourth", "fifth"))
    assert performer.readied == [threading.get_ident()]
    _, performer, _ = build(store, no_cache=True)
    assert performer.readied == [threading.get_ident()]


@pytest.mark.parametrize(
    ("text", "first", "again"),
    [
        ("FROM scratch\nWORKDIR /a\nWORKDIR /b\n", False, False),
        ("FROM scratch AS one\nSH make\nFROM scratch\nCOPY --from=one /x /x\n", True, False),
        ("FROM scratch\nWORKDIR /a\nSH make\n", True, True),
    ],
)
def test_no_command_is_made_ready_for_where_none_may_run(store, text, first, again):
    _, performer, _ = build(store, text=text)
    assert performer.commands is first
    plan = planned(text)
    last = next(step for step in plan.stages[plan.target].steps if step.kind.acts)
    store.steps.remove(last.key)  # what it gives, and all that stands on it, is made anew
    _, performer, _ = build(store, text=text)
    assert performer.commands is again


def test_nothing_is_made_ready_to_find_out_that_something_is_missing(store):
    performer = Performer(store)
    with pytest.raises(BuildFailed):
        build(store, performer=performer, expect_cached=True)
    assert performer.readied == [] and performer.asked == []


def test_a_build_that_finds_everything_starts_no_thread(store, monkeypatch):
    build(store)

    def start(thread):
        raise AssertionError("a thread was started")

    monkeypatch.setattr(threading.Thread, "start", start)
    result, performer, _ = build(store)
    assert (result.ran, performer.asked) == (0, [])


def test_what_two_stages_have_in_common_runs_once_even_without_the_cache(store):
    text = "FROM scratch AS a\nSH same\nFROM scratch AS b\nSH same\nFROM a\nCOPY --from=b /x /x\n"
    for _ in range(2):
        result, performer, events = build(store, text=text, no_cache=True, jobs=2)
        assert sorted(performer.asked) == ["COPY --from=b /x /x", "SH same"]
        assert result.stages[0].chain == result.stages[1].chain
        assert not [event for event in events if isinstance(event, Notice)]  # nobody waits for another build


def test_a_step_run_anew_makes_what_stands_on_it_miss(store):
    first, _, _ = build(store)
    build(store, RECIPE.split("FROM scratch AS two")[0], no_cache=True)
    again, performer, events = build(store)
    # The keys are the same; the snapshots below are not.
    assert performer.asked[0] == "COPY --from=two /x /x"
    assert sorted(performer.asked[1:]) == ["SH fourth", "TEST SH look"]
    assert sorted(of(events, StepCached)) == ["SH first", "SH second", "SH third"]
    assert again.stages[0].chain != first.stages[0].chain


def test_a_source_stage_run_anew_makes_its_copies_miss(store):
    build(store)
    build(store, "FROM scratch AS two\nSH third\n", no_cache=True)
    _, performer, _ = build(store)
    assert performer.asked[0] == "COPY --from=two /x /x"


def test_plan_and_build_agree_on_what_is_cached(store):
    text = RECIPE.replace("SH fourth", "SH --fresh=1h fourth")
    assert cached_steps(planned(text), store, None) == frozenset()
    build(store, text)
    assert cached_steps(planned(text), store, None) == {(0, 1), (0, 2), (1, 1), (2, 1), (2, 2), (2, 4)}
    changed = planned(text.replace("SH second", "SH other"))
    assert cached_steps(changed, store, None) == {(0, 1), (1, 1)}


def test_fresh_steps_run_again_when_they_are_too_old(store, monkeypatch):
    text = "FROM scratch\nSH --fresh=1h first\n"
    build(store, text)
    assert build(store, text)[1].asked == []
    real = time.time
    monkeypatch.setattr("metalor_lang.build.builder.time.time", lambda: real() + 3601)
    assert build(store, text)[1].asked == ["SH --fresh=1h first"]


def test_expect_cached_fails_before_anything_runs(store):
    performer = Performer(store)
    with pytest.raises(BuildFailed) as failure:
        build(store, performer=performer, expect_cached=True)
    assert failure.value.diagnostic.code == "E0606" and performer.asked == []


def test_a_failed_step_is_no_record(store):
    performer = Performer(store, fail=("SH second",))
    with pytest.raises(BuildFailed) as failure:
        build(store, performer=performer)
    assert failure.value.diagnostic.code == "E0601" and failure.value.command_status == 2
    assert "SH second" in build(store)[1].asked


def test_an_error_of_the_machine_is_shown_at_its_step(store):
    class Broken(Performer):
        def perform(self, stage, step, chain, sources, ref):
            if step.text == "SH second":
                raise OSError(errno.EIO, os.strerror(errno.EIO), "/some/file")
            return super().perform(stage, step, chain, sources, ref)

    with pytest.raises(BuildFailed, match="Input/output error: /some/file") as failure:
        build(store, performer=Broken(store))
    assert (failure.value.diagnostic.code, failure.value.exit) == ("E0609", Exit.MACHINE)
    assert "dmesg" in failure.value.help


def test_a_failure_stops_the_other_stages(store):
    performer = Performer(store, fail=("SH third",), hold=("SH first",))
    with pytest.raises(BuildFailed, match="exit status 2"):
        build(store, performer=performer)
    assert performer.stopped.is_set() and "SH second" not in performer.asked


def test_tests_left_out_are_named(store):
    result, performer, events = build(store, no_tests=True)
    assert [step.text for step in result.skipped] == of(events, StepSkipped) == ["TEST SH look"]
    assert "TEST SH look" not in performer.asked


TESTED = """\
FROM scratch AS one
SH first
TEST SH look
SH second
FROM one AS two
SH third
"""


class Meeting(Performer):
    """Each of `meet` goes on when all of them are there."""

    def __init__(self, store, meet, **more):
        super().__init__(store, **more)
        self.barrier = threading.Barrier(len(meet), timeout=20)
        self.meet = meet

    def perform(self, stage, step, chain, sources, ref):
        if step.text in self.meet:
            self.barrier.wait()
        return super().perform(stage, step, chain, sources, ref)


@pytest.mark.parametrize("other", ["SH second", "SH third"])
def test_a_test_runs_beside_what_follows_and_beside_stages_on_its_own(store, other):
    result, _, events = build(store, TESTED, Meeting(store, ("TEST SH look", other)))
    assert (result.ran, result.cached) == (4, 0)
    order = [(type(event).__name__, event.step.text) for event in events if hasattr(event, "step")]
    assert order.index(("StepFinished", "SH first")) < order.index(("StepStarted", "TEST SH look"))
    again, performer, events = build(store, TESTED)
    assert (again.ran, again.cached, performer.asked) == (0, 4, [])
    assert again.stages[0].after == result.stages[0].after


def test_with_one_job_everything_stands_in_the_order_of_the_recipe(store):
    performer = Performer(store)
    build(store, TESTED, performer, jobs=1)
    assert performer.asked == ["SH first", "TEST SH look", "SH second", "SH third"]


@pytest.mark.parametrize("other", ["SH second", "SH third"])
def test_a_failing_test_ends_what_runs_beside_it(store, other):
    events = Recorder()
    performer = Meeting(store, ("TEST SH look", other), fail=("TEST SH look",), hold=(other,))
    builder = Builder(
        planned(TESTED), store=store, performer=performer, events=events, options=Options(jobs=2), recipe="a"
    )
    with store.lease(), pytest.raises(BuildFailed) as failure:
        builder.build()
    assert failure.value.diagnostic.code == "E0608"
    assert of(events.events, StepFailed) == ["TEST SH look"]
    assert other in of(events.events, StepStopped), "it is told that it was ended"
    kept = {step.text for stage in planned(TESTED).stages.values() for step in stage.steps if store.steps.get(step.key)}
    assert kept == {"SH first", "SH second"} - {other}, "the test is no record, what was made is"


def test_a_test_that_stands_twice_runs_once(store):
    text = "FROM scratch\nSH first\nTEST SH look\nLABEL a=b\nTEST SH look\n"
    result, performer, _ = build(store, text)
    assert performer.asked.count("TEST SH look") == 1
    assert (result.ran, result.cached) == (2, 1)


def test_a_stage_that_fails_ends_its_tests(store):
    performer = Meeting(store, ("TEST SH look", "SH second"), fail=("SH second",), hold=("TEST SH look",))
    with pytest.raises(BuildFailed, match="the command failed"):
        build(store, TESTED, performer)
    assert performer.stopped.is_set()


def test_expect_cached_names_a_test_that_never_passed(store):
    build(store, TESTED, no_tests=True)
    with pytest.raises(BuildFailed) as failure:
        build(store, TESTED, expect_cached=True)
    assert failure.value.diagnostic.code == "E0606"


def test_failures_are_told(store):
    events = Recorder()
    performer = Performer(store, fail=("SH first",))
    builder = Builder(
        planned("FROM scratch\nSH first\n"),
        store=store,
        performer=performer,
        events=events,
        options=Options(),
        recipe="a",
    )
    with store.lease(), pytest.raises(BuildFailed):
        builder.build()
    (failed,) = [event for event in events.events if isinstance(event, StepFailed)]
    assert (failed.status, failed.tail, failed.log, failed.step.line) == (2, ("x",), "/log", 2)


def test_two_builders_on_one_store_run_a_step_once(store):
    barrier = threading.Barrier(2)
    asked = []

    class Slow(Performer):
        def perform(self, *rest):
            time.sleep(0.2)
            return super().perform(*rest)

    def one():
        performer = Slow(store)
        barrier.wait()
        build(store, "FROM scratch\nSH first\nSH second\n", performer)
        asked.extend(performer.asked)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(asked) == ["SH first", "SH second"]
