"""What the builder and the helper process say to each other.

Invariant: one step is one message on the helper's socket, carrying descriptors by name; the step then has a socket of
its own, on which one answer comes back and short orders go in. End of file on either means: kill everything.
Lean: imported by the helper, so no dataclasses.
"""

import marshal
import os
import struct

from metalor_lang.kernel.whole import write_all
from metalor_lang.runtime.plain import Socket, socket

# What the helper says first; anything else is the reason why it cannot serve.
READY = b"ready"
# Orders on a step's socket.
CANCEL = b"cancel"
# Answers on a step's socket: the pseudo-terminal (with its descriptor), then the status.
TERMINAL = b"terminal"

# Exit statuses of our own (the first three as timeout(1) and env(1) have them).
TIMED_OUT = 124
OURS = 125
NOT_EXECUTABLE = 126
NOT_FOUND = 127

_MAX_FDS = 253
_CHUNK = 1 << 16


def kind(*, own_network: bool, grouped: bool) -> bytes:
    """Say in a message what a step's init must know before its order, to be made ahead: its namespaces."""
    return b"step" + (b" network" if own_network else b"") + (b" groups" if grouped else b"")


def send(sock: Socket, payload: bytes, fds: "list[int] | tuple[int, ...]" = ()) -> None:
    """Send one packet, with descriptors.

    Raises:
        OSError: the other side is gone.

    """
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"{len(fds)}i", *fds))] if fds else []
    sock.sendmsg([payload], ancillary, socket.MSG_NOSIGNAL)


