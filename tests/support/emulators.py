"""The emulators of Debian's qemu-user-static, unpacked into a folder of our own.

    python -m tests.support.emulators          makes what is missing and prints the folder

Invariant: the package is never installed. Its installation would register rules for the whole machine: its postinst
calls `update-binfmts` where the package binfmt-support is, and its files in /usr/lib/binfmt.d trigger a restart of
systemd-binfmt where systemd runs.
"""

import subprocess
import sys
from pathlib import Path

from metalor_lang.runtime import emulation
from tests.support import apt, cache

NAMES = tuple(emulation.names(each)[0] for each in emulation.ARCHITECTURES)


def folder() -> Path:
    """Where the emulators are: to be put into PATH.

    Raises:
        BaseUnavailable: the mirror is missing.

    """
    return cache.made("emulators", _unpacked)


def _unpacked(work: Path) -> Path:
    here = apt.run("dpkg", "--print-architecture").strip()
    package = apt.Apt(work / "apt", here).download(emulation.PACKAGE)
    new = work / "bin"
    new.mkdir(mode=0o755)
    # Streamed: the package has thirty emulators of twelve megabytes each.
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as plain:
        wanted = [f"./usr/bin/{name}" for name in NAMES]
        subprocess.run(["tar", "-x", "--strip-components=3", "-C", str(new), *wanted], stdin=plain.stdout, check=True)
    return new


def path() -> str:
    """PATH with the emulators in front."""
    import os

    return f"{folder()}:{os.environ.get('PATH', os.defpath)}"


if __name__ == "__main__":
    try:
        print(folder())
    except apt.BaseUnavailable as why:
        sys.exit(f"emulators: {why}")
