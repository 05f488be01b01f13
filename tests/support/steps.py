"""Random small histories of a tree, as hypothesis strategies, and what plays them."""

import os
import shutil
import stat
from pathlib import Path

from hypothesis import strategies as st

NAMES = ("a", "b", "c", "d-e", "d", "ü", "\udcff", "x" * 120, "wh.", ".w")
PATH = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map("/".join)
STEP = st.one_of(
    st.tuples(st.just("mkdir"), PATH, st.sampled_from((0o755, 0o700, 0o1777, 0o2755))),
    st.tuples(st.just("write"), PATH, st.sampled_from((b"", b"one", b"two", b"x" * 1000))),
    st.tuples(st.just("symlink"), PATH, st.one_of(PATH, PATH.map(lambda path: "/" + path), st.just(".."))),
    st.tuples(st.just("link"), PATH, PATH),
    st.tuples(st.just("remove"), PATH, st.none()),
    st.tuples(st.just("chmod"), PATH, st.sampled_from((0o600, 0o4755, 0o644))),
    st.tuples(st.just("time"), PATH, st.sampled_from((0, 1_500_000_000, 10**18 + 7, -(10**9), -(10**9) + 5))),
    st.tuples(st.just("fifo"), PATH, st.none()),
    st.tuples(st.just("xattr"), PATH, st.sampled_from((b"", b"v", b"a=b\n\0"))),
    st.tuples(st.just("rename"), PATH, PATH),
    st.tuples(st.just("twin"), PATH, st.none()),
)


def play(root: Path, steps: list[tuple[str, str, object]]) -> None:
    """Do what is possible of the steps; the others change nothing. No step goes through a link."""
    for what, name, value in steps:
        path = root / name
        above = path.parent
        while above != root:
            if above.is_symlink():
                break
            above = above.parent
        if above != root:
            continue
        try:
            one_step(root, what, path, value)
        except OSError:
            continue


def one_step(root: Path, what: str, path: Path, value: object) -> None:
    match what, value:
        case "mkdir", int(mode):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(mode)
        case "write", bytes(data):
            remove(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            os.utime(path, ns=(10**18, 10**18))
        case "symlink", str(target):
            remove(path)
            path.symlink_to(target)
        case "link", str(target):
            if not stat.S_ISDIR((root / target).lstat().st_mode):
                os.link(root / target, path, follow_symlinks=False)
        case "remove", _:
            remove(path)
        case "chmod", int(mode) if not path.is_symlink():
            path.chmod(mode | (0o700 if path.is_dir() else 0))
        case "time", int(mtime):
            os.utime(path, ns=(mtime, mtime), follow_symlinks=False)
        case "fifo", _:
            os.mkfifo(path)
        case "xattr", bytes(data) if not path.is_symlink():
            os.setxattr(path, "user.note", data)
        case "rename", str(target):
            path.rename(root / target)
        case "twin", _:
            # The same bytes and metadata in a new inode: hard links to it break, and nothing else tells.
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                data = path.read_bytes()
                path.unlink()
                path.write_bytes(data)
                path.chmod(stat.S_IMODE(status.st_mode))
                os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
