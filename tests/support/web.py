"""Web servers on loopback for tests: Debian's nginx with a certificate of our own, and lines that break."""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

USER, PASSWORD = "reader", "pass word 1"

_CONFIG = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log warn;
events {{ worker_connections 64; }}
http {{
    access_log {folder}/access.log combined;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    default_type application/octet-stream;
    server {{
        listen 127.0.0.1:{plain};
        root {folder}/www;
        location /moved/ {{ rewrite ^/moved/(.*)$ /$1 redirect; }}
        location /loop {{ return 302 /loop; }}
        location /nowhere {{ return 302 ftp://127.0.0.1/x; }}
        location /slow/ {{ alias {folder}/www/; limit_rate 4k; }}
        location /down {{ return 503; }}
        location /private/ {{ alias {folder}/www/; auth_basic "x"; auth_basic_user_file {folder}/passwords; }}
        location /away {{ return 302 http://localhost:{plain}/private/small; }}
    }}
    server {{
        listen 127.0.0.1:{secure} ssl;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
        root {folder}/www;
        location /private/ {{ alias {folder}/www/; auth_basic "x"; auth_basic_user_file {folder}/passwords; }}
        location /down-to-http {{ return 301 http://localhost:{plain}/small; }}
    }}
}}
"""


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@dataclass(frozen=True)
class Site:
    """A running server.

    Args:
        www: what it serves.
        authority: the certificate to trust.

    """

    folder: Path
    plain: int
    secure: int

    @property
    def www(self) -> Path:
        return self.folder / "www"

    @property
    def authority(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def http(self) -> str:
        return f"http://localhost:{self.plain}"

    @property
    def https(self) -> str:
        return f"https://localhost:{self.secure}"

    def asked(self) -> list[str]:
        """The lines of its log."""
        time.sleep(0.02)  # written after the answer
        path = self.folder / "access.log"
        return path.read_text().splitlines() if path.exists() else []


def make_certificates(folder: Path) -> None:
    """An authority and a certificate for localhost from it, with openssl."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test authority")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "ext").write_text("subjectAltName=DNS:localhost\n")
    openssl(
        "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
        "-extfile", "ext", "-out", "server.pem",
    )  # fmt: skip


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """Run a server on what will be in `folder/www`."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        raise FileNotFoundError("nginx is not installed: apt-get install nginx")
    (folder / "www").mkdir(parents=True)
    (folder / "passwords").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
    make_certificates(folder)
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        found = Site(folder=folder, plain=first.getsockname()[1], secure=second.getsockname()[1])
    (folder / "nginx.conf").write_text(_CONFIG.format(folder=folder, plain=found.plain, secure=found.secure))
    argv = [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(argv, stdout=said, stderr=said)
        try:
            _wait(process, found.plain, folder)
            yield found
        finally:
            process.terminate()
            process.wait(10)


def _wait(process: "subprocess.Popen[bytes]", port: int, folder: Path) -> None:
    for _ in range(200):
        if process.poll() is not None:
            raise RuntimeError(f"nginx ended: {(folder / 'said').read_text()}")
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
    raise RuntimeError("nginx does not answer")


class Listener:
    """Takes connections on loopback, each in a thread of its own, until it is closed."""

    def __init__(self, serve: Callable[[socket.socket, int], None]) -> None:
        self._serve = serve
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._sock.getsockname()[1]
        self.count = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                line, _ = self._sock.accept()
            except OSError:
                return
            number, self.count = self.count, self.count + 1
            threading.Thread(target=self._one, args=(line, number), daemon=True).start()

    def _one(self, line: socket.socket, number: int) -> None:
        with line, suppress(OSError):
            self._serve(line, number)

    def close(self) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        self._thread.join()


@contextmanager
def listener(serve: Callable[[socket.socket, int], None]) -> Iterator[Listener]:
    """A Listener, closed at the end; `serve` gets a connection and its number."""
    found = Listener(serve)
    try:
        yield found
    finally:
        found.close()


@contextmanager
def cutting(port: int, cuts: Sequence[int]) -> Iterator[Listener]:
    """A proxy to a server whose first connections are cut after so many bytes of the answer."""

    def serve(line: socket.socket, number: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as server:
            left = cuts[number] if number < len(cuts) else 1 << 60
            server.sendall(_question(line))
            while left and (data := server.recv(min(left, 65536))):
                line.sendall(data)
                left -= len(data)

    with listener(serve) as found:
        yield found


@contextmanager
def answering(*answers: bytes) -> Iterator[Listener]:
    """A server that gives these bytes, one answer a connection, the last one again and again, and closes."""

    def serve(line: socket.socket, number: int) -> None:
        _question(line)
        line.sendall(answers[min(number, len(answers) - 1)])

    with listener(serve) as found:
        yield found


def _question(line: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data and (more := line.recv(65536)):
        data += more
    return data
