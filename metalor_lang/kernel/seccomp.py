"""The system call filter of a step, as a classic BPF program.

Invariant: a deny list with an architecture check: what changes mounts, namespaces, the kernel or other sessions is
refused with EPERM for every instruction set the kernel lets a program use. Lean: imported by the helper.
"""

import errno
import struct

from metalor_lang.kernel import syscalls

# struct seccomp_data: int nr; u32 arch; u64 instruction_pointer; u64 args[6]
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN, _JUMP = 0x20, 0x15, 0x35, 0x45, 0x06, 0x05
_ALLOW = 0x7FFF0000
_DENY = 0x00050000 | errno.EPERM
_ABSENT = 0x00050000 | errno.ENOSYS

_NEW_NAMESPACES = (
    syscalls.CLONE_NEWNS | syscalls.CLONE_NEWCGROUP | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWPID | syscalls.CLONE_NEWNET
)  # fmt: skip
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
# No network namespace parts a step from the host of a virtual machine (vsock) or from the kernel's cryptography.
_AF_ALG, _AF_VSOCK = 38, 40
_X32_BIT = 0x40000000

# The same numbers on every architecture: pidfd_getfd 438 reaches into other processes, io_uring runs calls unseen.
_COMMON = (425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 442, 467)
_CLONE3 = 435

# mount umount umount2 pivot_root setns, kexec, modules, bpf, keys, perf_event_open, userfaultfd, swap, reboot, host
# names, clocks, quota, open_by_handle_at, acct, syslog, port access, and calls that have long been gone.
_X86_64 = (
    103, 134, 153, 155, 159, 163, 164, 165, 166, 167, 168, 169, 170, 171, 172, 173, 174, 175, 176, 177, 178, 179, 180,
    212, 227, 246, 248, 249, 250, 298, 304, 305, 308, 313, 320, 321, 323, 443,
)  # fmt: skip
_I386 = (
    21, 22, 25, 51, 52, 74, 79, 86, 87, 88, 101, 103, 110, 111, 115, 121, 124, 127, 128, 129, 130, 131, 167, 169, 217,
    253, 264, 283, 286, 287, 288, 336, 342, 343, 346, 350, 357, 374, 404, 405, 443,
)  # fmt: skip
_GENERIC = (
    18, 39, 40, 41, 42, 58, 60, 89, 104, 105, 106, 112, 116, 142, 161, 162, 170, 171, 217, 218, 219, 224, 225, 241, 265,
    266, 268, 273, 280, 282, 294, 443,
)  # fmt: skip
_X86_64_ARCH, _I386_ARCH, _AARCH64_ARCH, _RISCV64_ARCH = 0xC000003E, 0x40000003, 0xC00000B7, 0xC00000F3

# arch, denied numbers, clone, unshare, ioctl, socket (the old socketcall(2) of i386 hides its family in memory)
_TABLES: "dict[str, tuple[tuple[int, tuple[int, ...], int, int, int, int], ...]]" = {
    "x86_64": ((_X86_64_ARCH, _X86_64, 56, 272, 16, 41), (_I386_ARCH, _I386, 120, 310, 54, 359)),
    "aarch64": ((_AARCH64_ARCH, _GENERIC, 220, 97, 29, 198),),
    "riscv64": ((_RISCV64_ARCH, _GENERIC, 220, 97, 29, 198),),
}

MACHINES = tuple(_TABLES)


def _instruction(code: int, k: int, jump_true: int = 0, jump_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, jump_true, jump_false, k)


def _when(code: int, k: int, result: int) -> bytes:
    """Return `result` when the accumulator matches, else go on."""
    return _instruction(code, k, 0, 1) + _instruction(_RETURN, result)


def _argument(number: int, index: int, tests: bytes) -> bytes:
    """For system call `number` run `tests` on the low word of argument `index`, and allow what they let pass."""
    body = _instruction(_LOAD, _ARGUMENTS + 8 * index) + tests + _instruction(_RETURN, _ALLOW)
    return _instruction(_EQUAL, number, 0, len(body) // 8) + body


def _table(denied: "tuple[int, ...]", clone: int, unshare: int, ioctl: int, socket: int) -> bytes:
    parts = [_instruction(_LOAD, _NUMBER)]
    parts.append(_when(_AT_LEAST, _X32_BIT, _ABSENT))
    parts.extend(_when(_EQUAL, number, _DENY) for number in (*denied, *_COMMON))
    # clone3 hides its flags in memory: absent, so that C libraries fall back to clone.
    parts.append(_when(_EQUAL, _CLONE3, _ABSENT))
    parts.append(_argument(clone, 0, _when(_ANY_BIT, _NEW_NAMESPACES, _DENY)))
    parts.append(_argument(unshare, 0, _when(_ANY_BIT, _NEW_NAMESPACES | syscalls.CLONE_NEWTIME, _DENY)))
    parts.append(_argument(ioctl, 1, _when(_EQUAL, _TIOCSTI, _DENY) + _when(_EQUAL, _TIOCLINUX, _DENY)))
    parts.append(_argument(socket, 0, _when(_EQUAL, _AF_ALG, _DENY) + _when(_EQUAL, _AF_VSOCK, _DENY)))
    parts.append(_instruction(_RETURN, _ALLOW))
    return b"".join(parts)


def program(machine: str = syscalls.MACHINE) -> bytes:
    """Give the filter for `machine` as packed sock_filter records; an instruction set without a table gets ENOSYS.

    Raises:
        OSError: there is no table for this machine.

    """
    if machine not in _TABLES:
        raise OSError(errno.ENOSYS, f"no system call filter is known for {machine}", "seccomp")
    parts = []
    for arch, denied, clone, unshare, ioctl, socket in _TABLES[machine]:
        body = _table(denied, clone, unshare, ioctl, socket)
        # A conditional jump reaches 255 instructions, so it only skips the unconditional one.
        parts.append(_instruction(_EQUAL, arch, 1, 0) + _instruction(_JUMP, len(body) // 8) + body)
    return _instruction(_LOAD, _ARCH) + b"".join(parts) + _instruction(_RETURN, _ABSENT)
