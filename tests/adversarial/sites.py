"""What is looked up under attack: one call for each place at which a path of somebody else is used.

Invariant: a site calls the very function that a build or a step calls, and says whether what it got lies outside.
"""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from metalor_lang.build.contexts import LocalContexts
from metalor_lang.build.copying import copy_into
from metalor_lang.build.files import make_workdir, write_file
from metalor_lang.build.listed import EntryKind, Found, SourceEntry
from metalor_lang.build.opening import SourceOpener
from metalor_lang.build.sources import EXACT
from metalor_lang.build.users import resolve_owner
from metalor_lang.kernel.paths import Root, open_beneath, remove_tree, set_mode, walk
from metalor_lang.oci.copytree import copy_tree
from metalor_lang.oci.media import Compression
from metalor_lang.oci.unpack import LayerSource, apply_layers
from metalor_lang.plan.graph import CopyFiles, CopySource, MakeWorkdir, WriteFile
from metalor_lang.runtime.assemble import Assembly
from metalor_lang.runtime.ordering import _bound
from metalor_lang.runtime.protocol import Order
from metalor_lang.runtime.request import BindSpec
from tests.support.images import digest
from tests.support.tars import END, directory, file, hardlink, symlink

SECRET = b"the secret of this host\n"
# Some calls do much (a COPY, a whole step): they get a small part of the look-ups.
CHEAP, DEAR, STEPS = 0.0708, 0.0005, 0.0002


@dataclass
class Field:
    """Where the attack takes place.

    `tree` is the root that everything must stay in; `outside` has the same names with other content. `tree/a/b` is
    exchanged with links that lead to `outside`, and `tree/m` with `outside/m`, to move a directory out during a `..`.
    """

    tree: Path
    outside: Path
    pairs: list[tuple[Path, Path]]

    def __post_init__(self) -> None:
        self.forbidden = {
            (info.st_dev, info.st_ino)
            for path in (self.outside, self.outside.parent, *self.outside.rglob("*"))
            if "m" not in path.relative_to(self.outside.parent).parts
            for info in (path.stat(follow_symlinks=False),)
        }

    def escaped(self, fd: int) -> bool:
        info = os.fstat(fd)
        return (info.st_dev, info.st_ino) in self.forbidden

    def state(self) -> list[tuple[object, ...]]:
        """Everything outside, to be compared: nothing there may change."""
        rows: list[tuple[object, ...]] = []
        for path in sorted(self.outside.rglob("*")):
            parts = path.relative_to(self.outside).parts
            if "m" in parts:
                continue
            info = path.stat(follow_symlinks=False)
            content = path.read_bytes() if stat.S_ISREG(info.st_mode) else b""
            rows.append((parts, info.st_ino, info.st_mode, info.st_uid, info.st_nlink, info.st_mtime_ns, content))
        return rows


def close(field: Field, fd: int) -> bool:
    try:
        return field.escaped(fd)
    finally:
        os.close(fd)


Site = Callable[[Field, Root], Callable[[], bool]]
"""Gives one look-up: True when it ended outside; an OSError or MetalorError is a refusal."""


def mount_target(field: Field, root: Root) -> Callable[[], bool]:
    order = Order(argv=["x"], env=[], cwd="/", uid=0, gid=0, groups=[], network="none", timeout=None, grace=1.0,
                  hostname="x", pipefail=False, mounts=[], view=root.fd)  # fmt: skip
    assembly = Assembly(order)
    return lambda: close(field, assembly._place("/a/b/c/d", directory=True))


def file_target(field: Field, root: Root) -> Callable[[], bool]:
    order = Order(argv=["x"], env=[], cwd="/", uid=0, gid=0, groups=[], network="none", timeout=None, grace=1.0,
                  hostname="x", pipefail=False, mounts=[], view=root.fd)  # fmt: skip
    assembly = Assembly(order)
    return lambda: close(field, assembly._place("/a/b/../b/c/f", directory=False))


def bind_source(field: Field, root: Root) -> Callable[[], bool]:
    bind = BindSpec(target="/x", source=root.fd, subpath="a/b/c/d")
    return lambda: close(field, _bound(bind, None)[0])


def working_directory(field: Field, root: Root) -> Callable[[], bool]:
    return lambda: close(field, root.open("a/b/c/d", os.O_RDONLY | os.O_DIRECTORY))


def climbing(field: Field, root: Root) -> Callable[[], bool]:
    return lambda: close(field, root.open("m/n/../../../../probe", os.O_PATH))


def reading(field: Field, root: Root) -> Callable[[], bool]:
    return lambda: root.read_bytes("a/b/c/f", 100) == SECRET


def status(field: Field, root: Root) -> Callable[[], bool]:
    def look() -> bool:
        info = root.stat("a/b/c/f", follow=True)
        return info is not None and (info.st_dev, info.st_ino) in field.forbidden

    return look


def exact(field: Field, root: Root) -> Callable[[], bool]:
    return lambda: close(field, open_beneath(root.fd, "a/b/c/d", os.O_RDONLY | os.O_DIRECTORY, resolve=EXACT))


