"""A registry on loopback for tests: Debian's docker-registry, without TLS, its data in a temporary directory."""

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Run a registry; gives `localhost:PORT`. The caller sets CONTAINERS_REGISTRIES_CONF to `registries_conf(...)`."""
    program = shutil.which("docker-registry")
    if program is None:
        raise FileNotFoundError("docker-registry is not installed: apt-get install docker-registry")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.yml"
    config.write_text(
        "version: 0.1\nlog: {level: error}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(config)], stdout=log, stderr=log, env=environment)
        try:
            _wait(process, f"http://127.0.0.1:{port}/v2/", folder / "log")
            yield f"localhost:{port}"
        finally:
            process.terminate()
            process.wait(10)


def registries_conf(folder: Path, name: str) -> Path:
    """A registries.conf that allows plain http for one registry."""
    path = folder / "registries.conf"
    path.write_text(f'unqualified-search-registries = []\n[[registry]]\nlocation = "{name}"\ninsecure = true\n')
    return path


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(200):
        if process.poll() is not None:
            raise RuntimeError(f"docker-registry ended: {log.read_text()}")
        try:
            opener.open(url, timeout=1).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError(f"docker-registry does not answer: {log.read_text()}")
