"""A step's output as it comes, at the prompt.

Invariant: what a step writes is shown whole, line by line, with control characters made visible; what it did is said by
the result that follows, so nothing is said twice.
"""

from metalor_lang.build.events import (
    Event,
    Notice,
    StepFailed,
    StepFinished,
    StepOutput,
    StepProgress,
    StepRef,
    StepStarted,
    StepStopped,
)
from metalor_lang.hints import Final
from metalor_lang.screen.live import Live, words_of
from metalor_lang.screen.text import output_line, transfer, visible

_ENDING: Final = "asked to end; Ctrl-C once more kills it"


class Output(Live):
    """An event sink for the prompt: a live line for the running step, its output above."""

    def ending(self) -> None:
        """The running step was asked to end. Called in a signal handler: a word is left for the next frame."""
        self.note = _ENDING

    def emit(self, event: Event) -> None:
        """Take an event in."""
        with self.lock:
            match event:
                case StepStarted(step=step):
                    from metalor_lang.repl.former import UNSAID  # loaded by whoever runs a step

                    known = event.why is None or event.why.code in UNSAID
                    self.start(step, event.why.words if event.why is not None and not known else "")
                case StepOutput(step=step):
                    lines = self.take(step, event.data)
                    if lines:
                        self.redraw([output_line(line) for line in lines])
                case StepProgress(step=step):
                    self.say(step, transfer(event.done, event.total))
                case StepFinished(step=step) | StepFailed(step=step) | StepStopped(step=step):
                    rest = self.end(step)
                    self.redraw([output_line(rest)] if rest else [])
                case Notice():
                    self.redraw([self.paint(2, visible(event.text))])
                case _:
                    pass

    def called(self, step: StepRef) -> str:
        """The statement: its number in its stage is not the prompt's."""
        return words_of(step)

    def still(self) -> None:
        """Nothing runs any more, whatever the events said."""
        with self.lock:
            self.redraw([output_line(rest) for rest in self.end_all()])
