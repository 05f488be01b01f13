"""An image of a layout → what two images are compared by.

Invariant: both images are read by the same code, and everything comes from the blobs that would be shipped.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from metalor_lang.hints import Final
from metalor_lang.kernel.trees import read_xattrs, walk
from metalor_lang.oci.layout import Layout
from metalor_lang.oci.spec import ImageConfig
from metalor_lang.oci.unpack import unpack
from metalor_lang.proving.compare import Entry, Kind, Picture
from metalor_lang.record import replace

_BLOCK: Final = 1 << 20
_KINDS: Final = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.LINK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFSOCK: Kind.SOCKET,
    stat.S_IFCHR: Kind.CHARACTER_DEVICE,
    stat.S_IFBLK: Kind.BLOCK_DEVICE,
}
_RANGE: Final = re.compile(r"(\d+)-(\d+)/(.+)")
_ITS_LABELS: Final = "io.buildah."


def picture(layout: Path, tag: str, scratch: Path) -> Picture:
    """Read an image.

    Args:
        layout: an OCI layout.
        tag: of the image in it.
        scratch: an empty directory, in which the image is unpacked; stays the caller's.

    Raises:
        MetalorError: the image is damaged, or cannot be unpacked here.

    """
    opened = Layout.open(layout)
    found = opened.select(tag)
    fd = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY)
    try:
        unpack(opened, found.manifest, found.config.diff_ids, fd)
        return Picture(config=config(found.config), tree=tree(fd))
    finally:
        os.close(fd)


def config(read: ImageConfig) -> dict[str, object]:
    """The fields of a configuration that a Dockerfile can set; what is empty is unset."""
    fields = read.config
    shown: dict[str, object] = {
        "platform": "/".join(part for part in (read.platform.os, read.platform.architecture) if part),
        "variant": read.platform.variant,
        "env": dict(fields.env),
        "user": fields.user,
        "workdir": fields.workdir or "/",
        "entrypoint": tuple(fields.entrypoint or ()),
        "cmd": tuple(fields.cmd or ()),
        "labels": {key: value for key, value in fields.labels if not key.startswith(_ITS_LABELS)},
        "exposed": tuple(sorted(_ports(fields.exposed))),
        "volumes": tuple(sorted(fields.volumes)),
        "stopsignal": fields.stop_signal,
    }
    return {name: value for name, value in shown.items() if value}


def _ports(exposed: Iterable[str]) -> set[str]:
    """Every port by itself: Buildah keeps `8000-8002/tcp` as one, which means the same."""
    ports: set[str] = set()
    for text in exposed:
        if (several := _RANGE.fullmatch(text)) is not None:
            first, last, protocol = several.groups()
            ports.update(f"{number}/{protocol}" for number in range(int(first), int(last) + 1))
        else:
            ports.add(text)
    return ports


def tree(fd: int) -> dict[str, Entry]:
    """Every path below an open directory."""
    found: dict[str, Entry] = {}
    names: dict[tuple[int, int], list[str]] = {}
    for each in walk(fd):
        status = each.stat
        kind = _KINDS[stat.S_IFMT(status.st_mode)]
        if kind is not Kind.DIRECTORY and status.st_nlink > 1:
            names.setdefault((status.st_dev, status.st_ino), []).append(each.path)
        device = kind in (Kind.CHARACTER_DEVICE, Kind.BLOCK_DEVICE)
        found[each.path] = Entry(
            kind=kind,
            mode=0 if kind is Kind.LINK else stat.S_IMODE(status.st_mode),
            uid=status.st_uid,
            gid=status.st_gid,
            size=status.st_size if kind is Kind.FILE else 0,
            content=_digest(each.name, each.dirfd) if kind is Kind.FILE else "",
            target=os.readlink(each.name, dir_fd=each.dirfd) if kind is Kind.LINK else "",
            device=f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}" if device else "",
            xattrs=tuple((name, value.hex()) for name, value in sorted(read_xattrs(each.dirfd, each.name).items())),
        )
    for paths in names.values():
        for path in paths:
            found[path] = replace(found[path], names=tuple(sorted(paths)))
    return found


def _digest(name: str, dirfd: int) -> str:
    digest = hashlib.sha256()
    with open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=dirfd), "rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
