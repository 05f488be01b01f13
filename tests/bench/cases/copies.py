"""COPY of many files: all, none, one of them changed."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.bench.rows import Bar, Row, faster
from tests.bench.timing import beside, median, seconds, settled, timed
from tests.bench.workload import FILES, Bench, many_files


def _bare(bench: Bench, source: Path) -> float | None:
    """Seconds of the work that no COPY can leave out, done in C; None without a compiler."""
    program, target = bench.disk / "copying", bench.disk / "copied"
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    code = Path(__file__).parents[1] / "copying.c"
    subprocess.run([compiler, "-O2", "-o", str(program), str(code), "-lpthread", "-ldl"], check=True)
    taken = []
    for _ in range(3):
        taken.append(seconds(lambda: subprocess.run([str(program), str(source), str(target)], check=True)))
        shutil.rmtree(target)
    return sorted(taken)[1]


def _durable(bench: Bench, source: Path) -> float:
    """Seconds of `cp -a` with the promise that a step gives: what it wrote is on the disk when it ends."""
    target = bench.disk / "copied"

    def work() -> None:
        subprocess.run(["cp", "-a", str(source), str(target)], check=True)
        subprocess.run(["sync", "-f", str(target)], check=True)

    def once() -> float:
        taken = settled(timed(work))
        shutil.rmtree(target)
        return taken

    return median(once, 5)


def copies(bench: Bench) -> Iterator[Row]:
    """COPY of a context of 20,000 files."""
    context = bench.dockerfile("copy", "FROM busybox:12\nCOPY many/ /many/\n")
    source = context / "many"
    if not source.exists():
        many_files(source)
    recipe = bench.recipe("copy.metalor", "COPY copy/many/ /many/\n")
    start = bench.recipe("start.metalor", "")
    fresh = bench.disk / "copy-store"

    def cp() -> float:
        target = bench.disk / "copied"
        taken = median(timed(lambda: subprocess.run(["cp", "-a", str(source), str(target)], check=True)), 1)
        shutil.rmtree(target)
        return taken

    def cold() -> float:
        shutil.rmtree(fresh, ignore_errors=True)
        bench.build(start, store=fresh)
        return bench.build(recipe, store=fresh)

    def walk() -> float:
        command = ["find", str(source), "-printf", "%s %T@ %C@ %i %m %U %G\n"]
        return median(timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)), 1)

    found = beside(cold, cp, 3)
    bare = _bare(bench, source)
    durable = _durable(bench, source)
    same = beside(lambda: bench.build(recipe, store=fresh), walk, 7)
    changed = []
    for number in range(5):
        (source / "000" / "0.txt").write_text(f"changed {number}")
        changed.append(bench.build(recipe, store=fresh))
    shutil.rmtree(fresh)
    times: dict[str, dict[str, float | None]] = {"cold": {}, "same": {}, "changed": {}}
    for name, peer in bench.peers.items():
        if peer is None:
            for each in times.values():
                each[name] = None
            continue
        peer.load(bench.bases / "busybox", "busybox:12")
        times["cold"][name] = peer.build(context)
        times["same"][name] = median(lambda peer=peer: peer.build(context), 3)  # type: ignore[misc]
        (source / "000" / "0.txt").write_text(f"changed for {name}")
        times["changed"][name] = seconds(lambda peer=peer: peer.build(context))  # type: ignore[misc]
    yield Row(
        case=f"COPY of {FILES} files (118 MB), cold",
        ours=found.ours,
        floor=found.floor,
        floor_name="cp -a",
        peers=times["cold"],
        steady=found.steady,
        bars=(
            Bar(text="≤ 1.3 × floor", measured=found.ours / found.floor, limit=1.3),
            *faster(found.ours, times["cold"], "BuildKit", "Buildah"),
        ),
    )
    yield Row(
        case="the same beside a `cp -a` that is on the disk",
        ours=found.ours,
        floor=durable,
        floor_name=f"cp -a, sync -f: {durable / found.floor:.2f} × cp -a",
        steady=found.steady,
    )
    if bare is not None:
        yield Row(
            case="the same beside C",
            ours=found.ours,
            floor=bare,
            floor_name=f"copy, SHA-256 and sync by two threads in C: {bare / found.floor:.2f} × cp -a",
            steady=found.steady,
        )
    yield Row(
        case="the same, nothing changed",
        ours=same.ours,
        floor=same.floor,
        floor_name="find -printf, a walk with stat",
        peers=times["same"],
        steady=same.steady,
        bars=(
            Bar(text="≤ 4 × floor", measured=same.ours / same.floor, limit=4),
            *faster(same.ours, times["same"], "BuildKit", "Buildah"),
        ),
    )
    one = sorted(changed)[len(changed) // 2]
    yield Row(
        case="the same, one file changed",
        ours=one,
        peers=times["changed"],
        bars=(
            Bar(text="≤ 0.25 s", measured=one, limit=0.25),
            *faster(one, times["changed"], "BuildKit", "Buildah"),
        ),
    )
