"""`metalor selftest`: does what the project promises hold on this machine.

Invariant: only prints; exit status 1 when a line fails, 3 when this machine cannot run steps.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from metalor_lang.errors import Exit
from metalor_lang.record import asdict
from metalor_lang.screen.text import visible
from metalor_lang.selftest.run import Line, selftest
from metalor_lang.store.store import default_path


def run(arguments: argparse.Namespace) -> int:
    """Run every part, showing each line as it comes."""
    path = Path(arguments.store) if arguments.store else default_path()
    began = time.monotonic()
    human = arguments.format != "json"
    lines = []
    for line in selftest(path, arguments.backend, quick=arguments.quick):
        lines.append(line)
        if human:
            print(f"{'ok  ' if line.ok else 'FAIL'}  {line.name}: {visible(line.detail)}", flush=True)
    failed = [line for line in lines if not line.ok]
    if not human:
        print(json.dumps({"ok": not failed, "lines": [asdict(line) for line in lines]}, ensure_ascii=False))
    else:
        _close(lines, failed, time.monotonic() - began)
    return Exit.REFUSED if failed else Exit.DONE


def _close(lines: list[Line], failed: list[Line], seconds: float) -> None:
    if not failed:
        print(f"all {len(lines)} lines hold ({seconds:.0f} s)")
        return
    print(f"{len(failed)} of {len(lines)} lines do not hold ({seconds:.0f} s)")
    print(
        "metalor: please report this to the project, with the output of"
        " `metalor selftest --format json` and `metalor doctor --security`",
        file=sys.stderr,
    )
