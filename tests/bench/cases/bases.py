"""FROM: unpacking an image, and finding it unpacked."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.bench.rows import Bar, Row, faster
from tests.bench.timing import beside, median, settled, timed
from tests.bench.workload import Bench


def cold(bench: Bench) -> Iterator[Row]:
    """Debian from an OCI layout into an empty store."""
    layout = bench.bases / "debian"
    blob = max((layout / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    recipe = bench.recipe("from.metalor", "", "debian")

    def tar() -> float:
        folder = bench.fresh("tar")
        command = f"gzip -dc {blob} | tar x -C {folder}"
        return median(timed(lambda: subprocess.run(command, shell=True, check=True)), 1)

    def ours() -> float:
        taken = bench.build(recipe, store=bench.fresh("cold-store"))
        shutil.rmtree(bench.disk / "cold-store")
        return taken

    found = beside(ours, tar, 3)
    peers: dict[str, float | None] = {"umoci": None}
    for name, peer in bench.peers.items():
        peers[name] = None
        if peer is not None:
            peer.reset("debian:12")
            peers[name] = settled(lambda peer=peer: peer.load(layout, "debian:12"))  # type: ignore[misc]
    if shutil.which("umoci"):
        peers["umoci"] = _umoci(layout, bench.disk / "umoci")
    shutil.rmtree(bench.disk / "tar")
    slower = tuple(
        Bar(text="≥ 2.5 × faster than umoci", measured=taken / found.ours, limit=2.5, at_least=True)
        for taken in (peers["umoci"],)
        if taken
    )
    yield Row(
        case="cold FROM of Debian (170 MB, 8,700 entries)",
        ours=found.ours,
        floor=found.floor,
        floor_name="gzip -dc | tar x",
        peers=peers,
        steady=found.steady,
        bars=(
            Bar(text="≤ 0.9 × floor", measured=found.ours / found.floor, limit=0.9),
            *faster(found.ours, peers, "BuildKit", "Buildah"),
            *slower,
        ),
    )


def _umoci(layout: Path, target: Path) -> float:
    command = ["umoci", "unpack", "--rootless", "--keep-dirlinks", "--image", f"{layout}:12", str(target)]
    taken = settled(timed(lambda: subprocess.run(command, check=True, capture_output=True)))
    shutil.rmtree(target)
    return taken
