"""Tell what happens in a stage in its order, although a step runs while the one before it is still being synced.

Invariant: a listener hears StepFinished only when the step's result outlives a power cut, and of one stage it hears
everything in the order in which it happened.
"""

from collections import deque

from metalor_lang.build.events import Event, EventSink, StepFailed, StepFinished, StepRef
from metalor_lang.guards import Condition
from metalor_lang.hints import Final

_MOST: Final = 1 << 20
"""Bytes of output that may wait for a sync; a step that writes more waits as well."""

_Place = tuple[str, int]


class _Stage:
    def __init__(self) -> None:
        self.waits: deque[Event | None] = deque()  # None: the step before is not on the disk yet
        self.bytes = 0


class Telling:
    """An event sink that passes on to another one what may be told already; safe to use from any number of threads.

    Args:
        events: who listens.

    """

    def __init__(self, events: EventSink) -> None:
        self._events = events
        self._changed = Condition()
        self._stages: dict[_Place, _Stage] = {}

    def emit(self, event: Event) -> None:
        """Pass an event on, now or when what was held before it in its stage is told."""
        step = getattr(event, "step", None)
        if isinstance(step, StepRef):
            with self._changed:
                stage = self._stages.get((step.platform, step.stage))
                if stage is not None:
                    stage.waits.append(event)
                    stage.bytes += len(getattr(event, "data", b""))
                    self._changed.wait_for(lambda: stage.bytes < _MOST or not stage.waits)
                    return
        self._events.emit(event)

    def hold(self, step: StepRef) -> None:
        """Keep back what happens in the step's stage from now on, until `tell` is called for the step."""
        with self._changed:
            self._stages.setdefault((step.platform, step.stage), _Stage()).waits.append(None)

    def cancel(self, step: StepRef) -> None:
        """Take the last `hold` of the step's stage back, before anything else happened in it."""
        with self._changed:
            stage = self._stages[step.platform, step.stage]
            assert stage.waits.pop() is None
            if not stage.waits:
                del self._stages[step.platform, step.stage]
            self._changed.notify_all()

    def tell(self, event: StepFinished | StepFailed) -> None:
        """Tell how a step ended, and what was kept back for it; in the order of the calls of `hold`."""
        place = event.step.platform, event.step.stage
        with self._changed:
            stage = self._stages[place]
            assert stage.waits.popleft() is None
            self._events.emit(event)
            while stage.waits and (waiting := stage.waits[0]) is not None:
                stage.waits.popleft()
                stage.bytes -= len(getattr(waiting, "data", b""))
                self._events.emit(waiting)
            if not stage.waits:
                del self._stages[place]
            self._changed.notify_all()

    def settle(self, stage: int, platform: str) -> None:
        """Wait until everything that happened in a stage is told."""
        with self._changed:
            self._changed.wait_for(lambda: (platform, stage) not in self._stages)
