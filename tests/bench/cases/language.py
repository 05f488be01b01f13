"""The front end: reading and checking, and planning something large."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

from tests.bench import front
from tests.bench.rows import Bar, Row
from tests.bench.timing import median
from tests.bench.workload import Bench

COUNTS: Final = (25_000, 100_000)

_READ: Final = r"""
import gc, json, sys, time
from pathlib import Path
from metalor_lang.cli.main import GARBAGE
from metalor_lang.source import SourceFile
from metalor_lang.syntax.parser import parse
from metalor_lang.checker.checker import check
from tests.support.recipes import FakeContexts, FakeInputs
gc.set_threshold(*GARBAGE)  # as the command does
source = SourceFile("bench.metalor", Path(sys.argv[1]).read_text())
recipe, wrong = parse(SourceFile("warm.metalor", "FROM scratch\nRUN [\"a\"]\n"))
check(recipe, contexts=FakeContexts())
start = time.perf_counter()
recipe, wrong = parse(source)
parsed = time.perf_counter()
program, more = check(recipe, contexts=FakeContexts())
done = time.perf_counter()
assert program is not None and not wrong and not more, (wrong[:1], more[:1])
print(json.dumps({"parse": parsed - start, "check": done - parsed}))
"""


def _python(program: str, *words: str) -> Any:
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def front_end(bench: Bench) -> Iterator[Row]:
    """Parse and check, by statement; linear in time and memory."""
    each: dict[int, tuple[float, float]] = {}
    for count in COUNTS:
        path = bench.disk / f"{count}.metalor"
        path.write_text(front.recipe_of(count))
        rows = sorted((_python(_READ, str(path)) for _ in range(3)), key=lambda row: float(row["parse"] + row["check"]))
        # As Python counts it: the process's peak also holds what starting had used and given back.
        each[count] = ((rows[1]["parse"] + rows[1]["check"]) / count, front.parse_and_check_bytes(count) / count)
    small, large = (each[count] for count in COUNTS)
    others = front.others_seconds(COUNTS[1])
    told = ", ".join(
        f"{name} {'absent' if taken is None else f'{taken / COUNTS[1] * 1e6:.1f} µs'}" for name, taken in others.items()
    )
    yield Row(
        case=f"parse + check, a statement of {COUNTS[1]:,}",
        ours=large[0],
        floor=small[0],
        floor_name=f"a statement of {COUNTS[0]:,}; beside it: {told}",
        bars=(
            Bar(text="≤ 30 µs", measured=large[0] * 1e6, limit=30),
            Bar(text="linear time", measured=large[0] / small[0], limit=1.25),
            Bar(text="linear memory", measured=large[1] / small[1], limit=1.25),
        ),
    )


def plans(bench: Bench) -> Iterator[Row]:
    """10,000 steps in 1,000 stages."""
    taken = median(front.plan_seconds, 3)
    yield Row(
        case="check and plan 10,000 steps in 1,000 stages",
        ours=taken,
        bars=(Bar(text="≤ 1.5 s", measured=taken, limit=1.5),),
    )
