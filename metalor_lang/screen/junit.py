"""The results of a build's tests as a JUnit report, which nearly every CI server shows.

Invariant: one suite a stage, one case a TEST. Well-formed whatever a recipe or a test says.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from metalor_lang.build.results import Outcome, Result, Results
from metalor_lang.diagnostics.render.xml import attribute, content
from metalor_lang.hints import Final
from metalor_lang.screen.text import output_line, visible, with_values

_LONGEST: Final = 160
"""Characters of a case's name."""

_SKIPPED: Final = (Outcome.LEFT_OUT, Outcome.ENDED, Outcome.NOT_REACHED)


def render_junit(results: Results, *, recipe: str, path: str) -> str:
    """The document, ended by a newline.

    Args:
        results: what became of the tests.
        recipe: its name.
        path: of its file.

    """
    tests = results.tests
    out = ['<?xml version="1.0" encoding="utf-8"?>']
    name = attribute(f"metalor build {recipe}")
    out.append(f"<testsuites name={name} {_counts(tests)}>")
    for stage, some in groupby(tests, key=lambda test: test.stage):
        out += _suite(stage, tuple(some), results.end, recipe=recipe, path=path)
    out.append("</testsuites>")
    return "\n".join(out) + "\n"


def _suite(stage: str, tests: Sequence[Result], end: str, *, recipe: str, path: str) -> list[str]:
    skipped = sum(test.outcome in _SKIPPED for test in tests)
    out = [f'  <testsuite name={attribute(stage)} {_counts(tests)} skipped="{skipped}">', "    <properties>"]
    for name, value in (("recipe", path), ("platform", tests[0].platform)):
        out.append(f"      <property name={attribute(name)} value={attribute(value)}/>")
    out.append("    </properties>")
    for test, name in zip(tests, _names(tests)):
        head = f"classname={attribute(f'{recipe}.{stage}')} name={attribute(name)} file={attribute(path)}"
        out.append(f'    <testcase {head} line="{test.line}" time="{_seconds(test.duration_ms)}">')
        out += [f"      {line}" for line in _said(test, end)]
        out.append("    </testcase>")
    return [*out, "  </testsuite>"]


def _said(test: Result, end: str) -> list[str]:
    match test.outcome:
        case Outcome.PASSED:
            return []
        case Outcome.CACHED:
            return [
                "<system-out>It passed in an earlier build, and nothing that it depends on has changed.</system-out>"
            ]
        case Outcome.FAILED | Outcome.BROKEN:
            word = "failure" if test.outcome is Outcome.FAILED else "error"
            lines = [output_line(line.encode("utf-8", "surrogateescape")) for line in test.tail]
            whole = [f"the whole output: {visible(test.log)}"] if test.log else []
            body = content("\n".join([*lines, *whole]))
            return [f'<{word} type="E0608" message={attribute(test.reason)}>{body}</{word}>']
        case Outcome.LEFT_OUT:
            return [f"<skipped message={attribute(f'left out: {test.reason}')}/>"]
        case Outcome.ENDED:
            return [f"<skipped message={attribute(_ended('ended with the build while it ran', end))}/>"]
        case _:
            return [f"<skipped message={attribute(_ended('the build ended before it', end))}/>"]


def _ended(what: str, end: str) -> str:
    return f"{what}; {end}" if end else what


def _names(tests: Sequence[Result]) -> list[str]:
    """A name for each that no other has: a server takes cases of one name for one case."""
    names = [_name(test) for test in tests]
    often = Counter(names)
    names = [name if often[name] == 1 else f"{name} (line {test.line})" for name, test in zip(names, tests)]
    often = Counter(names)
    seen: Counter[str] = Counter()
    for at, name in enumerate(names):
        seen[name] += 1
        if often[name] > 1:
            names[at] = f"{name} #{seen[name]}"  # rounds of which it names nothing
    return names


def _name(test: Result) -> str:
    text = " ".join(line.strip() for line in test.text.splitlines())
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return text + with_values(test.values)


def _counts(tests: Sequence[Result]) -> str:
    failures = sum(test.outcome is Outcome.FAILED for test in tests)
    errors = sum(test.outcome is Outcome.BROKEN for test in tests)
    time = _seconds(sum(test.duration_ms for test in tests))
    return f'tests="{len(tests)}" failures="{failures}" errors="{errors}" time="{time}"'


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.3f}"
