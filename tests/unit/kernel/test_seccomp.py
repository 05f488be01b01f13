"""The filter is run by a small interpreter of classic BPF, so every architecture is tested on every machine."""

import errno
import struct

import pytest

from metalor_lang.kernel import seccomp, syscalls

ALLOW = 0x7FFF0000
EPERM, ENOSYS = 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
X86_64, I386, AARCH64, RISCV64 = 0xC000003E, 0x40000003, 0xC00000B7, 0xC00000F3


def verdict(machine: str, arch: int, number: int, *arguments: int) -> int:
    data = struct.pack("iIQ6Q", number, arch, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    code = list(struct.iter_unpack("HBBI", seccomp.program(machine)))
    position, word = 0, 0
    while True:
        operation, jump_true, jump_false, k = code[position]
        position += 1
        match operation:
            case 0x20:
                word = struct.unpack_from("I", data, k)[0]
            case 0x15:
                position += jump_true if word == k else jump_false
            case 0x35:
                position += jump_true if word >= k else jump_false
            case 0x45:
                position += jump_true if word & k else jump_false
            case 0x05:
                position += k
            case 0x06:
                return int(k)
            case _:
                raise AssertionError(hex(operation))


NATIVE = [("x86_64", X86_64), ("x86_64", I386), ("aarch64", AARCH64), ("riscv64", RISCV64)]
# name: number on x86_64, i386, the generic table
NAMES = {
    "mount": (165, 21, 40), "umount2": (166, 52, 39), "pivot_root": (155, 217, 41), "setns": (308, 346, 268),
    "kexec_load": (246, 283, 104), "init_module": (175, 128, 105), "finit_module": (313, 350, 273),
    "delete_module": (176, 129, 106), "bpf": (321, 357, 280), "keyctl": (250, 288, 219), "add_key": (248, 286, 217),
    "perf_event_open": (298, 336, 241), "userfaultfd": (323, 374, 282), "swapon": (167, 87, 224),
    "reboot": (169, 88, 142), "settimeofday": (164, 79, 170), "open_by_handle_at": (304, 342, 265),
    "syslog": (103, 103, 116), "sethostname": (170, 74, 161), "open_tree": (428,) * 3, "move_mount": (429,) * 3,
    "fsopen": (430,) * 3, "fsmount": (432,) * 3, "mount_setattr": (442,) * 3, "pidfd_getfd": (438,) * 3,
    "io_uring_setup": (425,) * 3,
}  # fmt: skip
COLUMN = {X86_64: 0, I386: 1, AARCH64: 2, RISCV64: 2}
FINE = {"read": (0, 3, 63), "execve": (59, 11, 221), "ptrace": (101, 26, 117), "chroot": (161, 61, 51),
        "openat2": (437,) * 3, "close_range": (436,) * 3}  # fmt: skip


@pytest.mark.parametrize(("machine", "arch"), NATIVE)
def test_the_denied_calls_are_denied_everywhere(machine: str, arch: int) -> None:
    for name, numbers in NAMES.items():
        assert verdict(machine, arch, numbers[COLUMN[arch]]) == EPERM, name
    for name, numbers in FINE.items():
        assert verdict(machine, arch, numbers[COLUMN[arch]]) == ALLOW, name


@pytest.mark.parametrize(("machine", "arch"), NATIVE)
def test_new_namespaces_are_denied_and_threads_are_not(machine: str, arch: int) -> None:
    clone, unshare, ioctl = {X86_64: (56, 272, 16), I386: (120, 310, 54)}.get(arch, (220, 97, 29))
    thread = 0x3D0F00
    for flag in (
        syscalls.CLONE_NEWUSER, syscalls.CLONE_NEWNS, syscalls.CLONE_NEWPID, syscalls.CLONE_NEWNET,
        syscalls.CLONE_NEWUTS, syscalls.CLONE_NEWIPC, syscalls.CLONE_NEWCGROUP,
    ):  # fmt: skip
        assert verdict(machine, arch, clone, flag | 17) == EPERM
        assert verdict(machine, arch, unshare, flag) == EPERM
    assert verdict(machine, arch, unshare, syscalls.CLONE_NEWTIME) == EPERM
    assert verdict(machine, arch, unshare, 0x200) == ALLOW  # CLONE_FS
    assert verdict(machine, arch, clone, thread) == ALLOW
    assert verdict(machine, arch, clone, 17 | 0x80) == ALLOW
    assert verdict(machine, arch, 435) == ENOSYS
    assert verdict(machine, arch, ioctl, 0, 0x5412) == EPERM
    assert verdict(machine, arch, ioctl, 0, 0x1_0000_5412) == EPERM  # the kernel looks at the low word only
    assert verdict(machine, arch, ioctl, 0, 0x5413) == ALLOW


@pytest.mark.parametrize(("machine", "arch"), NATIVE)
def test_sockets_that_no_network_namespace_holds_are_denied(machine: str, arch: int) -> None:
    number = {X86_64: 41, I386: 359}.get(arch, 198)
    vsock, alg = 40, 38
    assert {verdict(machine, arch, number, family, 1) for family in (vsock, alg)} == {EPERM}
    unix, inet, inet6, netlink = 1, 2, 10, 16
    assert {verdict(machine, arch, number, family, 1) for family in (unix, inet, inet6, netlink)} == {ALLOW}


def test_other_instruction_sets_and_x32_have_no_calls() -> None:
    assert verdict("x86_64", X86_64, 0x40000000 | 165) == ENOSYS
    assert verdict("aarch64", 0x40000028, 21) == ENOSYS
    assert verdict("riscv64", X86_64, 165) == ENOSYS


def test_a_machine_without_a_table_is_refused() -> None:
    with pytest.raises(OSError, match="s390x"):
        seccomp.program("s390x")
