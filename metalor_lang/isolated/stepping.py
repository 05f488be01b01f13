"""The one place where a container command becomes a step of the runtime.

Invariant: the root given is used as it is, with the ids that it has on disk; the step ends with this process.
"""

import os
import signal
import stat
from collections.abc import Sequence

from metalor_lang.isolated.model import ContainerRunCommand
from metalor_lang.isolated.paths import absolute, covers
from metalor_lang.isolated.targets import Source
from metalor_lang.kernel import syscalls
from metalor_lang.kernel.paths import open_beneath
from metalor_lang.runtime.cancel import Cancel, signals_to
from metalor_lang.runtime.client import start_runtime
from metalor_lang.runtime.request import BindSpec, StepRequest, StepStatus
from metalor_lang.runtime.terminal import own_streams
from metalor_lang.runtime.validate import InvalidRequest, validate

_HOSTS = "/etc/hosts"
_STRICT = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_MAGICLINKS


def run_in(root_fd: int, command: ContainerRunCommand, sources: Sequence[Source]) -> StepStatus:
    """Run a verified command in an opened root, with our own standard streams.

    Raises:
        InvalidRequest: a word is too long for the kernel.
        MachineError: this machine cannot run steps.

    """
    hosts = _own_hosts(root_fd, sources)
    try:
        request = _request(command, sources, hosts)
        # The process above us is `unshare`, which would leave the step running when it is killed.
        syscalls.set_parent_death_signal(signal.SIGKILL)
        cancel = Cancel()
        with start_runtime() as runtime, signals_to(cancel):
            return runtime.run(root_fd, request, own_streams(), cancel)
    finally:
        if hosts is not None:
            os.close(hosts)


def _request(command: ContainerRunCommand, sources: Sequence[Source], hosts: int | None) -> StepRequest:
    environment = dict(command.env)
    argv = (command.executable, *command.argv)
    mounts = [BindSpec(target=one.destination, source=one.fd, readonly=one.read_only) for one in sources]
    if hosts is not None:
        mounts.append(BindSpec(target=_HOSTS, source=hosts, readonly=False))
    request = StepRequest(
        argv=argv,
        env=tuple(environment.items()),
        cwd=absolute(command.cwd, "container cwd"),
        hostname=os.uname().nodename,
        mounts=tuple(mounts),
    )
    try:
        validate(request)
    except InvalidRequest as error:
        if not error.message.startswith("hostname"):
            raise
        # The kernel takes any text for a host name; the step then gets the usual one.
        request = StepRequest(argv=argv, env=request.env, cwd=request.cwd, mounts=request.mounts)
    return request


def _own_hosts(root_fd: int, sources: Sequence[Source]) -> int | None:
    """The root's own /etc/hosts, to be seen instead of the one that steps are given; an empty one is a mount point."""
    if any(covers(one.destination, _HOSTS) for one in sources):
        return None
    try:
        fd = open_beneath(root_fd, _HOSTS.lstrip("/"), os.O_PATH | os.O_NOFOLLOW, resolve=_STRICT)
    except OSError:
        return None
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode) and status.st_size:
        return fd
    os.close(fd)
    return None
