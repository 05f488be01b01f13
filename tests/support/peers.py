"""Debian's dockerd with BuildKit, unpacked into a folder of our own.

    python -m tests.support.peers          unpacks it when missing and prints the folder

Invariant: the packages are never installed: that would start a daemon, make a group and write firewall rules.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support import apt, cache

PACKAGES = ("docker.io", "containerd", "runc", "tini")


def folder() -> Path:
    """A tree with usr/bin and usr/sbin.

    Raises:
        BaseUnavailable: the mirror is missing.

    """
    target = cache.directory() / "docker"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with cache.lock(target.parent / ".docker.lock"):
        if not target.is_dir():
            with tempfile.TemporaryDirectory(prefix=".docker-", dir=target.parent) as work:
                own = apt.Apt(Path(work) / "apt", apt.run("dpkg", "--print-architecture").strip())
                new = Path(work) / "tree"
                for package in PACKAGES:
                    subprocess.run(["dpkg-deb", "--extract", str(own.download(package)), str(new)], check=True)
                new.rename(target)
    return target


if __name__ == "__main__":
    try:
        print(folder())
    except apt.BaseUnavailable as why:
        sys.exit(f"peers: {why}")
