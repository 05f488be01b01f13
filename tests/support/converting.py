"""A context and some bases for conversions: real files, and configurations as images have them."""

import tarfile
from pathlib import Path

from metalor_lang.build.dockerfolder import DockerFolder
from metalor_lang.convert import BaseFacts

PATH = ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
BASES = {
    "debian:12": BaseFacts(env=(PATH,), cmd=True),
    "busybox:1": BaseFacts(env=(PATH,), cmd=True),
    "empty:1": BaseFacts(env=(PATH,)),
    "entry:1": BaseFacts(env=(PATH,), entrypoint=True, cmd=True),
    "nonroot:1": BaseFacts(env=(PATH,), user="1000", workdir="/home"),
    "bash:1": BaseFacts(env=(PATH,), shell=("/bin/bash", "-c")),
    "java:1": BaseFacts(env=(PATH, ("JAVA_HOME", "/usr/java"))),
    "onbuild:1": BaseFacts(env=(PATH,), onbuild=("COPY . /app", "RUN make")),
}
"""What is known of images; of any other nothing is."""

FILES = (
    "a.txt", "b.txt", "with space.txt", "package.json", "package-lock.json", "src/main.c", "src/sub/x",
    "docs/readme.md", "private/key", "nginx.conf",
)  # fmt: skip


class Workshop(DockerFolder):
    """A folder with files, and the bases above."""

    def base(self, reference: str) -> BaseFacts | None:
        """From the table."""
        return BASES.get(reference)


def workshop(folder: Path) -> Workshop:
    """Fill an empty folder, and look at it."""
    for name in FILES:
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(f"{name}\n")
        path.chmod(0o644)
    for name, mode in (("run.sh", 0o755), ("secret.key", 0o600)):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(mode)
    for name in ("src", "src/sub", "docs", "private"):
        (folder / name).chmod(0o755)
    (folder / "private/key").chmod(0o640)
    (folder / "team").mkdir(mode=0o775)
    (folder / "team/file").write_text("file")
    (folder / "team").chmod(0o775)
    (folder / "team/file").chmod(0o664)
    with tarfile.open(folder / "rootfs.tar.gz", "w:gz") as archive:
        archive.add(folder / "a.txt", "etc/a.txt")
    (folder / "rootfs.tar.gz").chmod(0o644)
    folder.chmod(0o755)
    return Workshop(folder, folder / "Dockerfile", folder / "no-store", "linux/amd64")


def cases(path: Path) -> list[tuple[str, str]]:
    """The Dockerfiles of a file of cases: `=== NAME`, then the text."""
    out: list[tuple[str, str]] = []
    for part in path.read_text(encoding="utf-8").split("=== ")[1:]:
        name, _, text = part.partition("\n")
        out.append((name, text))
    return out
