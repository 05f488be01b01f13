"""Outputs: layers made and packed, and found made."""

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from metalor_lang.oci.compressors import MEMBER_SIZE, compressor
from metalor_lang.oci.media import Compression
from tests.bench.rows import Bar, Row
from tests.bench.timing import beside, median, seconds, timed
from tests.bench.workload import FILES, Bench, many_files

PACKERS: Final[Mapping[str, str]] = {"gzip": "igzip -1", "zstd": "zstd -q -3"}


def exports(bench: Bench) -> Iterator[Row]:
    """A layer of many small files, and one like a distribution."""
    source = bench.disk / "copy" / "many"
    if not source.exists():
        many_files(source)
    debian = bench.disk / "debian"
    bench.build(bench.recipe("debian.metalor", "", "debian"), "-o", f"rootfs:{debian}")
    whole = "FROM scratch\nCOPY --from=base / /\n"
    cases = (
        (f"{FILES} files (118 MB)", bench.recipe("export-many.metalor", "COPY copy/many/ /many/\n"), source),
        ("Debian (170 MB)", bench.recipe("export-debian.metalor", whole, "debian"), debian),
    )
    for title, recipe, tree in cases:
        for compression, packer in PACKERS.items():
            yield from _export(bench, title, recipe, tree, compression, packer)
    shutil.rmtree(debian)


def _export(bench: Bench, title: str, recipe: str, tree: Path, compression: str, packer: str) -> Iterator[Row]:
    filled, fresh, out = bench.disk / "export-filled", bench.disk / "export-store", bench.disk / "out"
    shutil.rmtree(filled, ignore_errors=True)
    bench.build(recipe, store=filled)
    start = median(lambda: bench.build(recipe, store=filled), 3)
    command = ("-o", f"oci:{out}:1", "--compression", compression)

    def ours() -> float:
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(fresh, ignore_errors=True)
        subprocess.run(["cp", "-a", str(filled), str(fresh)], check=True)
        subprocess.run(["sync", "-f", str(fresh)], check=True)
        return bench.build(recipe, *command, store=fresh) - start

    def pack() -> float:
        shell = f"tar c -C {tree} . | {packer} > {bench.disk / 'packed'}"
        return median(timed(lambda: subprocess.run(shell, shell=True, check=True)), 1)

    found = beside(ours, pack, 3)
    yield Row(
        case=f"export of {title}, {compression}",
        ours=found.ours,
        floor=found.floor,
        floor_name=f"tar | {packer}",
        steady=found.steady,
        bars=(Bar(text="≤ 1.5 × floor", measured=found.ours / found.floor, limit=1.5),),
    )
    bound = _indispensable(tree, Compression(compression))
    yield Row(
        case=f"its indispensable work in C, {compression}",
        ours=bound,
        floor=found.floor,
        floor_name=f"tar | {packer}; ours: processor time of tar, our packer's library, both SHA-256, by processors",
        steady=found.steady,
    )
    if compression == "gzip":
        # `metalor export` writes what was built; the build looks at what COPY reads first, which has a row of its own.
        name = recipe.removesuffix(".metalor")
        again = median(lambda: seconds(lambda: bench.metalor("export", name, f"oci:{out}:1", store=fresh)), 7)
        built = median(lambda: bench.build(recipe, *command, store=fresh), 7)
        yield Row(
            case="exported again, nothing changed",
            ours=again,
            floor_name=f"built and exported again: {built:.3f} s",
            bars=(Bar(text="≤ 0.1 s", measured=again, limit=0.1),),
        )
    for path in (filled, fresh, out):
        shutil.rmtree(path, ignore_errors=True)


def _indispensable(tree: Path, compression: Compression) -> float:
    """What no export of a tree can be faster than on this machine, however it is written.

    Returns:
        seconds: the processor time of reading the tree (by tar), of packing with the libraries whose bytes are the same
        everywhere, and of both digests, divided by the processors.

    """
    with subprocess.Popen(["tar", "c", "-C", str(tree), "."], stdout=subprocess.PIPE) as tar:
        assert tar.stdout is not None
        blocks = list(iter(lambda: tar.stdout.read(MEMBER_SIZE), b""))  # type: ignore[union-attr]
        _, status, used = os.wait4(tar.pid, 0)
        tar.returncode = status
    pack = compressor(compression)
    start = time.process_time()
    packed = [pack.pack(memoryview(block)) for block in blocks] + [pack.end()]
    for pieces in (blocks, packed):
        hasher = hashlib.sha256()
        for piece in pieces:
            hasher.update(piece)
    return (used.ru_utime + used.ru_stime + time.process_time() - start) / len(os.sched_getaffinity(0))
