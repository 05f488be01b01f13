"""A temporary place for the self-test, and work in processes of its own.

Invariant: the place goes away whatever ends the self-test, SIGKILL included: a keeper process waits for the end of the
last process that uses it, and removes it. Entering a world (ids, mounts) happens in forked processes only.
"""

import errno
import json
import os
import secrets
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from metalor_lang.errors import Exit, MachineError, MetalorError
from metalor_lang.guards import Closing
from metalor_lang.hints import Any, Final
from metalor_lang.kernel import syscalls, userns
from metalor_lang.kernel.trees import remove_tree
from metalor_lang.runtime import subids

PREFIX: Final = "metalor-selftest-"
_TRIES: Final = 100
_PAUSE: Final = 0.1


class Place(Closing):
    """A directory beside a store (else in TMPDIR), removed when its context ends or its process dies.

    Args:
        store: whose neighbour it is, so that the same file system is tested.

    """

    def __init__(self, store: Path) -> None:
        self.path = _parent(store.absolute()) / f"{PREFIX}{secrets.token_hex(6)}"
        lifeline, self._alive = os.pipe2(os.O_CLOEXEC)
        # Forks of ours keep their end of it: the keeper waits for them too.
        self._keeper = os.fork()
        if not self._keeper:
            status = 1
            try:
                os.close(self._alive)
                _keep(self.path, lifeline)
                status = 0
            finally:
                os._exit(status)
        os.close(lifeline)
        try:
            self.path.mkdir(mode=0o700)  # after the fork: there is no moment without a keeper
        except OSError as error:
            self.close()
            raise _nowhere(error) from None

    def close(self) -> None:
        """Remove the place.

        Raises:
            MachineError: something is left.

        """
        os.close(self._alive)
        _, status = os.waitpid(self._keeper, 0)
        if status:
            raise MachineError(f"{self.path} could not be removed", help=f"remove it: rm -rf {self.path}")


def _parent(store: Path) -> Path:
    refused = OSError(errno.EACCES, os.strerror(errno.EACCES), str(store.parent))
    for parent in (store.parent, Path(tempfile.gettempdir())):
        try:
            parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            refused = error
            continue
        if os.access(parent, os.W_OK | os.X_OK):
            return parent
    raise _nowhere(refused)


def _nowhere(error: OSError) -> MachineError:
    return MachineError(
        f"there is no place for a temporary store: {error.strerror}: {error.filename}",
        help="name a directory that you can write: metalor selftest --store DIR/store",
    )


def _keep(path: Path, lifeline: int) -> None:
    os.setsid()  # Ctrl-C is for the others
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    null = os.open("/dev/null", os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    os.chdir("/")
    while os.read(lifeline, 1):
        pass
    parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    if os.geteuid():
        try:
            # What steps left belongs to the subordinate ids.
            userns.enter(0, subids.find().write_maps)
        except (MetalorError, OSError):
            pass  # then no step ran either
    for _ in range(_TRIES):
        try:
            remove_tree(parent, path.name)
            return
        except FileNotFoundError:
            return
        except OSError:  # a process of a build that was killed this moment still writes
            time.sleep(_PAUSE)
    raise OSError(path)


def apart(work: Callable[[], Any]) -> Any:
    """Do work in a forked process, which dies with us, and give its result (anything that JSON can carry).

    Raises:
        MetalorError: as raised there (MachineError keeps its kind); also when it ended without an answer.

    """
    read, write = os.pipe2(os.O_CLOEXEC)
    parent = os.getpid()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            os.close(read)
            die_with(parent)
            with os.fdopen(write, "w") as stream:
                json.dump(_answer(work), stream)
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    try:
        with os.fdopen(read) as stream:
            said = stream.read()
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
    finally:
        _, status = os.waitpid(pid, 0)
    if not said:
        raise MetalorError(f"a part of the self-test ended with status {os.waitstatus_to_exitcode(status)}")
    answer = json.loads(said)
    if "error" in answer:
        kind = MachineError if answer["exit"] == Exit.MACHINE else MetalorError
        raise kind(answer["error"], help=answer["help"])
    return answer["result"]


def die_with(parent: int) -> None:
    """Be killed when the process `parent`, which started us, ends; to be said again after a change of ids."""
    syscalls.set_parent_death_signal(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _answer(work: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"result": work()}
    except MetalorError as error:
        return {"error": error.message, "help": error.help, "exit": int(error.exit)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}", "help": "", "exit": int(Exit.BUG)}
