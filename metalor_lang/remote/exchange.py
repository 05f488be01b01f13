"""One request over HTTP and its answer, redirects followed.

Invariant: an exchange can be ended from another thread at any time; what the network or a server does wrong comes as
Broken (another try may help) or FetchRefused (none will).
"""

import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from metalor_lang.hints import Final
from metalor_lang.record import dataclass
from metalor_lang.remote.address import Address, credentials, proxy_for, redirected
from metalor_lang.remote.dialing import Halt, dial
from metalor_lang.remote.errors import Broken, FetchRefused

AGENT: Final = "metalor"
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_LATER: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses of a server that may give the file another time."""
_MOST_REDIRECTS: Final = 10
_LONGEST_WAIT: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long is waited, in seconds.

    Args:
        connect: for a connection.
        stall: for the next bytes.
        pause: before the second try; twice as long before each further one.
        tries: how often a transfer may break without having brought anything.

    """

    connect: float = 30.0
    stall: float = 60.0
    pause: float = 0.5
    tries: int = 5


class Answer:
    """The answer of a server.

    Attributes:
        status: of HTTP.
        reason: the server's word for it.
        address: who gave it, at the end of all redirects.

    """

    def __init__(self, response: http.client.HTTPResponse, address: Address, patience: Patience, halt: Halt) -> None:
        self.status = response.status
        self.reason = response.reason
        self.address = address
        self._response = response
        self._patience = patience
        self._halt = halt

    def header(self, name: str) -> str:
        """A header, "" where it is missing."""
        return self._response.headers.get(name, "").strip()

    @property
    def length(self) -> int | None:
        """How many bytes are announced, None where nothing is."""
        return self._response.length

    def read(self, size: int) -> bytes:
        """The next bytes, b"" at the end.

        Raises:
            Broken: the connection broke, or nothing came for too long.
            InterruptedError: the transfer was ended.

        """
        with _trouble(self.address, self._patience, self._halt):
            return self._response.read1(size)


@contextmanager
def ask(address: Address, headers: Mapping[str, str], patience: Patience, halt: Halt) -> Iterator[Answer]:
    """Send a GET and follow where the server sends us.

    Args:
        address: of the file.
        headers: to send besides the usual ones.
        patience: how long to wait.
        halt: ends it.

    Raises:
        Broken: it is worth another try.
        FetchRefused: it is not.
        InterruptedError: `halt` was fired.

    """
    first = address
    known = credentials(address)
    for _ in range(_MOST_REDIRECTS + 1):
        whole = dict(headers)
        # What the netrc file has for a host is for that host, wherever it may send us.
        if known and address.same_server(first):
            whole["Authorization"] = known
        with ExitStack() as stack:
            proxy = proxy_for(address)
            connection = _connection(address, proxy, patience)
            _let_dial(connection, halt, stack)
            stack.callback(connection.close)
            with _trouble(address, patience, halt):
                connection.connect()
                connection.sock.settimeout(patience.stall)
                _send(connection, address, proxy, whole)
                response = connection.getresponse()
            # It keeps the socket to itself where nothing can follow it.
            stack.callback(response.close)
            if response.status not in _REDIRECTS:
                yield _sorted(Answer(response, address, patience, halt))
                return
            location = response.headers.get("Location", "")
        if not location:
            raise FetchRefused(f"{address.shown} sends us on (status {response.status}) and does not say where to")
        address = redirected(address, location)
    raise FetchRefused(f"{first.shown} sends us on more than {_MOST_REDIRECTS} times", help="write where it ends")


def _sorted(answer: Answer) -> Answer:
    """The answer, if it is one that a file or a part of it may come with."""
    status = answer.status
    if status in (200, 206, 304, 416):
        return answer
    said = f"{answer.address.shown} answers {status} {answer.reason}".rstrip()
    if status in _LATER:
        raise Broken(said, wait=_seconds(answer.header("Retry-After")))
    match status:
        case 401 | 407:
            help = f"put it into ~/.netrc: machine {answer.address.host} login USER password PASSWORD"
        case 403:
            help = "it is not for us: look whether the address is right and needs no log-in"
        case 404 | 410:
            help = "look whether the address is right: the file may have moved"
        case _:
            help = ""
    raise FetchRefused(said, help=help)


def _seconds(text: str) -> float | None:
    return min(float(text), _LONGEST_WAIT) if text.isascii() and text.isdigit() and len(text) < 6 else None


Proxy = tuple[Address, str]


def _connection(address: Address, proxy: Proxy | None, patience: Patience) -> http.client.HTTPConnection:
    if proxy is not None and proxy[0].scheme == "https":
        raise FetchRefused("a proxy that speaks https itself cannot be used", help="write it as http://host:port")
    server = proxy[0] if proxy is not None else address
    if address.scheme == "http":
        return http.client.HTTPConnection(server.host, server.port, timeout=patience.connect)
    context = ssl.create_default_context()
    connection = http.client.HTTPSConnection(server.host, server.port, timeout=patience.connect, context=context)
    if proxy is not None:
        headers = {"Proxy-Authorization": proxy[1]} if proxy[1] else {}
        connection.set_tunnel(address.host, address.port, headers)
    return connection


def _let_dial(connection: http.client.HTTPConnection, halt: Halt, stack: ExitStack) -> None:
    """Have a connection made so that it can be ended meanwhile; it is covered until `stack` ends."""

    def make(server: tuple[str, int], timeout: float, source: object = None) -> socket.socket:
        sock = dial(server[0], server[1], timeout, halt)
        stack.callback(sock.close)
        stack.enter_context(halt.covers(sock))
        return sock

    # What http.client makes its sockets with, since Python 3.3; there is no public way.
    setattr(connection, "_create_connection", make)  # noqa: B010


def _send(
    connection: http.client.HTTPConnection, address: Address, proxy: Proxy | None, headers: Mapping[str, str]
) -> None:
    through = proxy if address.scheme == "http" else None
    connection.putrequest(
        "GET", address.whole if through else address.target, skip_host=True, skip_accept_encoding=True
    )  # fmt: skip
    everything = {"Host": address.authority, "User-Agent": AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
    if through and through[1]:
        everything["Proxy-Authorization"] = through[1]
    for name, value in (everything | dict(headers)).items():
        connection.putheader(name, value)
    connection.endheaders()


@contextmanager
def _trouble(address: Address, patience: Patience, halt: Halt) -> Iterator[None]:
    """What goes wrong on a line, in words."""
    server = address.authority
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise FetchRefused(
            f"the certificate of {server} is not trusted: {error.verify_message}",
            help="its maker's certificate belongs into the machine's list; SSL_CERT_FILE names another list",
        ) from None
    except TimeoutError:
        halt.check()
        raise Broken(f"{server} did not answer for {patience.stall:g} s") from None
    except socket.gaierror as error:
        raise Broken(f"there is no server {address.host} ({error.strerror})") from None
    except http.client.RemoteDisconnected:
        halt.check()
        raise Broken(f"{server} closed the connection without an answer") from None
    except http.client.IncompleteRead as error:
        halt.check()
        raise Broken(f"{server} broke off after {len(error.partial)} bytes of a piece") from None
    except http.client.HTTPException as error:
        halt.check()
        raise Broken(f"{server} does not speak HTTP ({type(error).__name__})") from None
    except InterruptedError:
        raise
    except OSError as error:  # a proxy that refuses a tunnel, too
        halt.check()
        raise Broken(f"the connection to {server} broke: {error.strerror or error}") from None
    halt.check()
