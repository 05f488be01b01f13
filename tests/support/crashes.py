"""What the tests of kills, power cuts and failing calls share: a small build, how to start it, what must be left.

A build runs in a fork of the test process, with the commands of `metalor` already imported: the same code as the
command, without the third of a second in which an interpreter only starts.
"""

import hashlib
import io
import os
import shutil
import signal
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import metalor_lang.cli.commands.build
import metalor_lang.cli.commands.cache  # noqa: F401 - forks must find it imported
from metalor_lang.cli.main import main
from metalor_lang.errors import MetalorError
from metalor_lang.oci.layout import Layout
from metalor_lang.runtime.world import Backend, enter
from metalor_lang.store import Store
from tests.support import ordinary
from tests.support.listing import listing_of
from tests.support.remains import ask_child, start
from tests.support.tinyroot import BUSYBOX

RECIPE = """\
ARG BASE
FROM ${BASE} AS left
SH echo left > /left; mkdir /dir; echo kept > /dir/kept; ln /left /hard
WORKDIR /a/b
COPY files/ /files/
SH rm /files/file-3; echo new > /files/file-4; rm -r /dir; mkdir /dir

FROM ${BASE} AS right
SH echo right > /right

FROM left
COPY --from=right /right /right
FILE /etc/motd '''
built
'''
ENTRYPOINT ["/bin/cat", "/right"]
"""
BASE_RECIPE = "FROM scratch\nCOPY tree/ /\n"
_APPLETS = ("sh", "echo", "mkdir", "ln", "rm", "cat", "sleep")


def backends() -> tuple[Backend, ...]:
    """The ways to run steps: all that there are, or those that `METALOR_BACKEND` names, with commas."""
    chosen = os.environ.get("METALOR_BACKEND")
    return tuple(Backend(name) for name in chosen.split(",")) if chosen else tuple(Backend)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What an undisturbed build gives.

    Args:
        digest: of the image.
        archive: SHA-256 of the oci-archive.
        tree: listing of the root file system.

    """

    digest: str
    archive: str
    tree: list[tuple[object, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A folder with a recipe and its base, and the environment of its builds; all the user's whose backend it is."""

    folder: Path
    backend: Backend

    @property
    def env(self) -> dict[str, str]:
        """The environment of a build."""
        named = {"METALOR_BACKEND": self.backend.value, "NO_COLOR": "1", "LANG": "C.UTF-8"}
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), **named}

    def words(self, store: Path, out: Path | None = None, *more: str) -> list[str]:
        """The command line of a build; `out` is a directory that gets three outputs."""
        base = f"BASE=oci-archive:{self.folder}/base.tar"
        words = ["build", "build.metalor", "--arg", base, "--store", str(store), "--jobs", "1", *more]
        if out is not None:
            words += ["-o", f"oci:{out}/layout:x", "-o", f"oci-archive:{out}/archive:x", "-o", f"rootfs:{out}/tree"]
        return words

    def body(self, words: list[str], output: Path) -> Callable[[], int]:
        """What a child process does to run the command; both its outputs go to a file."""
        return lambda: run_command(words, self, output)

    def run(self, words: list[str], output: Path) -> int:
        """Run the command in a child to its end; gives its exit status."""
        return os.waitstatus_to_exitcode(os.waitpid(start(self.body(words, output)), 0)[1])

    def become(self) -> None:
        """Be the user who builds: in a child process."""
        if self.backend is Backend.ROOTLESS:
            ordinary.become()

    def own(self, *paths: Path) -> None:
        """Give directories, with all that is in them, to the user who builds."""
        if self.backend is Backend.ROOTLESS:
            for path in paths:
                for place in (path, *path.rglob("*")):
                    os.chown(place, ordinary.UID, ordinary.UID, follow_symlinks=False)


def make_project(folder: Path, backend: Backend) -> Project:
    """Write the recipe and build its base: busybox and seven names for it.

    For the backend `rootless` this must be a mount namespace of the test's own, with the account in it.
    """
    (folder / "files").mkdir(parents=True)
    for number in range(5):
        (folder / "files" / f"file-{number}").write_text(f"{number}\n" * 200)
    (folder / "build.metalor").write_text(RECIPE)
    base = folder / "base"
    (base / "tree" / "bin").mkdir(parents=True)
    shutil.copy2(BUSYBOX, base / "tree" / "bin" / "busybox")
    for name in _APPLETS:
        (base / "tree" / "bin" / name).symlink_to("busybox")
    (base / "base.metalor").write_text(BASE_RECIPE)
    project = Project(folder=folder, backend=backend)
    project.own(folder)
    words = ["build", str(base / "base.metalor"), "--context", str(base), "--store", str(base / "store")]
    done = project.run([*words, "-o", f"oci-archive:{folder}/base.tar:base"], base / "said")
    assert done == 0, (base / "said").read_text()
    return project


