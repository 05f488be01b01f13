"""Programs of another architecture: which qemu runs them, and the kernel rule that makes it do so.

Invariant: a rule is registered only in the binfmt_misc instance of a user namespace made for it (Linux 6.7 and later
give each its own): nothing of it is visible outside, and it is gone when its descriptor and the namespace are.
Lean: imported by the helper.
"""

import errno
import os
import stat
import struct

from metalor_lang.kernel import syscalls

# Architecture in OCI's words: name of the kernel and of qemu, e_machine of the ELF header.
# System V gABI chapter 4, with the processor supplements for x86-64 (62), AArch64 (183) and RISC-V (243).
ARCHITECTURES = {"amd64": ("x86_64", 62), "arm64": ("aarch64", 183), "riscv64": ("riscv64", 243)}
MACHINES = {machine: name for name, (machine, _) in ARCHITECTURES.items()}
# What a machine runs although its name is another one.
_RUNS_TOO = {"amd64": ("386",)}

PACKAGE = "qemu-user-static"
FLAGS = "OCFP"
_RULE = "metalor"
# proc_ns.h: the number of the namespace that the machine itself booted with.
_FIRST_USER_NAMESPACE = 0xEFFFFFFD

# \x7fELF, EI_CLASS 64 bit, EI_DATA little endian, EI_VERSION 1; nine bytes that no kernel looks at (EI_OSABI,
# EI_ABIVERSION, EI_PAD); e_type ET_EXEC 2 or ET_DYN 3; e_machine.
_IDENT = b"\x7fELF\x02\x01\x01"
_MASK = b"\xff" * len(_IDENT) + bytes(9) + b"\xfe\xff" + b"\xff\xff"
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_PT_INTERP = 3


class NoEmulator(Exception):
    """Foreign programs cannot run here; `message` says why, `help` what to do.

    Args:
        message: names the guest, the host and what is wrong.
        help: what to type, or "".

    """

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.help = help


def architecture(name: str) -> str:
    """OCI's name of an architecture: `aarch64` is `arm64`; a name that we have no word for stays as it is."""
    return MACHINES.get(name, name)


def needed(host: str, guest: str) -> bool:
    """Whether `host` runs programs of `guest` only with an emulator (names of the kernel or of OCI)."""
    host, guest = architecture(host), architecture(guest)
    return guest != host and guest not in _RUNS_TOO.get(host, ())


def names(guest: str) -> "tuple[str, str]":
    """File names of the emulator, the one in the package PACKAGE first; Debian 13 builds `qemu-user` static instead."""
    machine = ARCHITECTURES[architecture(guest)][0]
    return f"qemu-{machine}-static", f"qemu-{machine}"


def find(host: str, guest: str, path: "str | None" = None) -> str:
    """The emulator for programs of `guest` on `host`: absolute, every symbolic link resolved.

    Args:
        host: architecture of this machine, as uname or OCI name it.
        guest: architecture of the programs.
        path: folders to search, separated by colons; None for PATH of the environment.

    Raises:
        NoEmulator: there is none, or only one that needs libraries of its own.

    """
    host, guest = architecture(host), architecture(guest)
    if guest not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise NoEmulator(f"programs for {guest} cannot run on this {host} machine: emulated are {known}")
    path = os.environ.get("PATH", os.defpath) if path is None else path
    unfit = ""
    for name in names(guest):
        for folder in path.split(":"):
            found = os.path.realpath(os.path.join(folder, name))
            if not folder.startswith("/") or not os.path.isfile(found) or not os.access(found, os.X_OK):
                continue
            why = _unfit(found, host)
            if not why:
                return found
            unfit = unfit or f"; {found} {why}"
    wanted = names(guest)[0]
    raise NoEmulator(
        f"programs for {guest} cannot run on this {host} machine: there is no {wanted} in PATH{unfit}",
        f"install Debian's package {PACKAGE}: apt-get install {PACKAGE}",
    )


def _unfit(path: str, host: str) -> str:
    """Why a file cannot be an emulator on this machine, or ""."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEADER.size)
            if len(head) < _HEADER.size or not head.startswith(_IDENT):
                return "is no 64 bit ELF program"
            fields = _HEADER.unpack(head)
            if host in ARCHITECTURES and fields[2] != ARCHITECTURES[host][1]:
                return "is built for another machine"
            start, size, count = fields[5], fields[9], fields[10]
            file.seek(start)
            table = file.read(size * count)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    kinds = {struct.unpack_from("<I", table, place)[0] for place in range(0, len(table) - 3, size or 1)}
    # A loader is looked for in the image, which has the guest's.
    return "is not statically linked, so it cannot run inside an image" if _PT_INTERP in kinds else ""


def magic(guest: str) -> bytes:
    """The first twenty bytes of a program of `guest`; only the bits in `mask` count."""
    return _IDENT + bytes(9) + struct.pack("<HH", 2, ARCHITECTURES[architecture(guest)][1])


def mask() -> bytes:
    """Which bits of `magic` count: those that the kernel's own ELF loader looks at."""
    return _MASK


def rule(guest: str, interpreter: str) -> bytes:
    """The line for binfmt_misc's `register` file.

    F opens the interpreter now, so it need not be in the image; P keeps argv[0]; C takes the ids of a setuid program
    from it and not from the interpreter; O lets programs run that may be executed but not read.
    """
    hexed = ["".join(f"\\x{byte:02x}" for byte in part) for part in (magic(guest), mask())]
    return f":{_RULE}-{architecture(guest)}:M:0:{hexed[0]}:{hexed[1]}:{interpreter}:{FLAGS}".encode()


