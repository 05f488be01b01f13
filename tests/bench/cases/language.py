"""The front end: reading and checking, and planning something large."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

from tests.bench.rows import Bar, Row
from tests.bench.timing import median
from tests.bench.workload import Bench

COUNTS: Final = (25_000, 100_000)

_READ: Final = r"""
import json, sys, time
from pathlib import Path
from metalor_lang.source import SourceFile
from metalor_lang.syntax.parser import parse
from metalor_lang.checker.checker import check
from tests.support.recipes import FakeContexts, FakeInputs
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

_OTHERS: Final = {
    "dockerfile-parse": """
import io, sys, time
from dockerfile_parse import DockerfileParser
text = open(sys.argv[1], "rb").read()
start = time.perf_counter()
parser = DockerfileParser(fileobj=io.BytesIO(text)); len(parser.structure)
print(time.perf_counter() - start)
""",
    "Pygments' Docker lexer": """
import sys, time
from pygments.lexers import DockerLexer
text = open(sys.argv[1]).read()
start = time.perf_counter()
for _ in DockerLexer().get_tokens(text): pass
print(time.perf_counter() - start)
""",
}


def recipe_of(count: int) -> str:
    """A recipe of so many statements, of the kinds that recipes have."""
    rows = ["FROM scratch\n"]
    for number in range((count - 1) // 5 + 1):
        rows += (
            f"ENV NAME_{number}=value-{number}\n",
            f'RUN ["/bin/sh", "-c", "echo {number} > /file-{number}"]\n',
            f"SH echo ${{NAME_{number}}} | tr a-z A-Z\n",
            f'LABEL org.example.part-{number}="a quoted value, ${{NAME_{number}}}"\n',
            f"WORKDIR /srv/part-{number}\n",
        )
    return "".join(rows[:count])


def _python(program: str, *words: str) -> Any:
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def front_end(bench: Bench) -> Iterator[Row]:
    """Parse and check, by statement; linear in time and memory."""
    from tests.bench import front  # which takes its recipes from here

    each: dict[int, tuple[float, float]] = {}
    for count in COUNTS:
        path = bench.disk / f"{count}.metalor"
        path.write_text(recipe_of(count))
        rows = sorted((_python(_READ, str(path)) for _ in range(3)), key=lambda row: float(row["parse"] + row["check"]))
        # As Python counts it: the process's peak also holds what starting had used and given back.
        each[count] = ((rows[1]["parse"] + rows[1]["check"]) / count, front.parse_and_check_bytes(count) / count)
    small, large = (each[count] for count in COUNTS)
    docker = bench.disk / "big.Dockerfile"
    docker.write_text(
        "FROM scratch\n" + "".join(f"ENV A{n}=value\nRUN echo {n} > /file-{n}\n" for n in range(COUNTS[1] // 2))
    )
    others = {name: _python(program, str(docker)) for name, program in _OTHERS.items()}
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


_PLAN: Final = r"""
import sys, time
from pathlib import Path
from metalor_lang.source import SourceFile
from metalor_lang.syntax.parser import parse
from metalor_lang.checker.checker import check
from tests.support.recipes import FakeContexts, FakeInputs
from metalor_lang.plan.evaluator import evaluate
source = SourceFile("plan.metalor", Path(sys.argv[1]).read_text())
start = time.perf_counter()
recipe, wrong = parse(source)
program, more = check(recipe, contexts=FakeContexts())
assert program is not None, (wrong[:1], more[:1])
plan, most = evaluate(program, FakeInputs())
assert plan is not None and sum(len(stage.steps) for stage in plan.stages.values()) >= 10_000, most[:1]
print(time.perf_counter() - start)
"""


def plans(bench: Bench) -> Iterator[Row]:
    """10,000 steps in 1,000 stages."""
    rows = []
    for stage in range(1_000):
        rows.append(f"FROM scratch AS s{stage}\n" if stage < 1 else f"FROM s{stage - 1} AS s{stage}\n")
        rows += (f'RUN ["/bin/tool", "{stage}", "{step}"]\n' for step in range(10))
    path = bench.disk / "plan.metalor"
    path.write_text("".join(rows))
    taken = median(lambda: float(_python(_PLAN, str(path)) or "nan"), 3)
    yield Row(
        case="check and plan 10,000 steps in 1,000 stages",
        ours=taken,
        bars=(Bar(text="≤ 1.5 s", measured=taken, limit=1.5),),
    )
