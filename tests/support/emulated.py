"""Run something in a user, mount and pid namespace of its own, in which programs of another architecture run."""

import os
import signal
import traceback
from collections.abc import Callable
from pathlib import Path

from metalor_lang.kernel import syscalls
from metalor_lang.runtime import emulation

SHIFT = 1 << 31
COUNT = 65536


def emulated(
    guest: str,
    emulator: str,
    then: Callable[[], None],
    *,
    root: Path = Path("/"),
    user: int = 0,
    first_id: int = SHIFT,
    output: int = 2,
    keep: bool = True,
) -> int:
    """Exit status of `then`, called as PID 1 (and root) of new namespaces with the rule registered.

    Args:
        guest: architecture.
        emulator: host path.
        then: usually ends in an exec.
        root: working directory, entered before any change of ids: a user need not reach it.
        user: an ordinary user's id, who has only itself mapped; 0 for root with COUNT ids.
        first_id: which ids of the host root maps to the namespace's 0 and up.
        output: descriptor of its standard output and error.
        keep: whether the rule's descriptor stays open.

    """
    ready, tell_ready = os.pipe()
    mapped, tell_mapped = os.pipe()
    pid = os.fork()
    if not pid:
        status = 70
        try:
            os.close(tell_mapped)
            os.dup2(output, 1)
            os.dup2(output, 2)
            syscalls.set_parent_death_signal(signal.SIGKILL)
            os.chdir(root)
            if user:
                os.setgroups([])
                os.setresgid(user, user, user)
                os.setresuid(user, user, user)
                syscalls.set_dumpable(True)  # else the files in /proc belong to root
            outside = emulation.user_namespace()
            syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS | syscalls.CLONE_NEWPID)
            os.write(tell_ready, b".")
            os.read(mapped, 1)
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
            syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
            file = emulation.take(emulator)
            instance = emulation.register(guest, file, outside)
            os.close(file)
            if not keep:
                os.close(instance)
            status = _first(then)
        except emulation.NoEmulator as error:
            os.write(2, f"{error.message}\n{error.help}\n".encode())
            status = 71
        except BaseException:
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(status)
    try:
        os.close(tell_ready)
        os.read(ready, 1)
        proc = Path(f"/proc/{pid}")
        if user:
            (proc / "setgroups").write_text("deny")
        for kind in ("uid_map", "gid_map"):
            (proc / kind).write_text(f"0 {user} 1" if user else f"0 {first_id} {COUNT}")
        os.write(tell_mapped, b".")
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
    finally:
        for fd in (ready, mapped, tell_mapped):
            os.close(fd)
        ended = os.waitpid(pid, 0)[1]
    return os.waitstatus_to_exitcode(ended)


def _first(then: Callable[[], None]) -> int:
    pid = os.fork()
    if not pid:
        try:
            syscalls.set_parent_death_signal(signal.SIGKILL)
            then()
        except BaseException:
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(72)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def enter() -> None:
    """Make the working directory the root, with a /proc of its own; nothing of the host stays."""
    tree = syscalls.open_tree(syscalls.AT_FDCWD, ".", syscalls.OPEN_TREE_CLONE | syscalls.AT_RECURSIVE)
    syscalls.move_mount(tree, syscalls.AT_FDCWD, ".")
    os.fchdir(tree)
    syscalls.mount("proc", "proc", "proc")
    syscalls.pivot_root(".", ".")
    syscalls.umount2(".", syscalls.MNT_DETACH)
    os.chdir("/")
