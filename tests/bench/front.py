"""Measures of the front end: plain functions that give seconds or bytes; whoever calls them prints.

Each runs in this process unless it says otherwise; call those that compare sizes in a fresh one.
"""

import importlib.util
import io
import random
import time
import tracemalloc
from collections.abc import Callable, Mapping

from metalor_lang.checker.checker import check
from metalor_lang.checker.live import LiveRecipe
from metalor_lang.plan.evaluator import evaluate
from metalor_lang.source import SourceFile
from metalor_lang.syntax.automaton import machine
from metalor_lang.syntax.lines import slices
from metalor_lang.syntax.parser import parse
from tests.support.recipes import FakeContexts, FakeInputs


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


# --- reading --------------------------------------------------------------------------------------------------------


def _warm() -> None:
    recipe, _ = parse(SourceFile("warm.metalor", recipe_of(500)))
    check(recipe, contexts=FakeContexts())


def parse_seconds(count: int) -> float:
    """Parse a recipe of so many statements, warm."""
    _warm()
    source = SourceFile("bench.metalor", recipe_of(count))
    start = time.perf_counter()
    recipe, wrong = parse(source)
    taken = time.perf_counter() - start
    assert len(recipe.statements) == count and not wrong
    return taken


def check_seconds(count: int) -> float:
    """Check a parsed recipe of so many statements, warm."""
    _warm()
    recipe, _ = parse(SourceFile("bench.metalor", recipe_of(count)))
    start = time.perf_counter()
    program, wrong = check(recipe, contexts=FakeContexts())
    taken = time.perf_counter() - start
    assert program is not None and not wrong
    return taken


def parse_and_check_bytes(count: int) -> int:
    """The most memory that parsing and checking so many statements held at once, as Python counts it."""
    _warm()
    source = SourceFile("bench.metalor", recipe_of(count))
    tracemalloc.start()
    try:
        recipe, _ = parse(source)
        check(recipe, contexts=FakeContexts())
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def token_seconds(count: int) -> float:
    """Tokens alone, by the automaton."""
    _warm()
    text = recipe_of(count)
    starts = [cut.start for cut in slices(SourceFile("bench.metalor", text))]
    start = time.perf_counter()
    for at in starts:
        machine.read(text, at)
    return time.perf_counter() - start


def lark_seconds(count: int) -> float:
    """Tokens of the same by Lark, one statement at a time: what the automaton stands in for."""
    from metalor_lang.syntax.grammar import parser, scan_by_lark

    parser()
    text = recipe_of(count)
    cuts = [text[cut.start : cut.end] for cut in slices(SourceFile("bench.metalor", text))]
    start = time.perf_counter()
    for each in cuts:
        scan_by_lark(each)
    return time.perf_counter() - start


def dockerfile_of(count: int) -> str:
    """A Dockerfile of so many instructions, as like `recipe_of` as the other language allows."""
    rows = ["FROM scratch\n"]
    for number in range((count - 1) // 5 + 1):
        rows += (
            f"ENV NAME_{number}=value-{number}\n",
            f'RUN ["/bin/sh", "-c", "echo {number} > /file-{number}"]\n',
            f"RUN echo ${{NAME_{number}}} | tr a-z A-Z\n",
            f'LABEL org.example.part-{number}="a quoted value, ${{NAME_{number}}}"\n',
            f"WORKDIR /srv/part-{number}\n",
        )
    return "".join(rows[:count])


def _dockerfile_parse(text: str) -> None:
    from dockerfile_parse import DockerfileParser  # type: ignore[import-not-found]

    assert DockerfileParser(fileobj=io.BytesIO(text.encode())).structure


def _pygments(text: str) -> None:
    from pygments.lexers.configs import DockerLexer

    for _ in DockerLexer().get_tokens(text):
        pass


_OTHERS: Mapping[str, tuple[str, Callable[[str], None]]] = {
    "dockerfile-parse": ("dockerfile_parse", _dockerfile_parse),
    "Pygments' Docker lexer": ("pygments", _pygments),
}


def others_seconds(count: int) -> dict[str, float | None]:
    """What other readers of such files take for so many instructions; None for those that are not installed."""
    text = dockerfile_of(count)
    found: dict[str, float | None] = {}
    for name, (module, read) in _OTHERS.items():
        if importlib.util.find_spec(module) is None:
            found[name] = None
            continue
        start = time.perf_counter()
        read(text)
        found[name] = time.perf_counter() - start
    return found


# --- editing and planning -------------------------------------------------------------------------------------------


def keystroke_seconds(count: int = 2_000, strokes: int = 200, seed: int = 1, part: float = 1.0) -> list[float]:
    """From a keystroke in a recipe of so many lines to its diagnostics, once for each stroke.

    The strokes are anywhere in the first `part` of it.

    Characters are typed and taken away again, and every third one breaks its statement for a moment.
    """
    draw = random.Random(seed)
    live = LiveRecipe("bench.metalor", recipe_of(count), FakeContexts())
    live.diagnostics()
    live.edit(0, 0, '"')  # the first refused statement loads Lark
    live.diagnostics()
    live.edit(0, 1, "")
    taken = []
    for stroke in range(strokes // 2):
        at = draw.randrange(int(len(live.source.text) * part))
        char = '"' if stroke % 3 == 0 else "x"
        for start, end, text in ((at, at, char), (at, at + 1, "")):
            begin = time.perf_counter()
            live.edit(start, end, text)
            live.diagnostics()
            taken.append(time.perf_counter() - begin)
    return taken


def plan_seconds(stages: int = 1_000, steps: int = 10) -> float:
    """Parse, check and plan a chain of stages with so many steps each."""
    _warm()
    rows = []
    for stage in range(stages):
        rows.append(f"FROM {f's{stage - 1}' if stage else 'scratch'} AS s{stage}\n")
        rows += (f'RUN ["/bin/tool", "{stage}", "{step}"]\n' for step in range(steps))
    start = time.perf_counter()
    recipe, _ = parse(SourceFile("plan.metalor", "".join(rows)))
    program, _ = check(recipe, contexts=FakeContexts())
    assert program is not None
    plan, _ = evaluate(program, FakeInputs())
    taken = time.perf_counter() - start
    assert plan is not None and sum(len(stage.steps) for stage in plan.stages.values()) == stages * steps
    return taken
