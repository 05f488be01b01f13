"""Run a command as an ordinary user of a made-up account, in a private mount namespace.

`python -m tests.support.ordinary [--no-subids] HOME -- COMMAND…` (as root): the account exists only in there, with the
sub-ids that Debian's `useradd` would give, and HOME is its home. The machine's /etc is left alone.
"""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from metalor_lang.kernel import syscalls

NAME, UID, FIRST = "mara", 3917, 2_000_000
SUBIDS = f"{NAME}:{FIRST}:65536\n"


def run_as_user(
    argv: Sequence[str | Path],
    home: Path,
    *,
    subids: str = SUBIDS,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 300,
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end; `home` is made and given to the user."""
    home.mkdir(parents=True, exist_ok=True)
    for folder, names, files in os.walk(home):
        for path in (Path(folder, name) for name in (".", *names, *files)):
            if path.lstat().st_uid == 0:  # what is the user's sub-ids' already stays theirs
                os.chown(path, UID, UID, follow_symlinks=False)
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(home), "USER": NAME, "LANG": "C.UTF-8", "PYTHONPATH": os.getcwd(),
        **{name: value for name, value in os.environ.items() if name in ("METALOR_BASES", "METALOR_OVERLAY_TIER")},
        **(env or {}),
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.support.ordinary", subids, cwd or home, *argv]
    return subprocess.run(
        [str(word) for word in command], env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )


def _bind(source: str | Path, target: str | Path) -> None:
    fd = syscalls.open_tree(syscalls.AT_FDCWD, source, syscalls.OPEN_TREE_CLONE | syscalls.AT_RECURSIVE)
    syscalls.move_mount(fd, syscalls.AT_FDCWD, target)
    os.close(fd)


def _replace(folder: Path, name: str, line: str) -> None:
    path = Path("/etc", name)
    before = path.read_text() if path.exists() else ""
    lines = [each for each in before.splitlines(keepends=True) if not each.startswith(f"{NAME}:")]
    (folder / name).write_text("".join(lines) + line)
    os.chmod(folder / name, 0o644)
    if not path.exists():
        raise SystemExit(f"{path} is needed: install uidmap")
    _bind(folder / name, path)


def _open_ways(paths: set[Path]) -> None:
    """Let everybody reach directories through parents that are closed, in this mount namespace."""
    closed = {path: [folder for folder in path.parents if not folder.stat().st_mode & stat.S_IXOTH] for path in paths}
    flags = syscalls.OPEN_TREE_CLONE | syscalls.AT_RECURSIVE
    kept = {path: syscalls.open_tree(syscalls.AT_FDCWD, path, flags) for path, folders in closed.items() if folders}
    for top in sorted({closed[path][-1] for path in kept}):
        syscalls.mount("tmpfs", top, "tmpfs", 0, "mode=755")
    for path in sorted(kept):  # a parent before what is in it, which is then there already
        path.mkdir(parents=True, exist_ok=True)
        syscalls.move_mount(kept[path], syscalls.AT_FDCWD, path)


def make_account(home: str | Path, reach: set[Path], subids: str = SUBIDS) -> None:
    """Make the account, in this mount namespace; these paths can be reached by it."""
    folder = Path(tempfile.mkdtemp(prefix="ordinary-", dir="/dev/shm"))
    try:
        _replace(folder, "passwd", f"{NAME}:x:{UID}:{UID}::{home}:/bin/bash\n")
        _replace(folder, "group", f"{NAME}:x:{UID}:\n")
        _replace(folder, "subuid", subids)
        _replace(folder, "subgid", subids)
    finally:
        shutil.rmtree(folder)
    for place in ("/run/containers", "/var/lib/containers"):
        if Path(place).exists():  # the superuser's, as where podman or skopeo ran as root
            syscalls.mount("tmpfs", place, "tmpfs", 0, "mode=700")
    _open_ways({Path(sys.base_prefix), Path(sys.prefix), Path.cwd(), *reach})


def become() -> None:
    """Be that user, for good."""
    os.setgroups([])
    os.setresgid(UID, UID, UID)
    os.setresuid(UID, UID, UID)


def main(subids: str, cwd: str, *argv: str) -> None:
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
    home = os.environ["HOME"]
    bases = os.environ.get("METALOR_BASES", "")
    make_account(home, {Path(cwd), Path(home), *map(Path, bases.split())}, subids)
    os.chdir(cwd)
    become()
    os.execvpe(argv[0], argv, os.environ)


if __name__ == "__main__":
    main(*sys.argv[1:])
