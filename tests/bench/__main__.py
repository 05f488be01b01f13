"""`make bench`: every case beside its floor and the peers of this machine, on a fresh ext4; a table, JSON, a picture.

    python -m tests.bench [--only WORD]… [--no-peers] [--picture FILE]

Times never fail anything: the table says which bars are met.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.bench import ground, peers, picture, rows
from tests.bench.cases import bases, copies, editing, exports, language, memory, scale, steps, talking
from tests.bench.workload import Bench, compile_package

CASES: Final[Mapping[str, Callable[[Bench], Iterator[rows.Row]]]] = {
    "steps": steps.steps,
    "flat": steps.flat,
    "rootless": steps.rootless,
    "large": steps.large,
    "stages": steps.stages,
    "from": bases.cold,
    "copy": copies.copies,
    "export": exports.exports,
    "front": language.front_end,
    "keys": editing.keystrokes,
    "lsp": editing.server,
    "plan": language.plans,
    "scale": scale.stores,
    "repl": talking.talking,
    "memory": memory.memory,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=tuple(CASES), help="this case (may be repeated)")
    parser.add_argument("--no-peers", action="store_true", help="leave the other builders out")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"))
    parser.add_argument("--table", type=Path, default=Path("build/bench.md"))
    parser.add_argument("--picture", type=Path, default=Path("build/bench.svg"))
    wanted = parser.parse_args()
    compile_package()
    found: list[rows.Row] = []
    with ground.fresh_disk() as disk:
        machine = ground.machine(disk)
        print(", ".join(f"{name} {value}" for name, value in machine.items()))
        print(rows.head(), flush=True)
        try:
            with peers.started(disk, wanted=not wanted.no_peers) as others:
                bench = Bench(disk=disk / "work", peers=others)
                bench.disk.mkdir()
                for name in wanted.only or CASES:
                    for row in CASES[name](bench):
                        found.append(row)
                        print(rows.line(row), flush=True)
        finally:  # what was measured counts, also when a later case fails or is interrupted
            missed = sum(not bar.met for row in found for bar in row.bars)
            print(f"{sum(len(row.bars) for row in found) - missed} bars met, {missed} not met")
            for target, text in (
                (wanted.json, rows.document(found, machine)),
                (wanted.table, rows.markdown(found)),
                (wanted.picture, picture.draw(found)),
            ):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text)


if __name__ == "__main__":
    main()