def user_namespace() -> "tuple[int, int]":
    """What identifies the user namespace of this process."""
    found = os.stat("/proc/self/ns/user")
    return found.st_dev, found.st_ino


def take(emulator: str) -> int:
    """Hold an emulator's file; called while the host's tree is visible.

    It is a clone of the mount of the one file, attached nowhere and read-only: a guest which opens /proc/PID/exe of
    its own processes can neither write to the host's file (CVE-2019-5736) nor see where it lies.

    Args:
        emulator: absolute path from `find`.

    Returns:
        a descriptor for `register`, to be closed after it.

    Raises:
        OSError: there is no such file any more, or this mount namespace is not ours to clone from.

    """
    clone = syscalls.open_tree(syscalls.AT_FDCWD, emulator, syscalls.OPEN_TREE_CLONE | syscalls.AT_SYMLINK_NOFOLLOW)
    try:
        if not stat.S_ISREG(os.stat(clone).st_mode):
            raise OSError(errno.EACCES, "it is no regular file", emulator)
        attributes = syscalls.MOUNT_ATTR_RDONLY | syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV
        syscalls.mount_setattr(clone, set=attributes)
    except BaseException:
        os.close(clone)
        raise
    return clone


def register(guest: str, emulator: int, outside: "tuple[int, int]") -> int:
    """Make this user namespace run the programs of `guest` with an emulator.

    Called with all capabilities in a new user and mount namespace whose ids are mapped and which has a /proc. Nothing
    is attached to its tree, and no program of the host runs otherwise than before.

    Args:
        guest: architecture.
        emulator: from `take`.
        outside: `user_namespace()` from before the new one was entered.

    Returns:
        a descriptor; the rule lives as long as it is open in some process.

    Raises:
        NoEmulator: the kernel or the machine does not allow it; the message says what is needed.

    """
    if _is_the_machines(outside):
        raise NoEmulator(
            f"programs for {guest} run only in a user namespace: outside, the rule would be the whole machine's",
            "build with another --backend than privileged",
        )
    try:
        instance = empty(outside)
    except NoEmulator as error:
        raise NoEmulator(f"programs for {guest} cannot run here: {error.message}", error.help) from error
    try:
        _write(instance, guest, emulator)
    except OSError as error:
        os.close(instance)
        raise NoEmulator(
            f"programs for {guest} cannot run here: the emulator cannot be registered: {error.strerror}",
            "it must be readable and executable for everybody, on a file system that is not mounted noexec",
        ) from error
    except BaseException:
        os.close(instance)
        raise
    return instance


def empty(outside: "tuple[int, int]") -> int:
    """Give this user namespace a binfmt_misc of its own, without rules: those of the machine end to count in it.

    Without one, the kernel takes the rules of the nearest namespace around it that has any: what a step can run would
    depend on what is installed on the machine.

    Args:
        outside: `user_namespace()` from before the new one was entered.

    Returns:
        a descriptor of a mount that is attached nowhere. The kernel keeps the instance until the namespace ends, and
        its rules while the descriptor is open.

    Raises:
        NoEmulator: the kernel cannot, or there are rules already.

    """
    if _is_the_machines(outside):
        raise NoEmulator("this process is in no user namespace of its own")
    try:
        context = syscalls.fsopen("binfmt_misc")
        try:
            syscalls.fsconfig_create(context)
            instance = syscalls.fsmount(context, syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV)
        finally:
            os.close(context)
    except OSError as error:
        if error.errno == errno.ENODEV:
            raise NoEmulator("this kernel has no binfmt_misc", "load it as root: modprobe binfmt_misc") from error
        if error.errno == errno.EPERM:
            raise NoEmulator(
                f"this kernel ({os.uname().release}) gives user namespaces no binfmt_misc of their own",
                "Linux 6.7 or later does; or build on a machine of the architecture",
            ) from error
        raise NoEmulator(f"binfmt_misc cannot be had: {error.strerror}") from error
    listed = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=instance)
    try:
        there = sorted(set(os.listdir(listed)) - {"register", "status"})
    finally:
        os.close(listed)
    if there:
        os.close(instance)
        raise NoEmulator(f"this user namespace has rules already: {', '.join(there)}")
    return instance


def _is_the_machines(outside: "tuple[int, int]") -> bool:
    inside = user_namespace()
    return inside == outside or inside[1] == _FIRST_USER_NAMESPACE


def _write(instance: int, guest: str, emulator: int) -> None:
    """Register the rule, under a short name that the emulator then says in its own errors.

    The kernel passes the interpreter's name on as the emulator's argv[0]. So it is opened by a plain name in a folder
    that is attached nowhere, where the name is a link to the descriptor.
    """
    opened = []
    try:
        context = syscalls.fsopen("tmpfs")
        opened.append(context)
        syscalls.fsconfig_set_string(context, "mode", "0700")
        syscalls.fsconfig_create(context)
        folder = syscalls.fsmount(context)
        opened.append(folder)
        name = names(guest)[0]
        os.symlink(f"/proc/self/fd/{emulator}", name, dir_fd=folder)
        before = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        opened.append(before)
        register = os.open("register", os.O_WRONLY | os.O_CLOEXEC, dir_fd=instance)
        opened.append(register)
        os.chdir(folder)
        try:
            os.write(register, rule(guest, name))
        finally:
            os.chdir(before)
    finally:
        for fd in opened:
            os.close(fd)
