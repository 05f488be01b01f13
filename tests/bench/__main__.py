"""`make bench`: every case beside its floor, as a ratio in one run on one machine; a table, and the same as JSON.

Times never fail anything: the table says which bars are met.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.support import bases

METALOR = (sys.executable, "-m", "metalor_lang")
STEPS = 50
FILES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One case. Times in seconds; `bar` is what `ours / floor` (or `ours`, without a floor) may be at most."""

    case: str
    ours: float
    floor: float | None
    bar: float

    @property
    def measure(self) -> float:
        return self.ours / self.floor if self.floor else self.ours

    @property
    def met(self) -> bool:
        return self.measure <= self.bar


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median(work: Callable[[], object], times: int) -> float:
    return statistics.median(seconds(work) for _ in range(times))


class Bench:
    """A folder with a store of its own and the commands that the cases share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = dict(os.environ, METALOR_STORE=str(folder / "store"))
        self.bases = bases.directory()

    def build(self, recipe: str, *more: str) -> None:
        command = [*METALOR, "build", recipe, *more]
        subprocess.run(command, cwd=self.folder, env=self.env, check=True, capture_output=True)

    def recipe(self, name: str, text: str, base: str = "busybox") -> str:
        (self.folder / name).write_text(f"FROM oci:{self.bases}/{base}:12 AS base\n{text}")
        return name


def steps(bench: Bench) -> Iterator[Row]:
    root = bench.folder / "root"
    bench.build(bench.recipe("root.metalor", ""), "-o", f"rootfs:{root}")
    command = ["unshare", "--fork", "--pid", "--mount", "--uts", "--ipc", "chroot", str(root), "/bin/true"]
    floor = median(lambda: subprocess.run(command, check=True), STEPS) * STEPS
    body = "".join(f'RUN ["/bin/sh", "-c", "echo {number} > /file-{number}"]\n' for number in range(STEPS))
    recipe = bench.recipe("steps.metalor", body)
    start = median(lambda: bench.build("root.metalor"), 3)
    yield Row(case=f"{STEPS} steps, no cache", ours=seconds(lambda: bench.build(recipe)) - start, floor=floor, bar=3)
    yield Row(case=f"{STEPS} steps, all cached", ours=median(lambda: bench.build(recipe), 5), floor=None, bar=0.10)


def cold_from(bench: Bench) -> Iterator[Row]:
    layout = bench.bases / "debian"
    blobs = sorted((layout / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    target = bench.folder / "tar"
    target.mkdir()
    floor = seconds(lambda: subprocess.run(f"gzip -dc {blobs[-1]} | tar x -C {target}", shell=True, check=True))
    recipe = bench.recipe("from.metalor", "", "debian")
    yield Row(case="cold FROM of Debian", ours=seconds(lambda: bench.build(recipe)), floor=floor, bar=0.9)
    yield Row(
        case="warm FROM of Debian, whole process", ours=median(lambda: bench.build(recipe), 5), floor=None, bar=0.1
    )


def copies(bench: Bench) -> Iterator[Row]:
    source = bench.folder / "many"
    for number in range(FILES):
        folder = source / f"{number % 200:03}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.txt").write_bytes(b"%d\n" % number * 900)
    floor = seconds(lambda: subprocess.run(["cp", "-a", str(source), str(bench.folder / "copied")], check=True))
    walk = median(lambda: subprocess.run(["find", str(source), "-printf", ""], check=True), 5)
    recipe = bench.recipe("copy.metalor", "COPY many/ /many/\n")
    yield Row(case=f"COPY of {FILES} files, cold", ours=seconds(lambda: bench.build(recipe)), floor=floor, bar=1.3)
    yield Row(case="the same, nothing changed", ours=median(lambda: bench.build(recipe), 3), floor=walk, bar=4)
    (source / "000" / "0.txt").write_text("changed")
    yield Row(case="the same, one file changed", ours=seconds(lambda: bench.build(recipe)), floor=None, bar=0.25)


def front_end(bench: Bench) -> Iterator[Row]:
    from metalor_lang.source import SourceFile
    from metalor_lang.syntax.parser import parse

    count = 20_000
    text = "FROM debian:12\n" + "".join(f'ENV A{n}=value-{n}\nRUN ["echo", "{n}"]\n' for n in range(count // 2))
    parse(SourceFile("warm", "FROM scratch\n"))
    took = seconds(lambda: parse(SourceFile("bench", text)))
    yield Row(case=f"parsing, a statement of {count} (s)", ours=took / count, floor=None, bar=30e-6)


def parallel(bench: Bench) -> Iterator[Row]:
    body = "".join(f"FROM base AS s{n}\nSH sleep 1\n" for n in range(4))
    last = "FROM base\n" + "".join(f"COPY --from=s{n} /etc/passwd /p{n}\n" for n in range(4))
    recipe = bench.recipe("parallel.metalor", body + last)
    yield Row(
        case="four stages of sleep 1", ours=seconds(lambda: bench.build(recipe, "--jobs", "4")), floor=1.0, bar=1.15
    )


def main() -> None:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="metalor-bench-") as folder:
        bench = Bench(Path(folder))
        for case in (steps, cold_from, copies, front_end, parallel):
            for row in case(bench):
                rows.append(row)
                floor = f"{row.floor:10.4f}" if row.floor else " " * 10
                verdict = "met" if row.met else "not met"
                print(
                    f"{row.case:42} {row.ours:10.4f} {floor} {row.measure:9.2f} {row.bar:8.2f}  {verdict}", flush=True
                )
    target = Path("build/bench.json")
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps([asdict(row) | {"ratio": row.measure, "met": row.met} for row in rows], indent=2))


if __name__ == "__main__":
    print(f"{'case':42} {'ours s':>10} {'floor s':>10} {'ratio':>9} {'bar':>8}")
    main()
