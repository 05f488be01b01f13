"""Bring an image to a layout that can be read: from a registry, an archive, or in place.

Invariant: a cache entry is written last and names a whole, checked layout; layouts are named by their manifest's
digest and never change. A manifest, its config and its layers keep the bytes that they had where they came from.
"""

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path

from metalor_lang.digest import Json, canonical_json, json_digest, valid_digest
from metalor_lang.errors import MachineError, machine_help
from metalor_lang.hints import Final
from metalor_lang.oci.errors import BadReference, FetchFailed, ImageError
from metalor_lang.oci.layout import Layout, Selection
from metalor_lang.oci.placing import clear, own_folder, replace_file, sweep
from metalor_lang.oci.spec import Descriptor, Platform
from metalor_lang.record import dataclass
from metalor_lang.store.files import locked

_FORMAT: Final = 1
_TAG_IN_CACHE: Final = "image"
_UNFINISHED: Final = ".fetch-"

Lock = Callable[[str], AbstractContextManager[object]]


class Transport(StrEnum):
    """Where an image comes from, as recipes spell it."""

    REGISTRY = "docker"
    OCI = "oci"
    OCI_ARCHIVE = "oci-archive"
    DOCKER_ARCHIVE = "docker-archive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """An image that can be read.

    Args:
        source: where it came from, as errors and events name it.
        cached: nothing had to be fetched.

    """

    layout: Layout
    selection: Selection
    source: str
    cached: bool

    @property
    def digest(self) -> str:
        """The identity: the digest of the manifest."""
        return self.selection.descriptor.digest


def fetch(
    transport: Transport | str,
    location: str,
    tag: str | None,
    platform: Platform | str,
    cache_root: Path,
    lock: Lock | None = None,
    *,
    refresh: bool = False,
) -> Fetched:
    """Make an image readable, from the cache when it is there.

    Args:
        transport: where it comes from.
        platform: for which machine, as `linux/arm64/v8`.
        location: a registry reference, or a path.
        tag: the tag in a layout or archive, or None for its only image; unused for a registry.
        cache_root: the directory of fetched images; made when missing.
        lock: gives an exclusive lock for a name; so that two builds fetch an image once.
        refresh: ask the registry again for a tag that is cached (a digest never changes).

    Raises:
        MachineError: skopeo is missing; the cache cannot be written.
        FetchFailed: the registry or the archive refused; BadReference; the errors of `Layout.select`.

    """
    transport = Transport(transport)
    wanted = Platform.parse(platform) if isinstance(platform, str) else platform
    if transport is Transport.OCI:
        layout = Layout.open(location)
        source = f"oci:{location}" + (f":{tag}" if tag else "")
        return Fetched(layout=layout, selection=layout.select(tag, wanted), source=source, cached=True)
    entry = _Entry.of(transport, location, tag, wanted)
    usable = not refresh or entry.fixed
    if usable and (found := _cached(entry, cache_root, wanted)) is not None:
        return found
    with lock(f"fetch-{entry.key}") if lock else contextlib.nullcontext():
        if usable and (found := _cached(entry, cache_root, wanted)) is not None:  # another build fetched it meanwhile
            return found
        try:
            return _fetch(entry, cache_root, wanted)
        except OSError as error:
            raise MachineError(
                f"cannot write the image cache {cache_root}: {error.strerror}", help=machine_help(error.errno)
            ) from None


def known(
    transport: Transport | str, location: str, tag: str | None, platform: Platform | str, cache_root: Path
) -> Fetched | None:
    """The image if it can be read without fetching anything, else None; arguments and errors as `fetch`."""
    transport = Transport(transport)
    wanted = Platform.parse(platform) if isinstance(platform, str) else platform
    if transport is Transport.OCI:
        return fetch(transport, location, tag, wanted, cache_root)
    return _cached(_Entry.of(transport, location, tag, wanted), cache_root, wanted)


def references(cache_root: Path) -> tuple[str, ...]:
    """The registry references that were fetched, as people write them, sorted; damaged notes are left out."""
    from metalor_lang.oci.reference import Reference

    found = set()
    for path in cache_root.glob("*.json"):
        try:
            note = json.loads(path.read_bytes())
            if note["transport"] == Transport.REGISTRY:
                found.add(Reference.parse(note["location"]).familiar)
        except (OSError, ValueError, KeyError, TypeError, BadReference):
            continue
    return tuple(sorted(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """What is remembered under one key.

    Args:
        identity: for archives what says that the file is still the same; empty for registries.
        fixed: the reference can never mean something else.

    """

    transport: Transport
    location: str
    tag: str | None
    platform: str
    identity: Mapping[str, int]
    fixed: bool

    @classmethod
    def of(cls, transport: Transport, location: str, tag: str | None, platform: Platform) -> "_Entry":
        identity: dict[str, int] = {}
        fixed = False
        if transport is Transport.REGISTRY:
            from metalor_lang.oci.reference import Reference

            reference = Reference.parse(location)
            location, fixed = reference.pullable, bool(reference.digest)
        else:
            location = os.path.abspath(location)
            try:
                info = os.stat(location)
            except OSError as error:
                raise FetchFailed(f"cannot read the archive {location}: {error.strerror}") from None
            if not os.path.isfile(location):
                hint = f"for a layout directory write oci:{location}" if os.path.isdir(location) else ""
                raise FetchFailed(f"{location} is not an archive file", help=hint)
            identity = {"size": info.st_size, "mtime_ns": info.st_mtime_ns, "inode": info.st_ino, "device": info.st_dev}
        return cls(
            transport=transport, location=location, tag=tag, platform=str(platform), identity=identity, fixed=fixed
        )

    @property
    def source(self) -> str:
        if self.transport is Transport.REGISTRY:
            from metalor_lang.oci.reference import Reference

            return Reference.parse(self.location).familiar
        return f"{self.transport}:{self.location}" + (f":{self.tag}" if self.tag else "")

    @property
    def digest(self) -> str:
        """The digest in a fixed reference."""
        return self.location.rpartition("@")[2]

    @property
    def key(self) -> str:
        parts: Json = [_FORMAT, self.transport, self.location, self.tag, self.platform]
        return json_digest(parts).removeprefix("sha256:")[:32]

    def json(self, digest: str) -> Json:
        return {
            "format": _FORMAT,
            "transport": self.transport,
            "location": self.location,
            "tag": self.tag,
            "platform": self.platform,
            "identity": dict(self.identity),
            "digest": digest,
        }


def _cached(entry: _Entry, root: Path, platform: Platform) -> Fetched | None:
    """The image of an entry that is whole and still says the same, or None."""
    try:
        # What is asked for by its manifest's digest may be here under a tag: layouts are named by that digest.
        layout_there = entry.fixed and _layout_path(root, entry.digest).exists()
        digest = entry.digest if layout_there else _noted(entry, root)
        layout = Layout.open(_layout_path(root, digest))
        selection = layout.select(_TAG_IN_CACHE, platform)
    except (OSError, ValueError, KeyError, TypeError, ImageError):
        return None  # not there, or damaged: fetched again
    whole = selection.descriptor.digest == digest and all(_whole(layout, layer) for layer in selection.manifest.layers)
    return Fetched(layout=layout, selection=selection, source=entry.source, cached=True) if whole else None


def _noted(entry: _Entry, root: Path) -> str:
    """The digest that was noted for an entry; raises what a missing or damaged note gives."""
    stored = json.loads((root / f"{entry.key}.json").read_bytes())
    digest: str = stored["digest"]
    if stored != entry.json(digest) or not valid_digest(digest):
        raise ValueError("damaged")
    return digest


def _whole(layout: Layout, blob: Descriptor) -> bool:
    with contextlib.suppress(OSError):
        return layout.blob_path(blob.digest).stat().st_size == blob.size
    return False


def _layout_path(root: Path, digest: str) -> Path:
    return root / "layouts" / digest.removeprefix("sha256:")


def _fetch(entry: _Entry, root: Path, platform: Platform) -> Fetched:
    (root / "layouts").mkdir(parents=True, exist_ok=True)
    sweep(root, _UNFINISHED)
    clear(root)
    with own_folder(root / f"{_UNFINISHED}{entry.key}") as work:
        fresh = Layout.create(work / "layout")
        match entry.transport:
            case Transport.OCI_ARCHIVE:
                from metalor_lang.oci.archive import read_archive

                descriptor = read_archive(entry.location, entry.tag, work / "archive", fresh, platform)
            case _:
                descriptor = _copy_by_skopeo(entry, work / "dir", fresh, platform)
        fresh.add_manifest(descriptor, _TAG_IN_CACHE)
        selection = fresh.select(_TAG_IN_CACHE, platform)
        fresh.verify(selection)
        target = _layout_path(root, descriptor.digest)
        if target.exists():  # a damaged one, or one that another reference shares
            try:
                there = Layout.open(target)
                there.verify(there.select(_TAG_IN_CACHE, platform))
            except ImageError:
                target.rename(work / "damaged")
        _sync(fresh.path)
        try:
            fresh.path.rename(target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # else the same image is there already
                raise
        with locked(root, fcntl.LOCK_SH):
            replace_file(root / f"{entry.key}.json", canonical_json(entry.json(descriptor.digest)))
    layout = Layout.open(target)
    return Fetched(layout=layout, selection=layout.select(_TAG_IN_CACHE, platform), source=entry.source, cached=False)


def _sync(folder: Path) -> None:
    """Put everything on disk before an entry names it: a power cut must not leave blobs of right size but of zeros."""
    # Not syncfs: it would wait for whatever else is being written on a busy machine.
    for path in sorted(folder.rglob("*"), reverse=True):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def discard(fetched: Fetched, cache_root: Path) -> bool:
    """Take a damaged image out of the cache, so that the next build fetches it again; whether it was in the cache."""
    path = fetched.layout.path
    if path.parent != cache_root / "layouts":
        return False
    with own_folder(cache_root / f"{_UNFINISHED}{path.name}") as folder, contextlib.suppress(FileNotFoundError):
        path.rename(folder / "damaged")
    return True


def _copy_by_skopeo(entry: _Entry, work: Path, into: Layout, platform: Platform) -> Descriptor:
    from metalor_lang.kernel.process import ToolFailed
    from metalor_lang.oci.skopeo import adopt, explain, skopeo_copy

    work.mkdir()
    flags = [f"--override-os={platform.os}", f"--override-arch={platform.architecture}"]
    if platform.variant:
        flags.append(f"--override-variant={platform.variant}")
    if entry.transport is Transport.REGISTRY:
        source = f"docker://{entry.location}"
    else:
        source = f"docker-archive:{entry.location}" + (f":{entry.tag}" if entry.tag else "")
    try:
        skopeo_copy(source, f"dir:{work}", *flags)
    except ToolFailed as error:
        said = error.stderr.decode("utf-8", "replace")
        raise explain(said, source=entry.source, location=entry.location, platform=entry.platform) from None
    return adopt(work, into, exact=entry.transport is Transport.REGISTRY)
