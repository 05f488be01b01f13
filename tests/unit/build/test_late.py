"""What steps need is started once, only when one must run, and in the thread that asks for it."""

import threading
from pathlib import Path
from typing import Any, cast

import pytest

from metalor_lang.build.late import LateMachine, LateRuntime, LateSnapshotter
from metalor_lang.runtime.request import Streams


class Counted:
    """Stands for whatever is started: counts its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    def __getattr__(self, name: str) -> Any:
        def call(*args: object, **kwargs: object) -> str:
            self.calls.append((name, threading.get_ident()))
            return name

        return call


def test_a_runtime_starts_when_it_is_needed() -> None:
    made: list[Counted] = []

    def start() -> Any:
        made.append(Counted())
        return made[-1]

    runtime = LateRuntime(start)
    runtime.close()
    assert made == []
    runtime.ready()
    runtime.ready()
    assert len(made) == 1
    answer = runtime.run(3, cast("Any", None), Streams(output=lambda data: None))
    assert cast("Any", answer) == "run"
    runtime.close()
    assert [name for name, _ in made[0].calls] == ["run", "close"]


def test_many_threads_start_one() -> None:
    made: list[Counted] = []
    gate = threading.Barrier(8)

    def choose() -> Any:
        made.append(Counted())
        return made[-1]

    snapshotter = LateSnapshotter(choose)

    def work() -> None:
        gate.wait()
        snapshotter.view(("a",))
        snapshotter.layers(("a",))
        snapshotter.draft(("a",))
        snapshotter.for_step(("a",))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(made) == 1
    assert sorted(name for name, _ in made[0].calls) == sorted(["view", "layers", "draft", "for_step"] * 8)


def test_what_performs_steps_is_made_once_and_stopped_with_the_build() -> None:
    made: list[Counted] = []
    bases, runtime = Counted(), Counted()

    def make() -> Any:
        made.append(Counted())
        return made[-1]

    late = LateMachine(cast("Any", bases), cast("Any", runtime), make)
    nothing = cast("Any", Counted())
    late.unpacked(nothing)
    late.base(nothing)
    assert made == [] and runtime.calls == []
    late.stop()
    late.ready(commands=False)
    assert runtime.calls == []
    late.ready(commands=True)
    assert [name for name, _ in runtime.calls] == ["ready"]
    assert [name for name, _ in made[0].calls] == ["stop"]
    late.perform(nothing, nothing, (), {}, nothing)
    late.stop()
    assert [name for name, _ in made[0].calls] == ["stop", "perform", "stop"]


def test_a_machine_that_cannot_is_said_at_ready(tmp_path: Path) -> None:
    from metalor_lang.errors import MachineError

    def start() -> Any:
        raise MachineError("no steps here")

    with pytest.raises(MachineError, match="no steps here"):
        LateRuntime(start).ready()
