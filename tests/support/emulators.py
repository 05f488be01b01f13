"""The emulators of Debian's qemu-user-static, unpacked into a folder of our own.

    python -m tests.support.emulators          makes what is missing and prints the folder

Invariant: the package is never installed. Its installation would register rules for the whole machine: its postinst
calls `update-binfmts` where the package binfmt-support is, and its files in /usr/lib/binfmt.d trigger a restart of
systemd-binfmt where systemd runs.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from metalor_lang.runtime import emulation
from tests.support import apt, cache

NAMES = tuple(emulation.names(each)[0] for each in emulation.ARCHITECTURES)


def folder() -> Path:
    """Where the emulators are: to be put into PATH.

    Raises:
        BaseUnavailable: the mirror is missing.

    """
    target = cache.directory() / "emulators"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with cache.lock(target.parent / ".emulators.lock"):
        if not target.is_dir():
            with tempfile.TemporaryDirectory(prefix=".emulators-", dir=target.parent) as work:
                here = apt.run("dpkg", "--print-architecture").strip()
                package = apt.Apt(Path(work) / "apt", here).download(emulation.PACKAGE)
                new = Path(work) / "bin"
                new.mkdir(mode=0o755)
                # Streamed: the package has thirty emulators of twelve megabytes each.
                with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as plain:
                    wanted = [f"./usr/bin/{name}" for name in NAMES]
                    subprocess.run(
                        ["tar", "-x", "--strip-components=3", "-C", str(new), *wanted], stdin=plain.stdout, check=True
                    )
                new.rename(target)
    return target


def path() -> str:
    """PATH with the emulators in front."""
    import os

    return f"{folder()}:{os.environ.get('PATH', os.defpath)}"


if __name__ == "__main__":
    try:
        print(folder())
    except apt.BaseUnavailable as why:
        sys.exit(f"emulators: {why}")
