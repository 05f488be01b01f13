"""What the cases share: a disk, a store of one's own, the bases, and `metalor` as a person starts it."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import metalor_lang
from tests.bench.peers import Peer
from tests.bench.timing import seconds
from tests.support import bases

METALOR: Final = str(Path(sys.executable).with_name("metalor"))
FILES: Final = 20_000
FOLDERS: Final = 200
FILE_SIZE: Final = 5_900


def environment(store: Path) -> dict[str, str]:
    """What a person has: a store, and no variable that changes how Python starts."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**own, "METALOR_STORE": str(store)}


def compile_package() -> None:
    """Write the byte code, as pip does when it installs a package."""
    folder = Path(metalor_lang.__file__).parent
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(folder)], env=environment(Path()), check=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Everything that a case needs.

    Args:
        disk: an empty folder on the disk that is measured.
        peers: by name; None for an absent one.

    """

    disk: Path
    peers: Mapping[str, Peer | None]
    bases: Path = field(default_factory=bases.directory)

    @property
    def store(self) -> Path:
        return self.disk / "store"

    def metalor(self, *words: str, store: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run it; a failure shows what it said."""
        done = subprocess.run(
            [METALOR, *words],
            cwd=self.disk,
            env=environment(store or self.store),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"metalor {' '.join(words)}: {done.stderr[-2000:]}")
        return done

    def build(self, recipe: str, *more: str, store: Path | None = None) -> float:
        """Seconds of a whole `metalor build`."""
        return seconds(lambda: self.metalor("build", recipe, *more, store=store))

    def events(self, recipe: str, *more: str) -> Sequence[tuple[float, Mapping[str, Any]]]:
        """The events of a build with the seconds, since the first, at which each was written."""
        env = environment(self.store)
        command = [METALOR, "build", recipe, "--progress=json", *more]
        found: list[tuple[float, bytes]] = []
        with subprocess.Popen(command, cwd=self.disk, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run:
            assert run.stdout is not None
            for row in iter(run.stdout.readline, b""):
                found.append((time.perf_counter(), row))
        if run.returncode:
            raise RuntimeError(f"metalor build {recipe}: {found[-1][1]!r}")
        return [(at - found[0][0], json.loads(row)) for at, row in found if row.startswith(b"{")]

    def recipe(self, name: str, text: str, base: str = "busybox") -> str:
        """Write a recipe on a base; gives its name."""
        (self.disk / name).write_text(f"FROM oci:{self.bases}/{base}:12 AS base\n{text}")
        return name

    def dockerfile(self, name: str, text: str) -> Path:
        """A folder with a Dockerfile."""
        folder = self.disk / name
        folder.mkdir(exist_ok=True)
        (folder / "Dockerfile").write_text(text)
        return folder

    def fresh(self, name: str) -> Path:
        """An empty folder of this name."""
        folder = self.disk / name
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir()
        return folder


def many_files(folder: Path) -> Path:
    """A tree of 20,000 files of different contents, 118 MB."""
    for number in range(FILES):
        into = folder / f"{number % FOLDERS:03}"
        if number < FOLDERS:
            into.mkdir(parents=True)
        # A third of it is noise, the rest repeats: about what sources and packages compress to.
        text = os.urandom(FILE_SIZE // 3)
        (into / f"{number}.txt").write_bytes(
            text + (b"%d line of text\n" % number * FILE_SIZE)[: FILE_SIZE - len(text)]
        )
    return folder
