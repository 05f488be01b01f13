"""Small trees as dictionaries: `{"d/": "755", "f": "text", "l": "-> target"}`, written and read back."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path


def plant(root: Path, tree: Mapping[str, str]) -> Path:
    """Write a tree: `name/` a directory (value: "" or an octal mode), `-> x` a link, else a file.

    A file's text may begin with `MODE|`, as `755|#!/bin/sh`.
    """
    root.mkdir(parents=True, exist_ok=True)
    for path, value in tree.items():
        at = root / path
        at.parent.mkdir(parents=True, exist_ok=True)
        if path.endswith("/"):
            at.mkdir(exist_ok=True)
            if value:
                at.chmod(int(value, 8))
        elif value.startswith("-> "):
            at.symlink_to(value[3:])
        else:
            head, bar, text = value.partition("|")
            at.write_text(text if bar else value)
            at.chmod(int(head, 8) if bar else 0o644)
    return root


def read(root: Path, *, owners: bool = False, modes: bool = False, times: bool = False) -> dict[str, str]:
    """A tree as a dictionary; modes (not 755 of directories, 644 of files), owners (not root) and times on demand."""
    out: dict[str, str] = {}
    for folder, folders, files in os.walk(root):
        for name in sorted(folders) + sorted(files):
            at = Path(folder) / name
            info = at.lstat()
            path = str(at.relative_to(root))
            mode = stat.S_IMODE(info.st_mode)
            if stat.S_ISLNK(info.st_mode):
                text = f"-> {os.readlink(at)}"
            elif stat.S_ISDIR(info.st_mode):
                path += "/"
                text = f"{mode:o}" if modes and mode != 0o755 else ""
            elif stat.S_ISREG(info.st_mode):
                text = (f"{mode:o}|" if modes and mode != 0o644 else "") + at.read_text()
            else:
                text = f"{mode:o}|{stat.S_IFMT(info.st_mode):o} {os.major(info.st_rdev)}:{os.minor(info.st_rdev)}"
            if owners and (info.st_uid, info.st_gid) != (0, 0):
                text += f" @{info.st_uid}:{info.st_gid}"
            if times:
                text += f" t{info.st_mtime_ns}"
            out[path] = text
    return out
