"""A git server on loopback for tests: git's own `http-backend` behind Python's HTTP server."""

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

USER, PASSWORD = "reader", "hunter2"


class Forge:
    """Repositories below a folder, served by HTTP.

    Args:
        folder: bare repositories go into `folder/repositories`; those in `private/` want USER and PASSWORD.

    """

    def __init__(self, folder: Path) -> None:
        self.root = folder / "repositories"
        self.root.mkdir(parents=True)
        self.work = folder / "work"
        self.asked: list[str] = []
        forge = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._serve(b"")

            def do_POST(self) -> None:
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = b""
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                else:
                    body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                self._serve(body)

            def _serve(self, body: bytes) -> None:
                path, _, query = self.path.partition("?")
                forge.asked.append(f"{self.command} {self.path}")
                wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
                if path.startswith("/private/") and self.headers.get("Authorization") != wanted:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="x"')
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                environment = {
                    "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(forge.root), "GIT_HTTP_EXPORT_ALL": "1",
                    "REQUEST_METHOD": self.command, "PATH_INFO": path, "QUERY_STRING": query,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""), "REMOTE_ADDR": "127.0.0.1",
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "GIT_CONFIG_COUNT": "1",
                    "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
                }  # fmt: skip
                done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True)
                head, _, content = done.stdout.partition(b"\r\n\r\n")
                headers = [line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line]
                status = dict(headers).get("Status", "200 OK").split()[0]
                self.send_response(int(status))
                for name, value in headers:
                    if name != "Status":
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self.server.server_port}"

    def git(self, *words: str, cwd: Path | None = None) -> str:
        """Run git as an author; gives what it prints."""
        environment = {
            **os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@e.org", "GIT_AUTHOR_DATE": "1500000000 +0000",
            "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@e.org", "GIT_COMMITTER_DATE": "1500000000 +0000",
        }  # fmt: skip
        settings = ("-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main", "-c", "safe.directory=*")
        done = subprocess.run(["git", *settings, *words], cwd=cwd, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout.strip()

    def commit(self, name: str, files: dict[str, str], *, links: dict[str, tuple[str, str]] | None = None) -> str:
        """Commit files (and submodules: path to address and commit) to a repository, made where there is none.

        A name that ends in `*` is executable, a text that begins with `-> ` is a link. Gives the commit's hash.
        """
        bare, work = self.root / name, self.work / name
        if not bare.exists():
            self.git("init", "-q", "--bare", str(bare))
            self.git("init", "-q", str(work))
        for each in work.iterdir():
            if each.name != ".git":
                subprocess.run(["rm", "-rf", str(each)], check=True)
        for path, text in files.items():
            target = work / path.rstrip("*")
            target.parent.mkdir(parents=True, exist_ok=True)
            if text.startswith("-> "):
                target.symlink_to(text[3:])
            else:
                target.write_bytes(text.encode())
                target.chmod(0o755 if path.endswith("*") else 0o644)
        if links:
            lines = [f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n' for path, (url, _) in links.items()]
            (work / ".gitmodules").write_text("".join(lines))
        self.git("add", "-A", cwd=work)
        for path, (_, commit) in (links or {}).items():
            self.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}", cwd=work)
        self.git("commit", "-q", "--allow-empty", "-m", "x", cwd=work)
        self.git("push", "-q", str(bare), "HEAD:refs/heads/main", cwd=work)
        return self.git("rev-parse", "HEAD", cwd=work)


@contextmanager
def forge(folder: Path) -> Iterator[Forge]:
    """Run a server."""
    found = Forge(folder)
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.server.shutdown()
        found.server.server_close()
        thread.join()