def copy_source(field: Field, root: Root) -> Callable[[], bool]:
    info = (field.tree / "probe").stat()
    entry = SourceEntry(path="", kind=EntryKind.FILE, mode=0o644, size=7, target="", info=info)
    found = Found(shown="f", name="f", origin="a/b/c/f", contents=False, top=entry)

    def look() -> bool:
        opener = SourceOpener(root.fd)
        try:
            # What it opens is compared with what was listed: here only where it is matters.
            folder, name = opener.folder(found.place(entry))
            return field.escaped(folder) or close(field, os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=folder))
        finally:
            opener.close()

    return look


def new_parent(field: Field, root: Root) -> Callable[[], bool]:
    def look() -> bool:
        fd, _ = root.parent("a/b/c/d/new/name", create=True)
        return close(field, fd)

    return look


def removal(field: Field, root: Root) -> Callable[[], bool]:
    def look() -> bool:
        try:
            root.remove("a/b/c/d/new")
        except FileNotFoundError:
            root.makedirs("a/b/c/d/new/deep")
        return False

    return look


def mode(field: Field, root: Root) -> Callable[[], bool]:
    def look() -> bool:
        fd, name = root.parent("a/b")
        try:
            set_mode(fd, name, 0o755)
        finally:
            os.close(fd)
        return False

    return look


def walking(field: Field, root: Root) -> Callable[[], bool]:
    return lambda: any(
        (entry.stat.st_dev, entry.stat.st_ino) in field.forbidden or field.escaped(entry.dirfd)
        for entry in walk(root.fd)
    )


def copy_statement(field: Field, root: Root) -> Callable[[], bool]:
    """A whole COPY whose context and whose destination are attacked."""
    context = LocalContexts(field.tree / "r.metalor")
    files = CopyFiles(
        stage=None, context="", sources=(CopySource(path="a/", glob=False),), destination="/a/b/", workdir="/", user=""
    )
    target = Root.at(field.tree)

    def look() -> bool:
        context.content(files)
        copy_into(target, files, epoch=0, contexts=context)
        return False

    return look


def file_statement(field: Field, root: Root) -> Callable[[], bool]:
    action = WriteFile(destination="/a/b/c/written", content=b"new", workdir="/", user="", chmod=None, chown=None)

    def look() -> bool:
        write_file(root, action, epoch=0)
        return False

    return look


def workdir_statement(field: Field, root: Root) -> Callable[[], bool]:
    count = iter(range(1 << 40))

    def look() -> bool:
        make_workdir(root, MakeWorkdir(path=f"/a/b/c/w{next(count)}/x", user=""), epoch=0)
        return False

    return look


def owner_lookup(field: Field, root: Root) -> Callable[[], bool]:
    def look() -> bool:
        resolve_owner(root, "root")
        return False

    return look


def export(field: Field, root: Root) -> Callable[[], bool]:
    """The tree as `-o rootfs:` writes it: nothing of the outside may be in the copy."""
    target = field.tree.parent / "export"

    def look() -> bool:
        target.mkdir()
        with Root.at(target) as out:
            try:
                copy_tree(root, out.fd)
            finally:
                stolen = _stolen(target)
                parent = os.open(target.parent, os.O_RDONLY)
                remove_tree(parent, target.name)
                os.close(parent)
        return stolen

    return look


def _stolen(target: Path) -> bool:
    for folder, _, names in os.walk(target):
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink() and path.read_bytes() == SECRET and "m" not in path.parts:
                return True
    return False


def layer(field: Field, root: Root) -> Callable[[], bool]:
    """A layer unpacked into the attacked tree."""
    data = directory("a/b") + file("a/b/c/f", b"inside\n") + symlink("a/b/c/l", "f") + hardlink("a/b/c/h", "a/b/c/f")
    data += file("a/b/c/.wh.written") + file("a/b/c/d/.wh..wh..opq") + END
    source = LayerSource(open=lambda: BytesIO(data), compression=Compression.NONE, diff_id=digest(data))

    def look() -> bool:
        apply_layers([source], root.fd)
        return False

    return look


SITES: dict[str, tuple[Site, float]] = {
    "mount target": (mount_target, CHEAP),
    "mount target, a file": (file_target, CHEAP),
    "bind source": (bind_source, CHEAP),
    "working directory": (working_directory, CHEAP),
    "a path that climbs out of a moved directory": (climbing, CHEAP),
    "reading a file": (reading, CHEAP),
    "status": (status, CHEAP),
    "a canonical path": (exact, CHEAP),
    "COPY source": (copy_source, CHEAP),
    "making parents": (new_parent, CHEAP),
    "removing": (removal, CHEAP),
    "changing a mode": (mode, CHEAP),
    "walking": (walking, CHEAP),
    "owner of COPY": (owner_lookup, CHEAP),
    "COPY": (copy_statement, DEAR),
    "FILE": (file_statement, DEAR * 10),
    "WORKDIR": (workdir_statement, DEAR * 4),
    "export": (export, DEAR),
    "layer": (layer, DEAR * 2),
}
