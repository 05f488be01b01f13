"""`metalor doctor`: can this machine build, in which way, and what is missing.

Invariant: only prints; what is looked at is the table of `selftest.checks`, and what a step can do is measured there.
"""

import argparse
import json
import sys
from pathlib import Path

from metalor_lang.errors import Exit
from metalor_lang.hints import Final
from metalor_lang.record import asdict
from metalor_lang.screen.text import visible
from metalor_lang.selftest.checks import Examined, Finding, examine
from metalor_lang.selftest.measure import measure
from metalor_lang.store.store import default_path

_INDENT: Final = " " * 10


def run(arguments: argparse.Namespace) -> int:
    """Run every check; 3 when a needed one fails."""
    path = Path(arguments.store) if arguments.store else default_path()
    with Examined(path, arguments.backend) as it:
        if arguments.security:
            return _security(it)
        if arguments.format == "json":
            findings = list(examine(it))
            backend = str(it.world.backend) if it.world is not None else None
            print(
                json.dumps({"ok": _fine(findings), "backend": backend, "checks": [asdict(each) for each in findings]})
            )
        else:
            findings = [_shown(each) for each in examine(it)]
            print("this machine can build" if _fine(findings) else "this machine cannot build yet")
    return Exit.DONE if _fine(findings) else Exit.MACHINE


def _fine(findings: list[Finding]) -> bool:
    return all(each.ok for each in findings if each.needed)


def _shown(each: Finding) -> Finding:
    mark = "ok      " if each.ok else "MISSING " if each.needed else "optional"
    print(_folded(f"{mark}  {each.name}: {visible(each.detail)}"), flush=True)
    if not each.ok:
        for line in each.help.splitlines():
            print(f"{_INDENT}{visible(line)}")  # whole, so that a command in it can be copied
    return each


def _folded(text: str) -> str:
    """For a person: as wide as the terminal. For a program: one finding a line."""
    if not sys.stdout.isatty():
        return text
    from textwrap import fill

    from metalor_lang.cli.options import width

    return fill(text, width(), subsequent_indent=_INDENT, break_on_hyphens=False, drop_whitespace=True)


def _security(it: Examined) -> int:
    runtime, snapshotter = it.machine()
    assert it.world is not None
    measured = measure(runtime, snapshotter, it.world, outside=it.outside, canary=it.path / "VERSION")
    print(json.dumps(measured.json(), indent=2, ensure_ascii=False))
    return Exit.DONE
