"""What a build of a large image holds in memory: of every process of ours together."""

import hashlib
import json
import os
import subprocess
import tarfile
import threading
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.bench.rows import Bar, Row
from tests.bench.workload import METALOR, Bench, environment

GIGABYTES: Final = 2
_PIECE: Final = 1 << 20


def large_layout(folder: Path) -> Path:
    """An OCI layout whose one layer has a file of 1 GB, and 16,000 of 64 kB; a quarter of it does not compress."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    plain = hashlib.sha256()
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    packed = folder / "layer"

    class Sink:
        def __init__(self) -> None:
            self.file = packed.open("wb")

        def write(self, data: bytes) -> int:
            plain.update(data)
            self.file.write(packer.compress(data))
            return len(data)

    sink = Sink()
    noise = os.urandom(_PIECE)
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[arg-type]
        big = tarfile.TarInfo("big")
        big.size = GIGABYTES << 29
        tar.addfile(big, _Stream(big.size, noise))  # type: ignore[arg-type]
        for number in range((GIGABYTES << 29) >> 16):
            small = tarfile.TarInfo(f"many-{number % 100}-{number}")
            small.size = 1 << 16
            tar.addfile(small, _Stream(small.size, noise))  # type: ignore[arg-type]
    sink.file.write(packer.flush())
    sink.file.close()
    with packed.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = packed.stat().st_size
    packed.rename(blobs / digest)

    def put(value: object) -> dict[str, object]:
        data = json.dumps(value).encode()
        name = hashlib.sha256(data).hexdigest()
        (blobs / name).write_bytes(data)
        return {"digest": f"sha256:{name}", "size": len(data)}

    oci = "application/vnd.oci.image"
    config = put(
        {
            "os": "linux",
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine],
            "created": "2025-01-01T00:00:00Z",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{plain.hexdigest()}"]},
        }
    )
    layer = {"mediaType": f"{oci}.layer.v1.tar+gzip", "digest": f"sha256:{digest}", "size": size}
    manifest = put(
        {
            "schemaVersion": 2,
            "mediaType": f"{oci}.manifest.v1+json",
            "config": {"mediaType": f"{oci}.config.v1+json", **config},
            "layers": [layer],
        }
    )
    entry = {"mediaType": f"{oci}.manifest.v1+json", **manifest}
    named = {**entry, "annotations": {"org.opencontainers.image.ref.name": "12"}}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder


class _Stream:
    """A file of so many bytes, a quarter of each piece noise."""

    def __init__(self, size: int, noise: bytes) -> None:
        self._left = size
        self._noise = noise

    def read(self, size: int) -> bytes:
        size = min(size, self._left)
        self._left -= size
        return (self._noise[: size // 4] + bytes(size))[:size]


def memory(bench: Bench) -> Iterator[Row]:
    """Building from and exporting 2 GB."""
    layout = large_layout(bench.disk / "large")
    recipe = bench.disk / "large.metalor"
    recipe.write_text(f"FROM oci:{layout}:12 AS base\nFROM scratch\nCOPY --from=base / /\n")
    peak = peak_memory([METALOR, "build", str(recipe), "-o", f"oci:{bench.disk / 'large-out'}"], bench)
    yield Row(
        case="memory: build from and export 2 GB",
        ours=peak / 1e6,
        unit="MB",
        bars=(Bar(text="≤ 100 MB", measured=peak / 1e6, limit=100),),
    )


def peak_memory(command: Sequence[str], bench: Bench) -> int:
    """The most bytes that a process and all its descendants have at once: shared pages are counted once (PSS)."""
    env = environment(bench.disk / "large-store")
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run:
        peak = 0
        over = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not over.wait(0.05):
                peak = max(peak, sum(_pss(pid) for pid in _family(run.pid)))

        watcher = threading.Thread(target=watch)
        watcher.start()
        assert run.stderr is not None
        said = run.stderr.read()
        run.wait()
        over.set()
        watcher.join()
    if run.returncode:
        raise RuntimeError(said.decode()[-2000:])
    return peak


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from _family(int(child))
    except OSError:
        return


def _pss(pid: int) -> int:
    try:
        for row in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if row.startswith("Pss:"):
                return int(row.split()[1]) * 1024
    except OSError:
        pass
    return 0
