"""Run the corpus through all extractors inside the private world; one JSON line for each set on standard output.

Usage: python -m tests.adversarial.extract PLACE EVERY, as root. PLACE is an empty directory; ours runs on every set,
the others on each EVERY-th one, and on the bombs only when EVERY is 1 (they take seconds each).
"""

import json
import os
import resource
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from metalor_lang.errors import MetalorError
from metalor_lang.kernel.paths import Root
from metalor_lang.oci.layout import Layout
from metalor_lang.oci.unpack import unpack, unpack_by_umoci
from tests.adversarial import world
from tests.adversarial.corpus.all import CORPUS
from tests.adversarial.corpus.model import LayerSet
from tests.adversarial.layouts import build, layer_blobs
from tests.adversarial.trees import differences

OURS: Final = ("ours", "umoci")
OTHERS: Final = ("fully_trusted", "tar", "data", "GNU tar")
SECONDS: Final = 2.0
MEMORY: Final = 64 << 20
DATA: Final = 128 << 30
_LIMIT: Final = 6.0
_PATIENCE: Final = 60.0
"""For our own, whose processor time is asserted: the machine may be busy."""
_FULL: Final = ("No space left", "File too large", "Cannot allocate memory")


def ours(one: LayerSet, layout: Path) -> None:
    opened = Layout.open(layout)
    selection = opened.select("latest")
    with Root.at(world.DEST) as root:
        unpack(opened, selection.manifest, selection.config.diff_ids, root.fd, budgets=one.budgets)


def umoci(one: LayerSet, layout: Path) -> None:
    opened = Layout.open(layout)
    selection = opened.select("latest")
    unpack_by_umoci(opened, selection.descriptor, Path("/tmp/umoci"), Path(world.DEST), budgets=one.budgets)


def python_tarfile(name: str) -> Callable[[LayerSet, Path], None]:
    def extract(_: LayerSet, layout: Path) -> None:
        for blob in layer_blobs(layout):
            with tarfile.open(blob, "r:*") as tar:
                tar.extractall(world.DEST, filter=name)  # type: ignore[arg-type]

    return extract


def gnu_tar(_: LayerSet, layout: Path) -> None:
    for blob in layer_blobs(layout):
        options = ["-x", "-p", "--numeric-owner", "--xattrs", "--xattrs-include=*", "-C", world.DEST, "-f", str(blob)]
        done = subprocess.run(
            ["tar", *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        if done.returncode:
            raise MetalorError(done.stderr.decode("utf-8", "replace")[-2000:])


EXTRACTORS: Final[dict[str, Callable[[LayerSet, Path], None]]] = {
    "ours": ours, "umoci": umoci, **{name: python_tarfile(name) for name in OTHERS[:3]}, "GNU tar": gnu_tar,
}  # fmt: skip


def attempt(name: str, one: LayerSet, layout: Path) -> dict[str, Any]:
    """One extractor on one set: what it said, what it cost, what it did to the world."""
    world.fresh_destination()
    world.remove("/tmp/umoci")
    before = world.watch()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    read, write = os.pipe()
    began = time.monotonic()
    pid = os.fork()
    if not pid:
        os.setpgid(0, 0)
        os.close(read)
        _child(name, one, layout, write)
    os.close(write)
    late = False
    while True:
        ended, _, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            break
        if time.monotonic() - began > (_PATIENCE if name in OURS else _LIMIT):
            late = True
            os.killpg(pid, signal.SIGKILL)
        time.sleep(0.001)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read()
    result: dict[str, Any] = json.loads(said) if said else {"verdict": "late" if late else "crashed", "message": ""}
    result["seconds"] = round(usage.ru_utime + usage.ru_stime, 3)
    result["memory"] = max(0, usage.ru_maxrss * 1024 - resident)
    after = world.watch()
    if after != before:
        result["touched"] = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
        world.plant()
    leaked, size = world.survey()
    if leaked and "touched" not in result:
        result["leaked"] = True
    if name in OURS:
        if result["verdict"] == "accepted" and one.tree is not None:
            with Root.at(world.DEST) as root:
                result["wrong"] = differences(root.fd, one.tree)
    else:
        # Only the others can be late: ours are asserted on the numbers themselves.
        result["over"] = (
            late or result["seconds"] > SECONDS or result["memory"] > MEMORY
            or any(text in result["message"] for text in _FULL) or size > DATA
        )  # fmt: skip
    return result


def _child(name: str, one: LayerSet, layout: Path, write: int) -> None:
    sink = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(sink, fd)
    if name not in OURS:
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    try:
        EXTRACTORS[name](one, layout)
        result = {"verdict": "accepted", "message": ""}
    except MetalorError as error:
        result = {"verdict": "refused", "message": error.message}
    except Exception as error:
        result = {"verdict": "crashed" if name in OURS else "refused", "message": f"{type(error).__name__}: {error}"}
    os.write(write, json.dumps(result).encode("ascii")[:60_000])
    os._exit(0)


def main(place: str, every: str) -> None:
    """Enter the world and try everything."""
    layouts = Path("/w/layouts")
    world.enter(place, (str(Path(__file__).resolve().parents[2]),))
    for number, one in enumerate(CORPUS):
        world.fresh_destination()
        layout = layouts / str(number)
        build(one, layout)
        row: dict[str, Any] = {"kind": one.kind, "name": one.name}
        for name in EXTRACTORS:
            if name != "ours" and number % int(every):
                continue
            if name not in OURS and (one.tamper is not None or (one.kind == "bomb" and every != "1")):
                continue
            row[name] = attempt(name, one, layout)
        print(json.dumps(row), flush=True)
        world.remove(str(layout))


if __name__ == "__main__":
    main(*sys.argv[1:])