def receive(sock: Socket, size: int = _CHUNK) -> "tuple[bytes, list[int]]":
    """Receive one packet and its descriptors (close-on-exec); empty bytes are the end of file."""
    payload, ancillary, flags, _ = sock.recvmsg(size, socket.CMSG_SPACE(4 * _MAX_FDS), socket.MSG_CMSG_CLOEXEC)
    fds: list[int] = []
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.extend(struct.unpack(f"{len(data) // 4}i", data[: len(data) // 4 * 4]))
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        for fd in fds:
            os.close(fd)
        raise OSError(f"a packet of the step protocol was cut off ({len(payload)} bytes)")
    return payload, fds


def to_memory(data: bytes, name: str) -> int:
    """Put `data` into an anonymous file and give its descriptor (a packet is too small for a long script)."""
    fd = os.memfd_create(name)
    write_all(fd, data)
    return fd


def from_memory(fd: int) -> bytes:
    """Read a whole anonymous file, wherever its offset stands."""
    size = os.fstat(fd).st_size
    parts = []
    offset = 0
    while offset < size:
        part = os.pread(fd, size - offset, offset)
        if not part:
            break
        parts.append(part)
        offset += len(part)
    return b"".join(parts)


class MountOrder:
    """One explicit mount; `kind` is `bind` (of a descriptor, or of layers as in Order), `tmpfs` or `file`."""

    __slots__ = ("fd", "gid", "kind", "layers", "mode", "readonly", "size", "subpath", "target", "uid")

    def __init__(
        self, *, kind: str, target: str, fd: int = -1, subpath: str = "", readonly: bool = True, size: int = 0,
        mode: int = 0o755, uid: int = 0, gid: int = 0, layers: "list[list[str] | str | None] | None" = None,
    ) -> None:  # fmt: skip
        self.kind = kind
        self.layers = layers
        self.target = target
        self.fd = fd
        self.subpath = subpath
        self.readonly = readonly
        self.size = size
        self.mode = mode
        self.uid = uid
        self.gid = gid

    def fields(self) -> "dict[str, object]":
        """Give the fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


class Order:
    """A step request as the helper sees it.

    Descriptors are indices in the message, then the descriptors themselves. The root is `view`, a detached mount, or
    `layers`: the names below the store of [lower directories, base first], the upper and the work directory or None.
    `resolver` is the text of resolv.conf. `control_groups` are files of control groups to move into; `rlimits` stand
    in where there are none: pairs of a number of getrlimit(2) and a value.
    """

    __slots__ = (
        "argv",
        "control_groups",
        "cwd",
        "env",
        "errors",
        "gid",
        "grace",
        "groups",
        "hostname",
        "layers",
        "mounts",
        "network",
        "output",
        "pipefail",
        "resolver",
        "rlimits",
        "stdin",
        "terminal",
        "timeout",
        "uid",
        "view",
    )  # fmt: skip

    def __init__(
        self, *, argv: "list[str]", env: "list[list[str]]", cwd: str, uid: int, gid: int, groups: "list[int]",
        network: str, timeout: "float | None", grace: float, hostname: str, pipefail: bool,
        mounts: "list[MountOrder]", view: int = -1, layers: "list[list[str] | str | None] | None" = None,
        output: int = -1, errors: int = -1, stdin: int = -1, terminal: "list[int] | None" = None, resolver: str = "",
        control_groups: "list[int] | None" = None, rlimits: "list[list[int]] | None" = None,
    ) -> None:  # fmt: skip
        self.argv = argv
        self.env = env
        self.cwd = cwd
        self.uid = uid
        self.gid = gid
        self.groups = groups
        self.network = network
        self.timeout = timeout
        self.grace = grace
        self.hostname = hostname
        self.pipefail = pipefail
        self.mounts = mounts
        self.view = view
        self.layers = layers
        self.resolver = resolver
        self.control_groups = control_groups or []
        self.rlimits = rlimits or []
        self.output = output
        self.errors = errors
        self.stdin = stdin
        self.terminal = terminal

    def encode(self) -> bytes:
        """Give the bytes for `decode`, which the same interpreter reads: only we write them, so they are trusted."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        fields["mounts"] = [mount.fields() for mount in self.mounts]
        return marshal.dumps(fields)

    @classmethod
    def decode(cls, data: bytes, fds: "list[int]") -> "Order":
        """Read an order and put the received descriptors in place of their indices; without any they stay indices."""
        fields = marshal.loads(data)
        fields["mounts"] = [MountOrder(**mount) for mount in fields["mounts"]]
        order = cls(**fields)
        if not fds:
            return order
        for mount in order.mounts:
            mount.fd = fds[mount.fd] if mount.fd >= 0 else -1
        order.control_groups = [fds[index] for index in order.control_groups]
        order.view = fds[order.view] if order.view >= 0 else -1
        order.output = fds[order.output] if order.output >= 0 else -1
        order.errors = fds[order.errors] if order.errors >= 0 else -1
        order.stdin = fds[order.stdin] if order.stdin >= 0 else -1
        return order


def rehearse() -> None:
    """Read an order for nothing: what a fork writes to for the first time the kernel must copy, better ahead."""
    Order.decode(_SAMPLE, [0, 1, 2])


_SAMPLE = Order(
    argv=["sh"], env=[["PATH", "/bin"]], cwd="/", uid=0, gid=0, groups=[], network="none", timeout=None, grace=1.0,
    hostname="h", pipefail=True, mounts=[MountOrder(kind="tmpfs", target="/t")], output=2,
    layers=[["lower"], "upper", "work"],
).encode()  # fmt: skip


def encode_status(
    code: int, *, signal: "int | None" = None, timed_out: bool = False, cancelled: bool = False, message: str = ""
) -> bytes:
    """Give a status as four numbers and a message, which is cut where it is long."""
    numbers = f"{code} {signal or 0} {int(timed_out)} {int(cancelled)} "
    return (numbers + message[:4000]).encode("utf-8", "backslashreplace")


def decode_status(payload: bytes) -> "tuple[int, int | None, bool, bool, str]":
    """Read a status: code, signal, timed_out, cancelled, message.

    Raises:
        ValueError: it is none.

    """
    code, signal, timed_out, cancelled, message = payload.decode("utf-8", "replace").split(" ", 4)
    return int(code), int(signal) or None, timed_out == "1", cancelled == "1", message
