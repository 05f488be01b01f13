import os
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalor_lang.runtime import protocol
from metalor_lang.runtime.protocol import MountOrder, Order


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with left, right:
        yield left, right


def order(**changes: object) -> Order:
    fields: dict[str, object] = {
        "argv": ["true"], "env": [["A", "b"]], "cwd": "/", "uid": 1, "gid": 2, "groups": [3], "network": "none",
        "timeout": 1.5, "grace": 5.0, "hostname": "h", "pipefail": False,
        "mounts": [MountOrder(kind="bind", target="/x", fd=1), MountOrder(kind="tmpfs", target="/t", size=9)],
        "view": 0, "output": 2,
    }  # fmt: skip
    return Order(**(fields | changes))  # type: ignore[arg-type]


def test_descriptors_travel_and_close_at_exec(pair: tuple[socket.socket, socket.socket]) -> None:
    read, write = os.pipe()
    protocol.send(pair[0], b"x", [write])
    payload, fds = protocol.receive(pair[1])
    assert payload == b"x"
    assert len(fds) == 1 and not os.get_inheritable(fds[0])
    os.write(fds[0], b"hello")
    assert os.read(read, 5) == b"hello"
    for fd in (read, write, *fds):
        os.close(fd)


def test_the_end_of_file_is_an_empty_packet(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[0].close()
    assert protocol.receive(pair[1]) == (b"", [])


def test_a_packet_that_is_too_long_is_refused_and_its_descriptors_closed(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    read, write = os.pipe()
    protocol.send(pair[0], b"x" * 100, [write])
    os.close(write)
    with pytest.raises(OSError, match="cut off"):
        protocol.receive(pair[1], 10)
    assert os.read(read, 1) == b""  # nobody holds the other end
    os.close(read)


def test_an_order_finds_its_descriptors() -> None:
    decoded = Order.decode(order(stdin=3).encode(), [10, 11, 12, 13])
    assert (decoded.view, decoded.output, decoded.errors, decoded.stdin) == (10, 12, -1, 13)
    assert [mount.fd for mount in decoded.mounts] == [11, -1]
    assert decoded.mounts[1].size == 9
    assert decoded.timeout == 1.5


@given(st.lists(st.binary()), st.lists(st.tuples(st.binary(), st.binary())))
def test_words_of_any_bytes_arrive_unchanged(argv: list[bytes], env: list[tuple[bytes, bytes]]) -> None:
    sent = order(argv=[os.fsdecode(word) for word in argv], env=[[os.fsdecode(a), os.fsdecode(b)] for a, b in env])
    got = Order.decode(sent.encode(), [1, 2, 3])
    assert [os.fsencode(word) for word in got.argv] == argv
    assert [(os.fsencode(name), os.fsencode(value)) for name, value in got.env] == env


def test_memory_holds_more_than_a_packet() -> None:
    data = os.urandom(3 << 20)
    fd = protocol.to_memory(data, "t")
    assert protocol.from_memory(fd) == data
    assert protocol.from_memory(fd) == data  # does not depend on the offset
    os.close(fd)


def test_a_status_fits_a_packet_whatever_the_message() -> None:
    encoded = protocol.encode_status(125, message="é\n" * 100_000)
    assert len(encoded) < 1 << 16
    assert protocol.decode_status(encoded) == (125, None, False, False, ("é\n" * 2000))


@given(
    st.integers(0, 255),
    st.none() | st.integers(1, 64),
    st.booleans(),
    st.booleans(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
)
def test_a_status_is_read_as_it_was_written(
    code: int, number: int | None, timed_out: bool, cancelled: bool, message: str
) -> None:
    said = protocol.encode_status(code, signal=number, timed_out=timed_out, cancelled=cancelled, message=message)
    assert protocol.decode_status(said) == (code, number, timed_out, cancelled, message)
