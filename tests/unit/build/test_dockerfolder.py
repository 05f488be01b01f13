"""What a conversion is told of a context and of images."""

import bz2
import gzip
import lzma
import tarfile
from pathlib import Path

import pytest

from metalor_lang.build.dockerfolder import DockerFolder, facts
from metalor_lang.convert import Kind
from metalor_lang.oci.config import ConfigFields
from tests.support.converting import workshop


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    context = tmp_path / "context"
    context.mkdir()
    workshop(context)
    return context


def opened(folder: Path, ignore: str | None = None) -> DockerFolder:
    if ignore is not None:
        (folder / ".dockerignore").write_text(ignore)
    return DockerFolder(folder, folder / "Dockerfile", folder / "no-store", "linux/amd64")


def test_kinds(folder: Path) -> None:
    (folder / "inside").symlink_to("src")
    (folder / "outside").symlink_to("/etc")
    (folder / "gone").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    world = opened(folder)
    kinds = {
        name: world.kind(name) for name in (".", "src", "a.txt", "rootfs.tar.gz", "inside", "inside/main.c", "/a.txt")
    }
    assert kinds == {
        ".": Kind.DIRECTORY, "src": Kind.DIRECTORY, "a.txt": Kind.FILE, "rootfs.tar.gz": Kind.ARCHIVE,
        "inside": Kind.DIRECTORY, "inside/main.c": Kind.FILE, "/a.txt": Kind.FILE,
    }  # fmt: skip
    assert [
        world.kind(name) for name in ("outside", "outside/passwd", "gone", "none", "loop", "n" * 300, "a\0b", "../x")
    ] == [None] * 8


def test_archives_are_told_by_their_bytes(folder: Path) -> None:
    with tarfile.open(folder / "plain.bin", "w") as archive:
        archive.add(folder / "a.txt", "a.txt")
    plain = (folder / "plain.bin").read_bytes()
    for name, content in (("x.xz", lzma.compress(plain)), ("y.bz2", bz2.compress(plain)), ("z", gzip.compress(plain))):
        (folder / name).write_bytes(content)
    (folder / "text.gz").write_bytes(gzip.compress(b"just text\n"))
    (folder / "false.tar").write_text("no archive\n")
    world = opened(folder)
    names = ("plain.bin", "x.xz", "y.bz2", "z", "text.gz", "false.tar")
    assert [world.kind(name) for name in names] == [Kind.ARCHIVE] * 4 + [Kind.FILE] * 2


def test_what_is_ignored_is_not_there(folder: Path) -> None:
    world = opened(folder, "*\n!src/main.c\n")
    assert world.kind("a.txt") is None and world.kind("src/sub") is None
    assert world.kind("src") is Kind.DIRECTORY and world.kind("src/main.c") is Kind.FILE
    assert world.glob("*") == ("src",) and world.glob("src/*") == ("src/main.c",)
    assert world.modes(".") == frozenset()
    (folder / "Dockerfile.dockerignore").write_text("b.txt\n")
    own = opened(folder)
    assert own.kind("a.txt") is Kind.FILE and own.kind("b.txt") is None


def test_patterns(folder: Path) -> None:
    (folder / "app.metalor").write_text("FROM scratch\n")
    world = opened(folder, "# nothing\n")
    assert world.glob("?.txt") == world.glob("[ab].txt") == world.glob("[^c-z].txt") == ("a.txt", "b.txt")
    assert world.glob("*/main.?") == ("src/main.c",) and world.glob("pack*.json") == (
        "package-lock.json",
        "package.json",
    )
    assert world.glob("[z-a]") == world.glob("[") == world.glob("none*") == ()
    assert "app.metalor" not in world.glob("*") and ".dockerignore" in world.glob("*")


def test_modes(folder: Path) -> None:
    world = opened(folder)
    assert world.modes("a.txt") == world.modes("src") == world.modes("none") == frozenset()
    assert world.modes("secret.key") == {0o600} and world.modes("private") == {0o640}
    assert world.modes(".") == {0o600, 0o640, 0o664, 0o775}


def test_images(folder: Path) -> None:
    assert opened(folder).base("debian:12") is None
    config = ConfigFields(
        env=(("A", "1"),), user="app", workdir="/srv", entrypoint=("/x",), onbuild=("RUN make",),
        extra={"Shell": ["/bin/bash", "-c"]},
    )  # fmt: skip
    found = facts(config)
    assert (found.env, found.user, found.workdir, found.onbuild) == ((("A", "1"),), "app", "/srv", ("RUN make",))
    assert found.shell == ("/bin/bash", "-c") and found.entrypoint and not found.cmd
