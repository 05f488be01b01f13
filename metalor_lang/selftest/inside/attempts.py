"""What a step tries to do to the machine, and what must come of it: one table.

Invariant: each attempt runs in a process of its own, so that none changes the next.
"""

import errno
import os
import signal
import socket
import stat
from typing import NamedTuple

from metalor_lang.selftest.inside import acts
from metalor_lang.selftest.inside.acts import (
    ALLOWED,
    HELD,
    Act,
    Given,
    calling,
    connecting,
    link,
    listing,
    mounting,
    reading,
    writing,
)

_FILTERED = "EPERM"
_ABSENT_OR_REFUSED = "EPERM EACCES EROFS ENOENT covered"
_PATIENCE = 5  # seconds for one attempt

_MS_REMOUNT, _MS_BIND, _MNT_DETACH = 32, 4096, 2
_HERE = -100  # AT_FDCWD


class Attempt(NamedTuple):
    """One thing to try.

    Args:
        group: of its line in a report.
        name: unique.
        about: what it would do.
        right: the outcomes that are right, parted by spaces.
        act: does it; raises OSError, or gives an outcome, or anything else for `allowed`.

    """

    group: str
    name: str
    about: str
    right: str
    act: Act


ATTEMPTS = (
    Attempt("root", "chroot escape", "leave the root through a descriptor kept across a chroot", HELD, acts.escape),
    Attempt("root", "machine's files", "see a file of the machine by its path, or by `..` from the root", HELD,
            acts.canary),
    Attempt("root", "open_by_handle_at", "open the machine's root by its inode number", _FILTERED, acts.handle),
    Attempt("mounts", "mount", "mount a file system", _FILTERED, mounting(b"x", b"/tmp", b"tmpfs", 0, None)),
    Attempt("mounts", "bind mount", "show a directory elsewhere", _FILTERED,
            mounting(b"/tmp", b"/tmp", None, _MS_BIND, None)),
    Attempt("mounts", "remount /proc/sys", "make a read-only mount writable", _FILTERED,
            calling("mount", None, b"/proc/sys", None, _MS_REMOUNT | _MS_BIND, None)),
    Attempt("mounts", "umount", "uncover what is covered", _FILTERED, calling("umount2", b"/proc/sys", _MNT_DETACH)),
    Attempt("mounts", "pivot_root", "change the root of all", _FILTERED, calling("pivot_root", b"/", b"/tmp")),
    Attempt("mounts", "fsopen", "make a file system", _FILTERED, calling("fsopen", b"tmpfs", 0)),
    Attempt("mounts", "open_tree", "copy a mount", _FILTERED, calling("open_tree", _HERE, b"/", 1)),
    Attempt("mounts", "move_mount", "attach a mount", _FILTERED,
            calling("move_mount", _HERE, b"/proc/self", _HERE, b"/tmp", 0)),
    Attempt("mounts", "mount_setattr", "change a mount", _FILTERED,
            calling("mount_setattr", _HERE, b"/", 0, bytes(32), 32)),
    Attempt("namespaces", "unshare user", "make a user namespace", _FILTERED, calling("unshare", acts.CLONE_NEWUSER)),
    Attempt("namespaces", "unshare mount", "make a mount namespace", _FILTERED, calling("unshare", acts.CLONE_NEWNS)),
    Attempt("namespaces", "clone user", "start a process in a user namespace", _FILTERED, acts.clone),
    Attempt("namespaces", "clone3", "the same by the call that hides its flags", "ENOSYS", calling("clone3", None, 0)),
    Attempt("namespaces", "setns", "enter a namespace", _FILTERED, acts.setns),
    Attempt("devices", "mknod block", "make a node of a disk", _FILTERED, acts.node(stat.S_IFBLK, 8, 0)),
    Attempt("devices", "mknod char", "make a node of the machine's memory", _FILTERED, acts.node(stat.S_IFCHR, 1, 1)),
    Attempt("devices", "/dev/mem", "read the machine's memory", "ENOENT", reading("/dev/mem")),
    Attempt("devices", "/dev/kmsg", "write into the kernel's log", "ENOENT", writing("/dev/kmsg")),
    Attempt("devices", "/dev/kvm", "start a virtual machine", "ENOENT", reading("/dev/kvm")),
    Attempt("devices", "/dev/fuse", "serve a file system", "ENOENT", reading("/dev/fuse")),
    Attempt("devices", "iopl", "use every port of the machine", "EPERM ENOSYS", calling("iopl", 3)),
    Attempt("devices", "ioperm", "use one port of the machine", "EPERM ENOSYS", calling("ioperm", 0x80, 1, 1)),
    Attempt("devices", "TIOCSTI", "type into a terminal", "EPERM EIO", acts.terminal),
    Attempt("kernel", "kexec_load", "start another kernel", _FILTERED, calling("kexec_load", 0, 0, None, 0xFFFF)),
    Attempt("kernel", "kexec_file_load", "start another kernel from a file", _FILTERED,
            calling("kexec_file_load", -1, -1, 0, None, 0xFFFF)),
    Attempt("kernel", "init_module", "load a module", _FILTERED, calling("init_module", None, 0, b"")),
    Attempt("kernel", "finit_module", "load a module from a file", _FILTERED, calling("finit_module", -1, b"", 0)),
    Attempt("kernel", "delete_module", "remove a module", _FILTERED,
            calling("delete_module", b"metalor_no_such_module", 0)),
    Attempt("kernel", "bpf", "load a program into the kernel", _FILTERED, calling("bpf", 5, bytes(128), 128)),
    Attempt("kernel", "perf_event_open", "watch the machine", _FILTERED,
            calling("perf_event_open", None, 0, -1, -1, 0)),
    Attempt("kernel", "keyctl", "reach the keys of a session", _FILTERED, calling("keyctl", 0, -3, 0)),
    Attempt("kernel", "add_key", "keep a key in the kernel", _FILTERED,
            calling("add_key", b"user", b"metalor", b"x", 1, -1)),
    Attempt("kernel", "request_key", "ask for a key", _FILTERED, calling("request_key", b"user", b"metalor", None, 0)),
    Attempt("kernel", "userfaultfd", "stop the kernel in the middle of a copy", _FILTERED, calling("userfaultfd", 0)),
    Attempt("kernel", "io_uring_setup", "make calls that no filter sees", _FILTERED,
            calling("io_uring_setup", 1, None)),
    Attempt("kernel", "fanotify", "decide about others' opening of files", _FILTERED, calling("fanotify_init", 4, 0)),
    Attempt("machine", "reboot", "restart the machine", _FILTERED, calling("reboot", 0, 0, 0, None)),
    Attempt("machine", "swapon", "let the machine swap to a file", _FILTERED, calling("swapon", b"/none", 0)),
    Attempt("machine", "settimeofday", "set the clock", _FILTERED, calling("settimeofday", None, None)),
    Attempt("machine", "sethostname", "rename the machine", _FILTERED, calling("sethostname", b"metalor", 7)),
    Attempt("machine", "setdomainname", "rename its domain", _FILTERED, calling("setdomainname", b"(none)", 6)),
    Attempt("machine", "acct", "write an account of every process", _FILTERED, calling("acct", b"/none")),
    Attempt("machine", "quotactl", "change quotas", _FILTERED, calling("quotactl", 0x80000100, None, 0, None)),
    Attempt("/proc", "core_pattern", "name a program that the kernel starts at a crash", _ABSENT_OR_REFUSED,
            writing("/proc/sys/kernel/core_pattern")),
    Attempt("/proc", "modprobe", "name a program that the kernel starts for a module", _ABSENT_OR_REFUSED,
            writing("/proc/sys/kernel/modprobe")),
    Attempt("/proc", "/proc/sys/vm", "change how the machine uses its memory", _ABSENT_OR_REFUSED,
            writing("/proc/sys/vm/overcommit_memory")),
    Attempt("/proc", "binfmt_misc", "name a program that runs the programs of others", _ABSENT_OR_REFUSED,
            writing("/proc/sys/fs/binfmt_misc/register")),
    Attempt("/proc", "sysrq-trigger", "order the kernel about", _ABSENT_OR_REFUSED, writing("/proc/sysrq-trigger")),
    Attempt("/proc", "/proc/irq", "move interrupts", _ABSENT_OR_REFUSED, writing("/proc/irq/default_smp_affinity")),
    Attempt("/proc", "/proc/kcore", "read the machine's memory as a file", _ABSENT_OR_REFUSED, reading("/proc/kcore")),
    Attempt("/proc", "/proc/keys", "list keys", _ABSENT_OR_REFUSED, reading("/proc/keys")),
    Attempt("/sys", "write /sys", "change a setting of a device or of the kernel", _ABSENT_OR_REFUSED,
            acts.first(("/sys/kernel/uevent_helper", "/sys/power/state", "/sys/kernel/mm/ksm/run"))),
    Attempt("/sys", "cgroup", "make a control group", _ABSENT_OR_REFUSED, acts.group),
    Attempt("/sys", "firmware", "read the firmware's variables", _ABSENT_OR_REFUSED, listing("/sys/firmware")),
    Attempt("/sys", "debugfs", "reach the kernel's debugging files", _ABSENT_OR_REFUSED, listing("/sys/kernel/debug")),
    Attempt("/sys", "tracefs", "trace the kernel", _ABSENT_OR_REFUSED, listing("/sys/kernel/tracing")),
    Attempt("init", "ptrace", "steer the step's init", "EPERM EACCES", calling("ptrace", 0x4206, 1, 0, 0)),
    Attempt("init", "process_vm_readv", "read its memory", "EPERM EACCES", acts.readv),
    Attempt("init", "pidfd_getfd", "take a descriptor of it", _FILTERED, acts.getfd),
    Attempt("init", "/proc/1/mem", "read its memory as a file", "EACCES EPERM", reading("/proc/1/mem")),
    Attempt("init", "/proc/1/environ", "read its environment", "EACCES EPERM", reading("/proc/1/environ")),
    Attempt("init", "/proc/1/maps", "learn where its memory is", "EACCES EPERM", reading("/proc/1/maps")),
    Attempt("init", "/proc/1/exe", "reach its program", "EACCES EPERM", link("/proc/1/exe")),
    Attempt("init", "/proc/1/map_files", "reach its libraries", "EACCES EPERM ENOENT", listing("/proc/1/map_files")),
    Attempt("init", "/proc/1/fd", "reach its descriptors", "EACCES EPERM", acts.descriptors_of_init),
    Attempt("init", "/proc/1/cwd", "reach its directory", "EACCES EPERM", link("/proc/1/cwd")),
    Attempt("init", "/proc/1/root", "reach its root", "EACCES EPERM", lambda given: os.chroot("/proc/1/root")),
    Attempt("init", "kill init", "end it", f"{HELD} EPERM", acts.kill_init),
    Attempt("network", "raw socket", "forge packets", _FILTERED, connecting(socket.AF_INET, socket.SOCK_RAW, 1)),
    Attempt("network", "packet socket", "see all packets", _FILTERED, connecting(socket.AF_PACKET, socket.SOCK_RAW)),
    Attempt("network", "interface", "change an interface", _FILTERED, acts.shape_loopback),
    Attempt("network", "vsock", "talk to the host of a virtual machine past every network namespace", "EPERM",
            connecting(getattr(socket, "AF_VSOCK", 40), socket.SOCK_STREAM)),
    Attempt("kernel", "AF_ALG", "reach the kernel's cryptography", "EPERM", connecting(38, socket.SOCK_SEQPACKET)),
    Attempt("limits", "raise a limit", "raise a limit above what it was given", _FILTERED, acts.raise_limit),
    Attempt("limits", "oom_score_adj", "be the last that dies when memory runs out", "EACCES EPERM", acts.spare_me),
    Attempt("limits", "real time", "run before every process of the machine", _FILTERED, acts.hurry),
    Attempt("files", "trusted attribute", "write an attribute that the kernel trusts", _FILTERED, acts.trusted),
    Attempt("information", "kernel log", "read the kernel's log", "EPERM", calling("syslog", 10, None, 0)),
)  # fmt: skip
"""Everything that is tried; a name stands once."""


def outcome_of(attempt: Attempt, given: Given) -> str:
    """Try one thing in a forked child; give `allowed`, the errno's name, the signal's name, or what it says itself."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        said = ""
        try:
            signal.alarm(_PATIENCE)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            result = attempt.act(given)
            said = result if isinstance(result, str) else ALLOWED
        except OSError as error:
            said = errno.errorcode.get(error.errno or 0, str(error.errno))
        except BaseException as error:
            said = repr(error)
        finally:
            os.write(write, said.encode())
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answers:
        said = answers.read().decode()
    _, status = os.waitpid(pid, 0)
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else said
