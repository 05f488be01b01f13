"""Packages of any architecture from the mirror that this machine's apt uses, without this machine's dpkg knowing.

Invariant: state, lists and cache lie in a folder of our own; no architecture is added to the machine, nothing is
installed, and so no maintainer script runs.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

EPOCH = 1_735_689_600  # 2025-01-01T00:00:00Z
SUITE = "bookworm"


class BaseUnavailable(Exception):
    """A base cannot be made on this machine; the message says what is missing."""


def run(*argv: str, cwd: Path | None = None, input: str | None = None, env: dict[str, str] | None = None) -> str:
    """Standard output of a command.

    Raises:
        BaseUnavailable: it is not installed, or failed.

    """
    everything = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH), "LC_ALL": "C.UTF-8", **(env or {})}
    try:
        done = subprocess.run(argv, cwd=cwd, input=input, env=everything, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BaseUnavailable(f"{argv[0]} is not installed") from None
    if done.returncode != 0:
        raise BaseUnavailable(f"{' '.join(argv)} failed with status {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def sources() -> str:
    """`deb` lines for the suite, its updates and security, on the mirrors that this machine's apt uses.

    A machine of another Debian release gives its main mirror alone.
    """
    form = "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)/$(LABEL)"
    lines, mirrors = set(), set()
    for line in run("apt-get", "indextargets", "--format", form, "Created-By: Packages").splitlines():
        uri, suite, component, *origin = line.split()
        if suite in (SUITE, f"{SUITE}-updates", f"{SUITE}-security") and component == "main":
            lines.add(f"deb {uri} {suite} {component}")
        if origin == ["Debian/Debian"]:
            mirrors.add(f"deb {uri} {SUITE} main")
    if not any(f" {SUITE} " in line for line in lines):
        lines = mirrors
    if not lines:
        raise BaseUnavailable(f"this machine's apt knows no mirror of Debian {SUITE}; run apt-get update")
    return "\n".join(sorted(lines)) + "\n"


class Apt:
    """An apt of its own for one architecture; `source` packages need none."""

    def __init__(self, folder: Path, architecture: str) -> None:
        self._folder = folder.absolute()
        self._architecture = architecture
        for name in ("state/lists/partial", "cache/archives/partial"):
            (self._folder / name).mkdir(parents=True)
        (self._folder / "state" / "status").touch()
        listed = sources()
        (self._folder / "sources.list").write_text(listed + listed.replace("deb ", "deb-src "))
        self._get("update", "-q")

    def download(self, package: str) -> Path:
        """The .deb of a package."""
        into = self._empty(package)
        self._get("download", "-q", package, cwd=into)
        (found,) = into.glob("*.deb")
        return found

    def source(self, package: str) -> Sequence[Path]:
        """The files of a source package, by name."""
        into = self._empty(f"source-{package}")
        self._get("source", "-q", "--download-only", package, cwd=into)
        return sorted(into.iterdir())

    def _empty(self, name: str) -> Path:
        into = self._folder / name
        into.mkdir()
        return into

    def _get(self, *words: str, cwd: Path | None = None) -> None:
        own = {
            "Dir::State": self._folder / "state",
            "Dir::State::status": self._folder / "state" / "status",
            "Dir::Cache": self._folder / "cache",
            "Dir::Etc::sourcelist": self._folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "APT::Architecture": self._architecture,
            "APT::Architectures": self._architecture,
            "APT::Sandbox::User": "root",
            "Acquire::Retries": 3,
        }
        run("apt-get", *(word for key, value in own.items() for word in ("-o", f"{key}={value}")), *words, cwd=cwd)


def unpack(package: Path, *members: str) -> dict[str, bytes]:
    """Bytes of files in a .deb, by their paths as `usr/bin/x`."""
    import io
    import tarfile

    plain = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], capture_output=True, check=True).stdout
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        for member in tar:
            path = member.name.removeprefix("./")
            if path in members:
                stream = tar.extractfile(member)
                assert stream is not None
                found[path] = stream.read()
    if missing := set(members) - found.keys():
        raise BaseUnavailable(f"{package.name} has no {', '.join(sorted(missing))}")
    return found
