"""Is this process really in the private namespaces that were prepared for it?

Invariant: the environment only claims; what decides are the inodes of the namespaces, compared with those that the
outer side recorded and with the first process's.
"""

import os
from collections.abc import Mapping

from metalor_lang.hints import Final
from metalor_lang.isolated import sentinel
from metalor_lang.isolated.errors import NotIsolated
from metalor_lang.isolated.model import PREFIX_VARIABLE, PRIVATE_VARIABLE

_HELP: Final = "run the command that build_unshare_reexec_command() gives, with its environment"
_NAMES: Final = {"mnt": "mount", "pid": "pid", "uts": "uts", "ipc": "ipc"}


def require_claims(environment: Mapping[str, str]) -> str:
    """Check the two variables of the re-exec; the prefix that they declare.

    Raises:
        NotIsolated: one of them is missing or wrong.

    """
    if environment.get(PRIVATE_VARIABLE) != "1":
        raise NotIsolated(f"refusing to run a container command without {PRIVATE_VARIABLE}=1", help=_HELP)
    prefix = environment.get(PREFIX_VARIABLE)
    if not prefix:
        raise NotIsolated(f"refusing to run a container command without {PREFIX_VARIABLE}", help=_HELP)
    return prefix


def require_not_the_hosts() -> None:
    """Refuse the mount namespace of the machine's first process.

    Raises:
        NotIsolated: this process lives in it.

    """
    # With a /proc of its own namespace this process may itself be the one with number 1: it says nothing then.
    if os.readlink("/proc/self") == "1":
        return
    try:
        first = os.stat("/proc/1/ns/mnt").st_ino
    except OSError:
        return  # hidden from us; what the outer side recorded is compared in any case
    if first == os.stat("/proc/self/ns/mnt").st_ino:
        raise NotIsolated("refusing to run a container command in the host mount namespace", help=_HELP)


def require_new(outer: Mapping[str, int]) -> None:
    """Refuse every namespace that the outer side lived in.

    Raises:
        NotIsolated: a namespace is not new.

    """
    for name, inode in sentinel.own_namespaces().items():
        if outer[name] == inode:
            raise NotIsolated(
                f"refusing to run a container command in the {_NAMES[name]} namespace of the process that prepared it",
                help=_HELP,
            )
