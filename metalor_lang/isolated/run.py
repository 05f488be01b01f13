"""The inner side: verify that this process is where it should be, then run the command in its root.

Invariant: everything is verified before the first mount; what the caller's environment claims is never enough.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from metalor_lang.hints import Final
from metalor_lang.isolated import foreign, isolation, sentinel
from metalor_lang.isolated.errors import NotIsolated, PathRefused
from metalor_lang.isolated.model import ContainerRunCommand
from metalor_lang.isolated.mountpoints import mount_points
from metalor_lang.isolated.places import Prefix, open_directory
from metalor_lang.isolated.stepping import run_in
from metalor_lang.isolated.targets import Source, open_sources, refuse_links
from metalor_lang.isolated.validate import validate_command
from metalor_lang.runtime import emulation
from metalor_lang.runtime.request import StepStatus

_WHAT: Final = "container root"


def run_isolated_container_command(command: ContainerRunCommand) -> StepStatus:
    """Run the command in its root, with this process's standard streams; for the caller's private subcommand only.

    The command gets the environment of the request and nothing else, a `/proc` and `/dev` of its own, a copy of the
    machine's resolv.conf, few capabilities, no new privileges, a system call filter, and no descriptor but 0 to 2.

    With an emulator, this process moves into a user namespace of its own for good: there the kernel is told to run the
    root's programs with it.

    Returns:
        how it ended: `code` is its own status, 128 + signal, 125 (we could not start it), 126 (not executable) or 127
        (not found), with a sentence in `message` for the last three.

    Raises:
        CommandRefused: the request is wrong as data.
        NotIsolated: this is not the private process that was prepared for the root.
        PathRefused: the root, a mount source or a place in the root is not what it should be.
        MachineError: this machine cannot run steps.

    """
    validate_command(command)
    with _verified(command) as (root_fd, sources):
        if command.emulator is None:
            with mount_points(root_fd, sources):
                return run_in(root_fd, command, sources)
    outside = emulation.user_namespace()
    foreign.enter()
    # Verified and opened again: from the new namespace only what it shows itself can be mounted.
    with (
        _verified(command) as (root_fd, sources),
        foreign.rule(root_fd, command.emulator, outside),
        mount_points(root_fd, sources),
    ):
        return run_in(root_fd, command, sources)


@contextmanager
def _verified(command: ContainerRunCommand) -> Iterator[tuple[int, tuple[Source, ...]]]:
    """The opened root and bind sources, when everything about this process and them is as it should be."""
    declared = isolation.require_claims(os.environ)
    isolation.require_not_the_hosts()
    with ExitStack() as stack:
        prefix = stack.enter_context(Prefix(declared))
        try:
            root = prefix.below(command.root, _WHAT)
        except PathRefused as refused:
            raise NotIsolated(
                f"refusing to run a container command outside the runtime root prefix: {refused.message}",
                help=refused.help,
            ) from None
        root_fd = open_directory(prefix.fd, root, _WHAT, prefix.path)
        stack.callback(os.close, root_fd)
        isolation.require_new(sentinel.check(prefix, root, root_fd))
        sources = open_sources(command.mounts, stack)
        refuse_links(root_fd, f"{prefix.path}/{root}", command, sources)
        yield root_fd, sources
