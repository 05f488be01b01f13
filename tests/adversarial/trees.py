"""Compare a tree with the one a set of the corpus means."""

import os
import stat
from collections.abc import Mapping
from typing import Any

from metalor_lang.kernel.paths import walk
from tests.adversarial.corpus.model import Entry

_KINDS = {
    stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFIFO: "p", stat.S_IFCHR: "c", stat.S_IFBLK: "b",
}  # fmt: skip


def differences(dirfd: int, wanted: Mapping[str, Entry]) -> list[str]:
    """What is not as it should be, one sentence each; none when the tree is exactly the wanted one."""
    found: list[str] = []
    inodes: dict[str, int] = {}
    for entry in walk(dirfd):
        inodes[entry.path] = entry.stat.st_ino
        if entry.path not in wanted:
            found.append(f"{entry.path!r} should not be there")
            continue
        text, attributes = _split(wanted[entry.path])
        found += _compare(entry.path, entry.dirfd, entry.name, entry.stat, text, attributes)
    found += [f"{path!r} is missing" for path in wanted if path not in inodes]
    for path, entry_ in wanted.items():
        text, _ = _split(entry_)
        if text.startswith("h:") and inodes.get(path) != inodes.get(text[2:]):
            found.append(f"{path!r} is not the same file as {text[2:]!r}")
    return found


def _split(entry: Entry) -> tuple[str, Mapping[str, Any]]:
    return (entry, {}) if isinstance(entry, str) else entry


def _compare(
    path: str, dirfd: int, name: str, info: os.stat_result, text: str, attributes: Mapping[str, Any]
) -> list[str]:
    kind = _KINDS.get(stat.S_IFMT(info.st_mode), "?")
    wrong: list[str] = []
    if text.startswith("h:"):
        pass
    elif kind != text[0]:
        return [f"{path!r} is a {kind}, not a {text[0]}"]
    elif kind == "f" and "size" not in attributes:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=dirfd)
        with os.fdopen(fd, "rb") as file:
            if file.read() != os.fsencode(text[2:]):
                wrong.append(f"{path!r} has other bytes")
    elif kind == "l" and os.readlink(name, dir_fd=dirfd) != text[2:]:
        wrong.append(f"{path!r} leads elsewhere")
    elif kind in "cb" and f"{os.major(info.st_rdev)},{os.minor(info.st_rdev)}" != text[2:]:
        wrong.append(f"{path!r} is another device")
    actual: dict[str, object] = {
        "mode": stat.S_IMODE(info.st_mode), "uid": info.st_uid, "size": info.st_size, "mtime": info.st_mtime_ns,
    }  # fmt: skip
    for key, value in attributes.items():
        if key == "xattrs":
            place = f"/proc/self/fd/{dirfd}/{name}"
            names = os.listxattr(place, follow_symlinks=False)
            there = {one: os.getxattr(place, one, follow_symlinks=False) for one in names}
            if there != value:
                wrong.append(f"{path!r} has the attributes {there}")
        elif key == "blocks":
            if info.st_blocks > value:
                wrong.append(f"{path!r} takes {info.st_blocks} blocks")
        elif actual[key] != value:
            wrong.append(f"{path!r} has {key} {actual[key]}, not {value}")
    return wrong
