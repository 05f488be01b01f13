"""Follow a path beneath a directory, link by link, and say where it ends.

Invariant: the answer is a hint in words; whoever opens it does so with `openat2` and no symlinks, so a tree that
changes meanwhile can make an open fail but never leave the directory.
"""

import errno
import os
import stat
from collections import deque

from metalor_lang.hints import Final
from metalor_lang.record import dataclass

_LINKS: Final = 40


class Outside(Exception):
    """The path leaves the directory; `at` is the link or component that does."""

    def __init__(self, at: str) -> None:
        super().__init__(at)
        self.at = at


class TooManyLinks(Exception):
    """A loop of links."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Where a path ends.

    Args:
        path: the existing part, relative to the directory, without links ("" is the directory itself).
        missing: the components after it that do not exist.
        stat: of `path` (of the directory itself for "").

    """

    path: str
    missing: tuple[str, ...]
    stat: os.stat_result

    @property
    def full(self) -> str:
        """The path with its missing part."""
        return "/".join(part for part in (self.path, *self.missing) if part)


def resolve(fd: int, path: str, *, clamp: bool, follow: bool = True) -> Resolved:
    """Follow `path` beneath the directory `fd`.

    Args:
        fd: the directory.
        path: the path; a leading `/` means the directory.
        clamp: the directory is a root: `..` stops at it and absolute links start there; otherwise both are Outside.
        follow: whether a link as the last component is followed.

    Raises:
        Outside: the path leaves the directory (only without `clamp`).
        TooManyLinks: more than 40 links.
        NotADirectoryError: a component in the middle is a file; its second argument names it.

    """
    todo = deque(path.split("/"))
    done: list[str] = []
    info = os.fstat(fd)
    links = 0
    while todo:
        name = todo.popleft()
        if name in ("", "."):
            continue
        if not stat.S_ISDIR(info.st_mode):
            raise NotADirectoryError(20, "/".join(done))
        if name == "..":
            if not done and not clamp:
                raise Outside(path)
            done = done[:-1]
            info = os.stat("/".join(done), dir_fd=fd, follow_symlinks=False) if done else os.fstat(fd)
            continue
        here = "/".join((*done, name))
        try:
            found = os.stat(here, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            return Resolved(path="/".join(done), missing=_tidy((name, *todo)), stat=info)
        last = not any(part not in ("", ".") for part in todo)
        if stat.S_ISLNK(found.st_mode) and (follow or not last):
            links += 1
            if links > _LINKS:
                raise TooManyLinks(here)
            try:
                target = os.readlink(here, dir_fd=fd)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOENT):
                    raise
                todo.appendleft(name)  # it was exchanged just now: look again, counted as a link
                continue
            if target.startswith("/"):
                if not clamp:
                    raise Outside(here)
                done, info = [], os.fstat(fd)
            elif not clamp and _climbs(done, target):
                raise Outside(here)
            todo.extendleft(reversed(target.split("/")))
            continue
        done.append(name)
        info = found
    return Resolved(path="/".join(done), missing=(), stat=info)


def _tidy(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Missing components with `.` and `..` folded: nothing there can be a link."""
    out: list[str] = []
    for part in parts:
        if part == ".." and out:
            out.pop()
        elif part not in ("", ".", ".."):
            out.append(part)
    return tuple(out)


def _climbs(done: list[str], target: str) -> bool:
    depth = len(done)
    for part in target.split("/"):
        depth += -1 if part == ".." else 0 if part in ("", ".") else 1
        if depth < 0:
            return True
    return False
