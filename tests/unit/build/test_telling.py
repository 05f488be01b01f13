"""What a listener hears: of one stage everything in its order, and the end of a step only when it may be told."""

import threading
import time

from hypothesis import given
from hypothesis import strategies as st

from metalor_lang.build.events import Event, Recorder, StepFailed, StepFinished, StepOutput, StepRef, StepStarted
from metalor_lang.build.telling import Telling


def step(number: int, stage: int = 0, platform: str = "") -> StepRef:
    """Of a stage that is on one platform whatever is built for, which its title says: `FROM --platform=`."""
    return StepRef(
        stage=stage,
        title=f"{platform}s{stage}",
        number=number,
        total=9,
        kind="run",
        text="x",
        line=1,
        key="k",
        platform="linux/amd64",
    )


def finished(ref: StepRef) -> StepFinished:
    return StepFinished(step=ref, duration_ms=1)


def test_what_follows_a_held_step_waits_for_it_and_other_stages_do_not() -> None:
    recorder = Recorder()
    telling = Telling(recorder)
    one, two = step(1), step(2)
    telling.emit(StepStarted(step=one))
    telling.hold(one)
    telling.emit(StepStarted(step=two))
    telling.emit(StepOutput(step=two, data=b"two"))
    telling.emit(StepStarted(step=step(1, 1)))
    telling.emit(StepStarted(step=step(1, 0, "linux/arm64")))
    assert [event.step for event in recorder.events] == [one, step(1, 1), step(1, 0, "linux/arm64")]  # type: ignore[union-attr]
    telling.tell(finished(one))
    assert recorder.events[3:] == (finished(one), StepStarted(step=two), StepOutput(step=two, data=b"two"))


def test_a_failure_is_heard_in_its_place_and_a_hold_can_be_taken_back() -> None:
    recorder = Recorder()
    telling = Telling(recorder)
    failed = StepFailed(step=step(2), reason="no", status=1, tail=(), log="", duration_ms=1)
    telling.hold(step(1))
    telling.hold(step(2))
    telling.cancel(step(2))
    telling.emit(failed)
    assert recorder.events == ()
    telling.tell(finished(step(1)))
    assert recorder.events == (finished(step(1)), failed)
    telling.settle(0, "s0")


def test_settling_waits_until_all_is_told() -> None:
    telling = Telling(Recorder())
    telling.hold(step(1))
    thread = threading.Thread(target=lambda: (time.sleep(0.05), telling.tell(finished(step(1)))))
    thread.start()
    began = time.monotonic()
    telling.settle(0, "s0")
    assert time.monotonic() - began > 0.04
    thread.join()


def test_a_step_that_writes_much_waits_for_the_sync_before_it() -> None:
    recorder = Recorder()
    telling = Telling(recorder)
    telling.hold(step(1))
    written = []

    def write() -> None:
        for _ in range(100):
            telling.emit(StepOutput(step=step(2), data=bytes(1 << 17)))
            written.append(1)

    thread = threading.Thread(target=write)
    thread.start()
    time.sleep(0.1)
    assert len(written) < 10
    telling.tell(finished(step(1)))
    thread.join(10)
    assert len(recorder.events) == 101


def test_a_parted_step_is_told_beside_what_follows_and_never_before_what_was() -> None:
    recorder = Recorder()
    telling = Telling(recorder)
    made, test, follows = step(1), step(2), step(3)
    telling.hold(made)
    telling.part(test)
    telling.emit(StepStarted(step=test))
    telling.emit(StepStarted(step=follows))
    assert recorder.events == (), "what was made before is not on the disk"
    telling.tell(finished(made))
    assert recorder.events == (finished(made), StepStarted(step=test), StepStarted(step=follows))
    telling.hold(follows)
    telling.emit(StepOutput(step=test, data=b"beside"))
    assert recorder.events[3:] == (StepOutput(step=test, data=b"beside"),)
    telling.hold(test)
    telling.tell(finished(follows))
    telling.settle(0, "s0")
    telling.tell(finished(test))
    telling.settle(0, "s0", 2)
    assert recorder.events[4:] == (finished(follows), finished(test))


def test_a_step_parted_while_nothing_is_held_waits_for_nothing() -> None:
    recorder = Recorder()
    telling = Telling(recorder)
    telling.part(step(1))
    telling.hold(step(2))
    telling.emit(StepStarted(step=step(1)))
    assert recorder.events == (StepStarted(step=step(1)),)
    telling.settle(0, "s0", 1)


CALLS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["run", "tell", "test", "test ends"])), max_size=60)


@given(CALLS)
def test_each_stage_is_heard_in_the_order_in_which_it_happened(calls: list[tuple[int, str]]) -> None:
    recorder = Recorder()
    telling = Telling(recorder)
    happened: dict[int, list[Event]] = {0: [], 1: [], 2: []}
    before: dict[StepRef, list[Event]] = {}
    # In the order in which the store publishes them.
    held: list[StepRef] = []
    tests: dict[int, list[StepRef]] = {0: [], 1: [], 2: []}
    for count, (stage, call) in enumerate(calls):
        if call == "run":
            ref = step(count, stage)
            telling.emit(StepStarted(step=ref))
            telling.hold(ref)
            held.append(ref)
            happened[stage] += [StepStarted(step=ref), finished(ref)]
        elif call == "test":
            ref = step(count, stage)
            before[ref] = list(happened[stage])
            telling.part(ref)
            telling.emit(StepStarted(step=ref))
            tests[stage].append(ref)
        elif call == "test ends" and tests[stage]:
            ref = tests[stage].pop()
            telling.emit(StepOutput(step=ref, data=b"x"))
            telling.hold(ref)
            held.append(ref)
        elif call == "tell" and held:
            telling.tell(finished(held.pop(0)))
    for ref in held:
        telling.tell(finished(ref))
    heard = recorder.events
    for stage, events in happened.items():
        telling.settle(stage, f"s{stage}")
        own = [event for event in heard if event.step.stage == stage and event.step not in before]  # type: ignore[union-attr]
        assert own == events
    running = {ref for refs in tests.values() for ref in refs}
    for ref, earlier in before.items():
        telling.settle(ref.stage, f"s{ref.stage}", ref.number)
        of_it = [event for event in heard if event.step == ref]  # type: ignore[union-attr]
        whole = [StepStarted(step=ref), StepOutput(step=ref, data=b"x"), finished(ref)]
        assert of_it == (whole[:1] if ref in running else whole)
        assert all(heard.index(event) < heard.index(of_it[0]) for event in earlier)
