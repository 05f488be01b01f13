"""Copy one image by skopeo into an OCI layout, and keep such layouts by reference and architecture.

Invariant: an entry's identity is written last; the entry is used only when the identity says the same and every blob
still has its digest, else it is made anew.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from metalor_lang.digest import Json, canonical_json, json_digest
from metalor_lang.hints import Final
from metalor_lang.isolated.architectures import Architecture
from metalor_lang.isolated.source import ImageSource
from metalor_lang.kernel.paths import remove_tree
from metalor_lang.kernel.process import ToolFailed
from metalor_lang.oci.errors import ImageError, PlatformMissing
from metalor_lang.oci.layout import Layout
from metalor_lang.oci.placing import replace_file
from metalor_lang.oci.skopeo import explain, skopeo_copy
from metalor_lang.oci.spec import Platform
from metalor_lang.record import dataclass

TAG: Final = "image"
LAYOUT: Final = "layout"
IDENTITY: Final = "identity.json"
_FORMAT: Final = 1
_UNFINISHED: Final = ".copy-"


def at(fd: int) -> Path:
    """A path to an open directory that tools started by us can use too: nobody can put another in its place."""
    return Path(f"/proc/{os.getpid()}/fd/{fd}")


@contextlib.contextmanager
def work_folder(parent: int, prefix: str) -> Iterator[int]:
    """A new directory in `parent` for one piece of work, alone there; what killed ones left goes away first.

    The parent itself is locked meanwhile: who comes second waits.
    """
    fcntl.flock(parent, fcntl.LOCK_EX)
    for left in os.listdir(parent):
        if left.startswith(prefix):
            remove_tree(parent, left)
    name = prefix + os.urandom(6).hex()
    os.mkdir(name, 0o700, dir_fd=parent)
    try:
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            yield fd
        finally:
            os.close(fd)
    finally:
        remove_tree(parent, name)
        fcntl.flock(parent, fcntl.LOCK_UN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An image for an architecture; None means the one that this machine prefers."""

    source: ImageSource
    architecture: Architecture | None

    @property
    def platform(self) -> Platform | None:
        """What the copy must be for, where that was asked."""
        return None if self.architecture is None else Platform(os="linux", architecture=self.architecture.oci)

    @property
    def stated(self) -> str:
        """The architecture as identities state it."""
        return f"system:{os.uname().machine}" if self.architecture is None else self.architecture.oci

    @property
    def key(self) -> str:
        """The name of the cache entry."""
        parts: Json = [_FORMAT, self.source.text, self.stated]
        return json_digest(parts).removeprefix("sha256:")

    def identity(self, stamp: dict[str, Json], digest: str) -> bytes:
        """What an entry records: what was asked for, when a local image was read, and what came."""
        return canonical_json(
            {
                "format": _FORMAT,
                "reference": self.source.text,
                "architecture": self.stated,
                "stamp": stamp,
                "digest": digest,
            }
        )

    def checked(self, layout: Layout) -> str:
        """The digest of the image in a layout, after its blobs have been read.

        Raises:
            PlatformMissing: the image is for another architecture.
            ImageError: a blob is missing or damaged.

        """
        try:
            selection = layout.select(TAG, self.platform)
        except PlatformMissing as error:  # the layout is our copy, at a path that nobody knows
            there = ", ".join(error.platforms)
            raise PlatformMissing(
                f"{self.source.text} has no image for {self.platform}; it is there for {there}",
                platforms=error.platforms,
                help="requested_arch names the architecture: " + there.replace("linux/", ""),
            ) from None
        layout.verify(selection)
        return selection.descriptor.digest


def copy(wanted: Wanted, into: int) -> str:
    """Copy the image into the new layout `layout` in the directory `into`; its digest.

    Raises:
        ToolMissing: skopeo is not installed.
        FetchFailed: the registry or the archive refused.
        PlatformMissing: the image is not there for the architecture.

    """
    target = at(into) / LAYOUT
    flags = [] if wanted.architecture is None else ["--override-os=linux", f"--override-arch={wanted.architecture.oci}"]
    try:
        skopeo_copy(wanted.source.text, f"oci:{target}:{TAG}", *flags)
    except ToolFailed as error:
        said = error.stderr.decode("utf-8", "replace")
        raise explain(
            said, source=wanted.source.text, location=wanted.source.location, platform=f"linux/{wanted.stated}"
        ) from None
    return wanted.checked(Layout.open(target))


def cached(wanted: Wanted, entry: int) -> Path:
    """The layout of an image in its cache entry, copied there unless it is.

    Args:
        wanted: the image.
        entry: the entry's directory; locked while something is copied, and shared with other readers afterwards until
            the caller closes it.

    Raises:
        As `copy`.

    """
    with work_folder(entry, _UNFINISHED) as work:
        stamp = wanted.source.stamp()
        if not _usable(wanted, entry, stamp):
            digest = copy(wanted, work)
            for name in (IDENTITY, LAYOUT):  # in this order: a layout without an identity is never used
                with contextlib.suppress(FileNotFoundError):
                    os.rename(name, f"old-{name}", src_dir_fd=entry, dst_dir_fd=work)
            os.rename(LAYOUT, LAYOUT, src_dir_fd=work, dst_dir_fd=entry)
            replace_file(at(entry) / IDENTITY, wanted.identity(stamp, digest))
    fcntl.flock(entry, fcntl.LOCK_SH)
    return at(entry) / LAYOUT


def _usable(wanted: Wanted, entry: int, stamp: dict[str, Json]) -> bool:
    try:
        stored = (at(entry) / IDENTITY).read_bytes()
        digest = str(json.loads(stored)["digest"])
        if stored != wanted.identity(stamp, digest):
            return False
        return wanted.checked(Layout.open(at(entry) / LAYOUT)) == digest
    except (OSError, ValueError, KeyError, TypeError, ImageError):
        return False
