"""Tell what happens in a stage in its order, although a step runs while the one before it is still being synced.

Invariant: a listener hears StepFinished only when the step's result outlives a power cut, and of one stage it hears
everything in the order in which it happened; what happens to a step that runs beside the others, in an order of its
own.
"""

from collections import deque

from metalor_lang.build.events import Event, EventSink, StepFailed, StepFinished, StepRef
from metalor_lang.guards import Condition
from metalor_lang.hints import Final

_MOST: Final = 1 << 20
"""Bytes of output that may wait for a sync; a step that writes more waits as well."""

_Place = tuple[str, int, int]
"""Title and index of a stage, which may be built for several platforms and is called differently then; the number of a
step that is told beside it, else 0.
"""


class _Line:
    """What waits to be told, in order: None stands for a step whose end is not on the disk yet, a place for a step that
    is told beside the others from there on.
    """

    def __init__(self) -> None:
        self.waits: deque[Event | _Place | None] = deque()
        self.bytes = 0


class Telling:
    """An event sink that passes on to another one what may be told already; safe to use from any number of threads.

    Args:
        events: who listens.

    """

    def __init__(self, events: EventSink) -> None:
        self._events = events
        self._changed = Condition()
        self._lines: dict[_Place, _Line] = {}
        self._parted: set[_Place] = set()

    def emit(self, event: Event) -> None:
        """Pass an event on, now or when what was held before it in its stage is told."""
        step = getattr(event, "step", None)
        if isinstance(step, StepRef):
            with self._changed:
                line = self._lines.get(self._place(step))
                if line is not None:
                    line.waits.append(event)
                    line.bytes += len(getattr(event, "data", b""))
                    self._changed.wait_for(lambda: line.bytes < _MOST or not line.waits)
                    return
        self._events.emit(event)

    def part(self, step: StepRef) -> None:
        """Tell what will happen to a step in its own order, beside what follows in its stage.

        Nothing of it is told before what happened in the stage until now.
        """
        own, stage = (step.title, step.stage, step.number), (step.title, step.stage, 0)
        with self._changed:
            self._parted.add(own)
            if stage in self._lines:
                self._lines[stage].waits.append(own)
                self._lines[own] = _Line()
                self._lines[own].waits.append(None)

    def hold(self, step: StepRef) -> None:
        """Keep back what happens in the step's stage from now on, until `tell` is called for the step."""
        with self._changed:
            self._lines.setdefault(self._place(step), _Line()).waits.append(None)

    def cancel(self, step: StepRef) -> None:
        """Take the last `hold` of the step's stage back, before anything else happened in it."""
        with self._changed:
            line = self._lines[self._place(step)]
            assert line.waits.pop() is None
            if not line.waits:
                del self._lines[self._place(step)]
            self._changed.notify_all()

    def tell(self, event: StepFinished | StepFailed) -> None:
        """Tell how a step ended, and what was kept back for it; in the order of the calls of `hold`."""
        with self._changed:
            place = self._place(event.step)
            assert self._lines[place].waits.popleft() is None
            self._events.emit(event)
            self._go_on(place)
            self._changed.notify_all()

    def settle(self, stage: int, title: str, step: int = 0) -> None:
        """Wait until everything that happened in a stage is told, or to a step that is told beside it."""
        with self._changed:
            self._changed.wait_for(lambda: (title, stage, step) not in self._lines)

    def _place(self, step: StepRef) -> _Place:
        own = step.title, step.stage, step.number
        return own if own in self._parted else (step.title, step.stage, 0)

    def _go_on(self, place: _Place) -> None:
        """Tell what waits, up to the next step whose end is not on the disk."""
        line = self._lines[place]
        while line.waits and (waiting := line.waits[0]) is not None:
            line.waits.popleft()
            if isinstance(waiting, tuple):
                assert self._lines[waiting].waits.popleft() is None
                self._go_on(waiting)
            else:
                line.bytes -= len(getattr(waiting, "data", b""))
                self._events.emit(waiting)
        if not line.waits:
            del self._lines[place]
