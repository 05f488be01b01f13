"""The builders that people use today, each with its own daemon, sockets and folders, stopped and removed afterwards."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

from tests.bench.timing import seconds
from tests.support import apt, peers

_CGROUPS: Final = Path("/sys/fs/cgroup")


class Peer(Protocol):
    """A builder of Dockerfiles. All times in seconds, of whole client processes."""

    name: str

    def load(self, layout: Path, image: str) -> float:
        """Take an image out of an OCI layout with tag 12, under this name."""
        ...

    def build(self, context: Path, *, cached: bool = True) -> float:
        """Build the Dockerfile of a folder."""
        ...

    def reset(self, image: str) -> None:
        """Forget an image and what was built."""
        ...


class BuildKit:
    """docker build with BuildKit, by a dockerd in a network and process namespace of its own."""

    name = "BuildKit"

    def __init__(self, folder: Path, tools: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self._socket = f"unix://{folder / 'socket'}"
        path = f"{tools / 'usr/sbin'}:{tools / 'usr/bin'}:{os.environ['PATH']}"
        self._env = {
            "PATH": path, "HOME": str(folder), "DOCKER_BUILDKIT": "1", "DOCKER_HOST": self._socket,
            "DOCKER_CONFIG": str(folder / "config"),
        }  # fmt: skip
        self._before = _groups()
        daemon = [
            "dockerd", f"--data-root={folder / 'data'}", f"--exec-root={folder / 'exec'}",
            f"--pidfile={folder / 'pid'}", f"--host={self._socket}", "--bridge=none", "--iptables=false",
            "--ip6tables=false", "--ip-forward=false", "--ip-masq=false",
        ]  # fmt: skip
        # With its pid namespace everything that it started ends too.
        alone = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        script = 'mount -t tmpfs tmpfs /run && exec "$@"'
        with (folder / "log").open("wb") as log:
            self._daemon = subprocess.Popen(
                [*alone, "sh", "-c", script, "sh", *daemon], env=self._env, stdout=log, stderr=log
            )
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    def _wait(self) -> None:
        for _ in range(200):
            if subprocess.run(["docker", "version"], env=self._env, capture_output=True, check=False).returncode == 0:
                return
            if self._daemon.poll() is not None:
                break
            time.sleep(0.1)
        raise apt.BaseUnavailable(f"dockerd did not start: {(self._folder / 'log').read_text()[-400:]}")

    def load(self, layout: Path, image: str) -> float:
        archive = self._folder / "archive.tar"
        copy = ["skopeo", "--insecure-policy", "copy", "-q", f"oci:{layout}:12", f"docker-archive:{archive}:{image}"]
        subprocess.run(copy, check=True)
        took = seconds(lambda: self._run("docker", "load", "-q", "-i", str(archive)))
        archive.unlink()
        return took

    def build(self, context: Path, *, cached: bool = True) -> float:
        more = () if cached else ("--no-cache",)
        return seconds(lambda: self._run("docker", "build", "-q", "--network=none", *more, str(context)))

    def reset(self, image: str) -> None:
        self._run("docker", "builder", "prune", "--all", "--force")
        self._run("docker", "image", "rm", "--force", image)

    def _run(self, *argv: str) -> None:
        subprocess.run(argv, env=self._env, check=True, capture_output=True)

    def close(self) -> None:
        self._daemon.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._daemon.wait(10)
        self._daemon.kill()
        self._daemon.wait()
        for group in sorted(_groups() - self._before, key=lambda path: -len(path.parts)):
            with suppress(OSError):
                group.rmdir()
        shutil.rmtree(self._folder, ignore_errors=True)


class Buildah:
    """buildah bud, with layers and chroot isolation: what needs no daemon and no runtime either."""

    name = "Buildah"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self._command = (
            "buildah", f"--root={folder / 'root'}", f"--runroot={folder / 'run'}", "--storage-driver=overlay",
        )  # fmt: skip

    def load(self, layout: Path, image: str) -> float:
        # It makes a name out of the path, which not every path can be.
        shutil.copytree(layout, self._folder / "layout", dirs_exist_ok=True)

        def pull() -> None:
            found = self._run("pull", "-q", "oci:layout:12").strip()
            self._run("tag", found, image)

        taken = seconds(pull)
        shutil.rmtree(self._folder / "layout")
        return taken

    def build(self, context: Path, *, cached: bool = True) -> float:
        more = () if cached else ("--no-cache",)
        return seconds(lambda: self._run("bud", "-q", "--layers", "--isolation=chroot", *more, str(context)))

    def reset(self, image: str) -> None:
        self._run("rmi", "--all", "--force")

    def _run(self, *argv: str) -> str:
        done = subprocess.run([*self._command, *argv], cwd=self._folder, check=True, capture_output=True, text=True)
        return done.stdout

    def close(self) -> None:
        with suppress(subprocess.CalledProcessError):
            self._run("rmi", "--all", "--force")
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def started(folder: Path, *, wanted: bool = True) -> Iterator[Mapping[str, Peer | None]]:
    """The peers of this machine, by name; None for one that is not here.

    Args:
        folder: where they keep everything.
        wanted: False starts none.

    """
    found: dict[str, Peer | None] = {"BuildKit": None, "Buildah": None}
    try:
        if wanted:
            with suppress(apt.BaseUnavailable):
                found["BuildKit"] = BuildKit(folder / "buildkit", peers.folder())
            if shutil.which("buildah"):
                found["Buildah"] = Buildah(folder / "buildah")
        yield found
    finally:
        for peer in found.values():
            if isinstance(peer, (BuildKit, Buildah)):
                peer.close()


def _groups() -> set[Path]:
    if not _CGROUPS.is_dir():
        return set()
    return {path for path in _CGROUPS.rglob("*docker*") if path.is_dir()} | {
        path for path in _CGROUPS.rglob("buildkit") if path.is_dir()
    }
