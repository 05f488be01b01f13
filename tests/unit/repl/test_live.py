"""What the prompt shows of a step that runs."""

import io

from metalor_lang.build import events as ev
from metalor_lang.repl.live import Output

STEP = ev.StepRef(
    stage=0, title="web", number=1, total=1, kind="sh", text="SH sleep 9", line=7, key="sha256:" + "0" * 64
)


class Showing(Output):
    """Keeps what lives, as it is drawn."""

    def lines(self):
        with self.lock:
            return [line.strip() for line in self._live(60)]


def showing():
    return Showing(io.StringIO())


def test_a_running_step_has_no_number_that_is_not_the_prompts(monkeypatch):
    output = showing()
    try:
        output.emit(ev.StepStarted(step=STEP))
        assert "SH sleep 9  0.0s" in output.lines()[0] and "1/1" not in output.lines()[0]
    finally:
        output.close()


def test_a_reason_is_shown_unless_it_is_no_news():
    output = showing()
    try:
        output.emit(ev.StepStarted(step=STEP, why=ev.Why(code="never-built", words="never built")))
        assert len(output.lines()) == 1
        output.emit(ev.StepStarted(step=STEP, why=ev.Why(code="argument", words="argument V 1 → 2")))
        assert output.lines()[1] == "argument V 1 → 2"
    finally:
        output.close()


def test_a_step_that_was_asked_to_end_says_what_kills_it():
    output = showing()
    try:
        output.emit(ev.StepStarted(step=STEP))
        with output.lock:  # a signal handler runs in the middle of anything
            output.ending()
        assert output.lines()[-1] == "asked to end; Ctrl-C once more kills it"
        output.emit(ev.StepStopped(step=STEP, duration_ms=10))
        output.emit(ev.StepStarted(step=STEP))
        assert len(output.lines()) == 1
    finally:
        output.close()
