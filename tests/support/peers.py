"""Debian's dockerd with BuildKit, unpacked into a folder of our own.

    python -m tests.support.peers          unpacks it when missing and prints the folder

Invariant: the packages are never installed: that would start a daemon, make a group and write firewall rules.
"""

import subprocess
import sys
from pathlib import Path

from tests.support import apt, cache

PACKAGES = ("docker.io", "containerd", "runc", "tini")


def folder() -> Path:
    """A tree with usr/bin and usr/sbin.

    Raises:
        BaseUnavailable: the mirror is missing.

    """
    return cache.made("docker", _unpacked)


def _unpacked(work: Path) -> Path:
    own = apt.Apt(work / "apt", apt.run("dpkg", "--print-architecture").strip())
    tree = work / "tree"
    for package in PACKAGES:
        subprocess.run(["dpkg-deb", "--extract", str(own.download(package)), str(tree)], check=True)
    return tree


if __name__ == "__main__":
    try:
        print(folder())
    except apt.BaseUnavailable as why:
        sys.exit(f"peers: {why}")
