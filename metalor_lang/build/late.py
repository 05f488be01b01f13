"""The machine's side of a build, made ready only when a step must run: helper process, overlays, and the code for them.

Invariant: a build that finds everything in the store starts no process and mounts nothing. What is started late is
started by `ready`, in the thread that calls it: a helper ends with the thread that started it.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from metalor_lang.build.bases import Bases
from metalor_lang.build.events import StepRef
from metalor_lang.build.lookup import Chain
from metalor_lang.guards import Lock
from metalor_lang.hints import TYPE_CHECKING
from metalor_lang.plan.graph import PlannedStage, Step

if TYPE_CHECKING:
    from metalor_lang.build.perform import Machine
    from metalor_lang.kernel.paths import Root
    from metalor_lang.runtime.cancel import Cancel
    from metalor_lang.runtime.client import Runtime
    from metalor_lang.runtime.request import LayeredView, StepRequest, StepStatus, Streams
    from metalor_lang.runtime.rootfs import DraftView, Snapshotter


class LateRuntime:
    """A runtime that starts when it is first needed; implements `runtime.client.Runtime`.

    Args:
        start: starts it.

    """

    def __init__(self, start: "Callable[[], Runtime]") -> None:
        self._start = start
        self._lock = Lock()
        self._runtime: Runtime | None = None

    def ready(self) -> None:
        """Start it now; raises MachineError when this machine cannot run steps."""
        self._started()

    def _started(self) -> "Runtime":
        with self._lock:
            if self._runtime is None:
                self._runtime = self._start()
            return self._runtime

    def run(
        self,
        view: "int | LayeredView",
        request: "StepRequest",
        streams: "Streams",
        cancel: "Cancel | None" = None,
    ) -> "StepStatus":
        """Run one step; see `runtime.client.NamespaceRuntime.run`."""
        return self._started().run(view, request, streams, cancel)

    def close(self) -> None:
        """End it, if it was started."""
        with self._lock:
            if self._runtime is not None:
                self._runtime.close()


class LateSnapshotter:
    """A snapshotter that is chosen when the first view is wanted; implements `runtime.rootfs.Snapshotter`.

    Args:
        choose: tries what the store's file system can do.

    """

    def __init__(self, choose: "Callable[[], Snapshotter]") -> None:
        self._choose = choose
        self._lock = Lock()
        self._chosen: Snapshotter | None = None

    def _own(self) -> "Snapshotter":
        with self._lock:
            if self._chosen is None:
                self._chosen = self._choose()
            return self._chosen

    @property
    def name(self) -> str:
        """`overlay` or `copy`."""
        return self._own().name

    def layers(self, chain: Sequence[str]) -> tuple[Path, ...]:
        """See `Snapshotter.layers`."""
        return self._own().layers(chain)

    def view(self, chain: Sequence[str]) -> "Root":
        """See `Snapshotter.view`."""
        return self._own().view(chain)

    def for_step(self, chain: Sequence[str]) -> "LayeredView":
        """See `Snapshotter.for_step`."""
        return self._own().for_step(chain)

    def draft(self, chain: Sequence[str]) -> "DraftView":
        """See `Snapshotter.draft`."""
        return self._own().draft(chain)


class LateMachine:
    """Performs steps once it is ready; implements `builder.Performer`.

    Args:
        bases: of the build.
        runtime: made ready with it.
        make: makes what performs the steps.

    """

    def __init__(self, bases: Bases, runtime: "Runtime", make: "Callable[[], Machine]") -> None:
        self._bases = bases
        self._runtime = runtime
        self._make = make
        self._lock = Lock()
        self._stopping = False
        self._machine: Machine | None = None

    def ready(self, *, commands: bool) -> None:
        """Start what steps need: who copies and writes needs no helper; raises MachineError."""
        if commands:
            self._runtime.ready()
        self._made()

    def _made(self) -> "Machine":
        with self._lock:
            if self._machine is None:
                self._machine = self._make()
                if self._stopping:
                    self._machine.stop()
            return self._machine

    def unpacked(self, stage: PlannedStage) -> Chain | None:
        """The chain of an image or rootfs base that the store has, else None."""
        return self._bases.unpacked(stage.base, stage.platform)

    def base(self, stage: PlannedStage) -> Chain:
        """The chain of an image or rootfs base, unpacked."""
        return self._bases.chain(stage.base, stage.platform, stop=lambda: self._stopping)

    def perform(
        self, stage: PlannedStage, step: Step, chain: Chain, sources: Mapping[int, Chain], ref: StepRef
    ) -> Chain:
        """Run a step; see `perform.Machine.perform`."""
        return self._made().perform(stage, step, chain, sources, ref)

    def stop(self) -> None:
        """End running commands soon; later ones end at once."""
        with self._lock:
            self._stopping = True
            if self._machine is not None:
                self._machine.stop()
