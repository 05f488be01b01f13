"""The three ways to mount directories as one overlay, in the mount namespace of the caller.

Invariant: what is given is a detached mount, never attached where another process could see it; options are always
`userxattr` (marks that an ordinary user may write) and, with an upper directory, `volatile` (the store syncs once, at
the commit). Lean: imported by the helper.
"""

import errno
import os

from metalor_lang.kernel import syscalls

PAGE = 4096  # the most bytes of options that mount(2) takes
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def by_descriptors(lowers: "list[str]", upper: "str | None", work: "str | None") -> int:
    """Give the layers to fsconfig(2) as descriptors (Linux 6.13); base first, as everywhere."""
    return _by_fsconfig(lowers, upper, work, False)


def by_strings(lowers: "list[str]", upper: "str | None", work: "str | None") -> int:
    """Give them one at a time as short paths through /proc/self/fd (Linux 6.5)."""
    return _by_fsconfig(lowers, upper, work, True)


def _by_fsconfig(lowers: "list[str]", upper: "str | None", work: "str | None", named: bool) -> int:
    opened: list[int] = []

    def put(key: str, path: str) -> None:
        fd = os.open(path, _DIRECTORY)
        opened.append(fd)
        if named:
            syscalls.fsconfig_set_string(context, key, f"/proc/self/fd/{fd}")
        else:
            syscalls.fsconfig_set_fd(context, key, fd)

    context = syscalls.fsopen("overlay")
    opened.append(context)
    try:
        syscalls.fsconfig_set_string(context, "source", "metalor")
        syscalls.fsconfig_set_flag(context, "userxattr")
        for lower in reversed(lowers):
            put("lowerdir+", lower)
        if upper is not None and work is not None:
            put("upperdir", upper)
            put("workdir", work)
            syscalls.fsconfig_set_flag(context, "volatile")
        syscalls.fsconfig_create(context)
        return syscalls.fsmount(context)
    finally:
        for fd in opened:
            os.close(fd)


def by_options(lowers: "list[str]", upper: "str | None", work: "str | None") -> int:
    """mount(2) with names relative to a common directory, then open_tree(2) out of there (Linux 5.2).

    Changes the working directory, and mounts for a moment: the mount namespace must be the caller's own.
    """
    paths = [*lowers, *(path for path in (upper, work) if path is not None)]
    for path in paths:
        os.stat(path)  # mount(2) would not say which one is missing
    common = os.path.commonpath([os.path.abspath(path) for path in paths])
    names = [os.path.relpath(os.path.abspath(path), common) for path in paths]
    options = "userxattr,lowerdir=" + ":".join(_escaped(name) for name in reversed(names[: len(lowers)]))
    if upper is not None:
        options += f",upperdir={_escaped(names[-2])},workdir={_escaped(names[-1])},volatile"
    if len(os.fsencode(options)) >= PAGE:
        raise OSError(errno.E2BIG, f"the names of {len(lowers)} layers are longer than a page", common)
    os.chdir(common)
    # Any directory will do as a mount point; the bottom layer is sure to exist.
    syscalls.mount("metalor", names[0], "overlay", 0, options)
    view = syscalls.open_tree(syscalls.AT_FDCWD, names[0], syscalls.OPEN_TREE_CLONE)
    syscalls.umount2(names[0], syscalls.MNT_DETACH)
    return view


def _escaped(name: str) -> str:
    for special in ("\\", ":", ","):
        name = name.replace(special, "\\" + special)
    return name


def clean_work(work: str) -> None:
    """Let a work directory be used again: `volatile` left a mark there that makes the next mount fail."""
    for remove, name in (
        (os.unlink, "work/incompat/volatile/dirty"), (os.rmdir, "work/incompat/volatile"),
        (os.rmdir, "work/incompat"),
    ):  # fmt: skip
        try:
            remove(os.path.join(work, name))
        except FileNotFoundError:
            pass


WAYS = {"fd": by_descriptors, "string": by_strings, "mount": by_options}
