"""An editor: what a keystroke costs, in the library and through the language server."""

from collections.abc import Iterator

from tests.bench import front, served
from tests.bench.rows import Bar, Row
from tests.bench.workload import Bench


def keystrokes(bench: Bench) -> Iterator[Row]:
    """From a keystroke anywhere in a recipe of 2,000 statements to all its diagnostics."""
    for case, part in (("a keystroke in 2,000 statements", 1.0), ("the same, among the first twenty", 0.01)):
        taken = sorted(front.keystroke_seconds(2_000, 200, part=part))
        middle = taken[len(taken) // 2]
        yield Row(
            case=case,
            ours=middle,
            floor_name=f"95 of 100 within {taken[len(taken) * 95 // 100] * 1000:.1f} ms",
            bars=(Bar(text="≤ 10 ms", measured=middle * 1000, limit=10),),
        )


def server(bench: Bench) -> Iterator[Row]:
    """From a change written to the language server to the diagnostics of 2,000 statements read from it."""
    taken = sorted(served.keystroke_seconds(bench.disk, 2_000, 200))
    middle = taken[len(taken) // 2]
    yield Row(
        case="a keystroke at the language server",
        ours=middle,
        floor_name=f"95 of 100 within {taken[len(taken) * 95 // 100] * 1000:.1f} ms",
        bars=(Bar(text="≤ 10 ms", measured=middle * 1000, limit=10),),
    )