def expected(project: Project, folder: Path) -> Expected:
    """Build once undisturbed, in a store of its own."""
    out = folder / "out"
    out.mkdir(parents=True)
    project.own(folder)
    done = project.run(project.words(folder / "store", out), folder.parent / "said")
    assert done == 0, (folder.parent / "said").read_text()
    return outcome(out)


def outcome(out: Path) -> Expected:
    """What a finished build wrote, all of it checked."""
    layout = Layout.open(out / "layout")
    selection = layout.select("x", None)
    layout.verify(selection)
    return Expected(
        digest=selection.descriptor.digest,
        archive=hashlib.sha256((out / "archive").read_bytes()).hexdigest(),
        tree=listing_of(out / "tree"),
    )


def torn(project: Project, store: Path, out: Path, right: Expected) -> list[str]:
    """What is visible and not whole, in the store and in the outputs, after whatever happened to a build."""
    return [*inspect(project, store).wrong, *torn_outputs(out, right)]


def torn_outputs(out: Path, right: Expected) -> list[str]:
    """What is visible and not whole in the outputs."""
    found: list[str] = []
    try:
        if (out / "layout" / "index.json").exists():
            found += _torn_layout(out / "layout", right)
    except MetalorError as error:
        found.append(error.message)
    if (out / "archive").exists() and hashlib.sha256((out / "archive").read_bytes()).hexdigest() != right.archive:
        found.append("archive")
    if (out / "tree").exists() and listing_of(out / "tree") != right.tree:
        found.append("tree")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """A store read and verified to the last byte.

    Args:
        wrong: what is damaged or left over.
        keys: of the steps that can be used.
        objects: how many snapshots and blobs are visible.

    """

    wrong: tuple[str, ...]
    keys: frozenset[str]
    objects: int


def inspect(project: Project, path: Path) -> Inspection:
    """Look at a store in a child process, in the world where its builds run."""

    def look() -> Inspection:
        project.become()
        enter(path, project.backend)
        try:
            return _inspect(path)
        except MetalorError as error:
            return Inspection(wrong=(error.message,), keys=frozenset(), objects=0)

    if not (path / "VERSION").exists():
        return Inspection(wrong=(), keys=frozenset(), objects=0)
    return ask_child(look)


def _inspect(path: Path) -> Inspection:
    with Store.open(path) as store:
        wrong = [f"{damage.kind} {damage.name}: {damage.causes}" for damage in store.verify(full=True).damaged]
        wrong += [line for line in store.notices if "unfinished" not in line]
        wrong += [f"left in tmp: {name}" for name in os.listdir(store.tmp)]
        records = [one.record for one in store.steps.all()]
        usable = frozenset(record.key for record in records if store.steps.get(record.key) is not None)
        wrong += [f"the record {one.text!r} names what is not there" for one in records if one.key not in usable]
        objects = len(store.snapshots.all()) + sum(1 for _ in store.blobs.all())
        return Inspection(wrong=tuple(wrong), keys=usable, objects=objects)


def _torn_layout(path: Path, right: Expected) -> list[str]:
    layout = Layout.open(path)
    found = []
    for tag in layout.tags():
        selection = layout.select(tag, None)
        layout.verify(selection)
        if selection.descriptor.digest != right.digest:
            found.append(f"layout: {selection.descriptor.digest}")
    for blob in (path / "blobs" / "sha256").iterdir():
        if not blob.name.startswith(".") and hashlib.sha256(blob.read_bytes()).hexdigest() != blob.name:
            found.append(f"layout: blob {blob.name}")
    return found


def next_build(project: Project, store: Path, out: Path, right: Expected, said: Path) -> list[str]:
    """Build on what is left, and compare; gives what is wrong with it. Nothing but the outputs may lie beside them."""
    shutil.rmtree(out / "tree", ignore_errors=True)  # a whole one may be there, and is refused as a destination
    status = project.run(project.words(store, out), said)
    if status:
        return [f"the next build ended with {status}: {said.read_text()}"]
    wrong = []
    if outcome(out) != right:
        wrong.append("the next build gives another image")
    if beside := sorted(set(os.listdir(out)) - {"layout", "archive", "tree"}):
        wrong.append(f"left beside the outputs: {beside}")
    wrong += [f"left in the layout: {path.name}" for path in (out / "layout").rglob(".*")]
    wrong += [f"left in tmp: {name}" for name in os.listdir(store / "tmp")]
    wrong += [f"left in leases: {name}" for name in os.listdir(store / "leases")]
    return wrong


def run_command(words: list[str], project: Project, output: Path) -> int:
    """Be the `metalor` command, in a child process."""
    env = project.env
    os.environ.clear()
    os.environ.update(env)
    fd = os.open(output, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    for number in range(3):
        os.dup2(fd, number)
    os.closerange(3, 64)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, "rb", closefd=False))  # type: ignore[type-var]
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "wb", closefd=False), write_through=True)  # type: ignore[type-var]
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "wb", closefd=False), write_through=True)  # type: ignore[type-var]
    warnings.resetwarnings()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    project.become()
    os.chdir(project.folder)
    return main(words)
