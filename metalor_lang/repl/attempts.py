"""One statement tried: an entry of the recipe, or the result that says why there is none.

Invariant: where one stands is not changed here; what goes wrong in a statement is a result, and no exception.
"""

from collections.abc import Sequence

from metalor_lang.build.failures import BuildFailed, Interrupted, Refused
from metalor_lang.build.lookup import Chain
from metalor_lang.errors import MetalorError
from metalor_lang.hints import Final
from metalor_lang.plan.graph import Step
from metalor_lang.record import replace
from metalor_lang.repl.carry import Ahead, Carrier
from metalor_lang.repl.faults import Stumble, Typed, mistake, placed
from metalor_lang.repl.ground import Ground
from metalor_lang.repl.outcome import Entry, Failure, Interruption, Refusal, Result
from metalor_lang.repl.planning import joined
from metalor_lang.repl.timeline import Cell, Line, Queue, Version, Waiting, cells, entries, length, waiting

_LOOK: Final = "nothing of it is kept; `:shell --failed` looks at what it left behind"


class Attempts:
    """Tries statements on versions.

    Args:
        carrier: carries them out.

    Attributes:
        stumble: the last statement that failed while it ran; None when one succeeded since.

    """

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._kept: list[Chain] = []
        self.stumble: Stumble | None = None

    def keep(self, step: Step, chain: Chain) -> None:
        """Take the files as a command left them that failed."""
        self._kept.append(chain)

    def stop(self) -> bool:
        """End the step that runs; the second call kills it. False when none runs."""
        return self._carrier.stop()

    def ahead(self, version: Version[Ground], texts: Sequence[str], behind: Queue) -> Ahead:
        """Plans of a version's recipe with the statements of some texts after it; what waits behind those is left."""
        before = entries(version.line)
        return Ahead(
            [entry.text for entry in before],
            texts,
            args=version.args,
            ground=version.place,
            known=[answer for entry in before for answer in entry.answers],
            waits=frozenset(item.serial for item in waiting(behind)),
        )

    def carried(self, ahead: Ahead, index: int, before: Line, item: Cell, ground: Ground, *, last: bool) -> None:
        """Note that a statement was carried out; the first two arguments as of `carry`, the others as `Carrier`'s."""
        self._carrier.carried(ahead.upto(index), before, item, ground, last=last)

    def carry(
        self, ahead: Ahead, index: int, version: Version[Ground], item: Waiting, typed: Typed | None, *, anew: bool
    ) -> Entry | Result:
        """Carry a statement out on a version.

        Args:
            ahead: plans that hold it.
            index: of it among those that were to come in these.
            version: what it is carried out on.
            item: the statement.
            typed: where it stands in what was typed; None when it was not typed just now.
            anew: take nothing from the store.

        """
        start = sum(len(each.entry.text) + 1 for each in cells(version.line))
        self._kept.clear()
        try:
            planned = ahead.upto(index)
            return self._carrier.carry(
                planned,
                length(version.line),
                version.line,
                version.place,
                serial=item.serial,
                text=item.text,
                waits=ahead.waits,
                anew=anew,
            )
        except Refused as error:
            found, source = placed(error.diagnostics, error.source, start, typed)
            return Refusal(diagnostics=found, source=source)
        except BuildFailed as error:
            self.stumble = Stumble(text=item.text, line=version.line, chain=self._kept[-1] if self._kept else None)
            whole = joined([*(each.entry.text for each in cells(version.line)), item.text], str(version.place.path))[0]
            diagnostic = replace(error.diagnostic, help=_LOOK) if self._kept else error.diagnostic
            found, source = placed((diagnostic,), whole, start, typed)
            return Failure(
                diagnostic=found[0],
                source=source,
                reason=error.reason,
                status=error.command_status,
                tail=error.tail,
                log=error.log,
                exit=error.exit,
            )
        except (Interrupted, KeyboardInterrupt):
            return Interruption(statement=item.text)
        except (MetalorError, OSError) as error:
            return mistake(error)
