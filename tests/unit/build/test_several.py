"""Several plans of one recipe: what they share, how they are named, and that what is shared runs once."""

import threading

import pytest

from metalor_lang.build.builder import Builder
from metalor_lang.build.events import BuildStarted, Recorder, StepCached, StepStarted
from metalor_lang.build.failures import BuildFailed, Interrupted, command_failed
from metalor_lang.build.model import Options
from metalor_lang.build.several import Shared, named, twins
from metalor_lang.build.together import build_together
from metalor_lang.checker.checker import check
from metalor_lang.checker.platforms import parse_platforms
from metalor_lang.plan.evaluator import evaluate
from metalor_lang.source import SourceFile
from metalor_lang.store.store import Store
from metalor_lang.syntax.parser import parse

AMD64, ARM64, RISCV64 = "linux/amd64", "linux/arm64", "linux/riscv64"
RECIPE = """\
FROM --platform=linux/amd64 scratch AS tools
SH tools
FROM --platform=linux/amd64 scratch AS cross
SH begin
SH --arg=TARGETARCH build
FROM tools AS more
SH more
FROM scratch AS app
SH --arg=TARGETARCH own
COPY --from=cross /x /x
COPY --from=more /y /y
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


def plans(text, *platforms):
    recipe, syntax = parse(SourceFile("a.metalor", text))
    made = []
    for platform in parse_platforms(",".join(platforms)):
        program, found = check(recipe, contexts=NoFolders(), platform=platform)
        assert not syntax and not found and program is not None
        plan, found = evaluate(program, inputs=None)
        assert plan is not None and not found
        made.append(plan)
    return named(made)


class Performer:
    def __init__(self, store, asked, fail=()):
        self.store = store
        self.asked = asked
        self.fail = fail
        self.stopped = threading.Event()

    def base(self, stage):
        raise AssertionError("there are only scratch bases")

    def unpacked(self, stage):
        raise AssertionError("there are only scratch bases")

    def ready(self, *, commands):
        pass

    def perform(self, stage, step, chain, sources, ref):
        self.asked.append((ref.title, step.text))
        if self.stopped.is_set():
            raise Interrupted("stopped")
        if (ref.title, step.text) in self.fail:
            raise command_failed(step, code=2, signal=None, timed_out=False, timeout=None, tail=(), log="/log")
        with self.store.snapshots.draft() as draft:
            return (*chain, draft.commit({"text": step.text}))

    def stop(self):
        self.stopped.set()


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "store") as opened:
        yield opened


def build(store, made, fail=(), **options):
    asked, events, shared = [], Recorder(), Shared()
    builders = [
        Builder(
            plan,
            store=store,
            performer=Performer(store, asked, fail),
            events=events,
            options=Options(**{"jobs": 4, **options}),
            recipe="a",
            shared=shared,
        )
        for plan in made
    ]
    with store.lease():
        return build_together(builders), asked, events.events


def test_a_stage_is_shared_when_all_it_is_made_from_is_the_same():
    assert twins(plans(RECIPE, AMD64, ARM64, RISCV64)) == {(1, 0): 0, (2, 0): 0, (1, 2): 0, (2, 2): 0}
    assert twins(plans(RECIPE, AMD64)) == {}


def test_what_a_shared_stage_reads_must_be_shared_too():
    text = """\
FROM --platform=linux/amd64 scratch AS one
SH first
ENV FOR=${TARGETARCH}
FROM --platform=linux/amd64 scratch AS two
COPY --from=one /x /x
FROM scratch AS app
COPY --from=two /x /x
"""
    # The files of `one` have equal keys, but it is built twice: `two` must not stand on another one than its own.
    first, second = plans(text, AMD64, ARM64)
    assert first.stages[0].key == second.stages[0].key and first.stages[1].key == second.stages[1].key
    assert twins((first, second)) == {}


def test_an_empty_stage_from_scratch_is_not_shared_between_platforms():
    text = "FROM scratch AS one\nENV A=b\nFROM scratch AS two\nCOPY --from=one / /\n"
    assert twins(plans(text, AMD64, ARM64)) == {}


def test_stages_say_whom_they_are_for():
    first, second = plans(RECIPE, AMD64, ARM64)
    assert [stage.title for stage in first.stages.values()] == ["tools", f"{AMD64} cross", "more", f"{AMD64} app"]
    assert [stage.title for stage in second.stages.values()] == ["tools", f"{ARM64} cross", "more", f"{ARM64} app"]
    (alone,) = plans(RECIPE, ARM64)
    assert [stage.title for stage in alone.stages.values()] == ["tools", "cross", "more", "app"]


@pytest.mark.parametrize("jobs", [1, 8])
@pytest.mark.parametrize("no_cache", [False, True])
def test_what_is_shared_runs_once(store, jobs, no_cache):
    made = plans(RECIPE, AMD64, ARM64, RISCV64)
    for round in range(2):
        results, asked, events = build(store, made, jobs=jobs, no_cache=no_cache)
        texts = sorted(text for _, text in asked)
        if round and not no_cache:
            assert texts == []
        else:
            each = ["SH --arg=TARGETARCH own", "COPY --from=cross /x /x", "COPY --from=more /y /y"]
            once = ["SH tools", "SH more", "SH begin"]
            assert texts == sorted([*once, *3 * ["SH --arg=TARGETARCH build"], *3 * each])
        chains = [result.stages[2].chain for result in results]
        assert chains[0] == chains[1] == chains[2] and len(chains[0]) == 2
        assert len({result.target.chain for result in results}) == 3
        assert all(len(result.target.chain) == 3 for result in results)
        assert [result.target.stage.platform.arch for result in results] == ["amd64", "arm64", "riscv64"]
        (begun,) = [event for event in events if isinstance(event, BuildStarted)]
        assert begun.platforms == (AMD64, ARM64, RISCV64) and begun.steps == 1 + 1 + 3 * 2 + 3 * 3
        assert begun.target == "app" and len(begun.stages) == len(set(begun.stages)) == 8
        shown = [event.step.title for event in events if isinstance(event, StepStarted | StepCached)]
        assert shown.count("tools") == shown.count("more") == 1


def test_a_failure_for_one_platform_ends_all(store):
    made = plans(RECIPE, AMD64, ARM64)
    with pytest.raises(BuildFailed, match="exit status 2"):
        build(store, made, fail={(f"{ARM64} cross", "SH --arg=TARGETARCH build")})
    _, asked, _ = build(store, made)
    assert (f"{ARM64} cross", "SH --arg=TARGETARCH build") in asked


def test_steps_carry_the_platform_of_their_stage(store):
    _, _, events = build(store, plans(RECIPE, AMD64, ARM64))
    found = {event.step.title: event.step.platform for event in events if isinstance(event, StepStarted)}
    assert found["tools"] == found[f"{ARM64} cross"] == AMD64
    assert found[f"{ARM64} app"] == ARM64
