"""OCI image layouts: directories of blobs with an index.

Invariant: no byte of a blob is accepted unless the whole blob has the size and the digest of its descriptor, and
index.json is replaced as a whole, under a lock, after the blobs it names are on disk.
"""

import contextlib
import errno
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from metalor_lang.digest import canonical_json, valid_digest
from metalor_lang.errors import MachineError, machine_help
from metalor_lang.hints import BinaryIO, Final, Self
from metalor_lang.oci import document
from metalor_lang.oci.blob import FETCH_AGAIN, VerifiedReader
from metalor_lang.oci.drafts import BlobDraft, blob_draft, shown
from metalor_lang.oci.errors import (
    BadDocument,
    BlobDamaged,
    BlobMissing,
    BlobTruncated,
    ManifestMissing,
    NotALayout,
    PlatformMissing,
    UnknownMediaType,
)
from metalor_lang.oci.media import refuse_media_type
from metalor_lang.oci.placing import TEMPORARY, check_tag, clear, replace_file
from metalor_lang.oci.spec import INDEXES, MANIFESTS, REF_NAME, Descriptor, ImageConfig, Index, Manifest, Platform
from metalor_lang.record import dataclass, replace
from metalor_lang.sha import new_hash
from metalor_lang.store.files import locked, sync_directory

_CHUNK: Final = 1 << 20
_MAX_NESTING: Final = 4
_VERSION: Final = "1.0.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """An image found in a layout."""

    descriptor: Descriptor
    manifest: Manifest
    config: ImageConfig


class Layout:
    """One layout directory. Open it with `Layout.open` or `Layout.create`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open an existing layout.

        Raises:
            NotALayout: no directory, or not of a version we read.
            BadDocument: oci-layout or index.json are not right.

        """
        path = Path(path)
        if not path.exists():
            raise NotALayout(f"there is no OCI layout at {path}: the directory does not exist")
        if not path.is_dir():
            hint = f"for a tar of a layout write oci-archive:{path}" if path.is_file() else ""
            raise NotALayout(f"{path} is not an OCI layout: it is not a directory", help=hint)
        try:
            marker = document.read_file(path / "oci-layout")
        except OSError as error:
            reason = "it has no file oci-layout" if error.errno == errno.ENOENT else f"oci-layout: {error.strerror}"
            hint = "it looks like a root file system; write rootfs:" + str(path) if (path / "etc").is_dir() else ""
            raise NotALayout(f"{path} is not an OCI layout: {reason}", help=hint) from None
        version = document.parse(marker, f"{path}/oci-layout").text("imageLayoutVersion")
        if version.split(".")[0] != "1":
            raise NotALayout(f"{path} is an OCI layout of version {version[:50]!r}; we read {_VERSION}")
        layout = cls(path)
        layout.index()
        return layout

    @classmethod
    def create(cls, path: Path | str) -> Self:
        """Open the layout at `path`, or make an empty one where there is nothing or an empty directory.

        Raises:
            NotALayout: the directory holds something else.

        """
        path = Path(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            with locked(path):
                names = _names(path)
                if names and "oci-layout" not in names:
                    raise NotALayout(
                        f"{path} is neither empty nor an OCI layout (it has {sorted(names)[0]!r}): nothing was written",
                        help="name another directory, or empty this one",
                    )
                # The marker first: whatever ends us after it, the next call can go on.
                if "oci-layout" not in names:
                    replace_file(path / "oci-layout", canonical_json({"imageLayoutVersion": _VERSION}))
                if "index.json" not in names:
                    (path / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
                    replace_file(path / "index.json", Index().to_json())
                    sync_directory(path.absolute().parent)
        except OSError as error:
            raise MachineError(
                f"cannot write the OCI layout {path}: {error.strerror}", help=machine_help(error.errno)
            ) from None
        clear(path)
        clear(path / "blobs" / "sha256")
        return cls.open(path)

    @staticmethod
    def vacant(path: Path) -> bool:
        """Whether `create` would make a layout in this directory: it is empty, or was left unfinished by a crash."""
        names = _names(path)
        return not names or ("oci-layout" in names and "index.json" not in names)

    # --- reading --------------------------------------------------------------------------------------------------

    def index(self) -> Index:
        """The index, read anew."""
        try:
            data = document.read_file(self.path / "index.json")
        except FileNotFoundError:
            raise NotALayout(f"{self.path} is not an OCI layout: it has no index.json") from None
        except OSError as error:
            raise NotALayout(f"{self.path} is not an OCI layout: index.json: {error.strerror}") from None
        return Index.from_json(data, f"{self.path}/index.json")

    def tags(self) -> tuple[str, ...]:
        """The tags, sorted."""
        return tuple(sorted({entry.tag for entry in self.index().manifests if entry.tag is not None}))

    def blob_path(self, digest: str) -> Path:
        """Where the blob of a digest is (or would be)."""
        if not valid_digest(digest):
            raise BadDocument(f"{digest!r} is no digest")
        return self.path / "blobs" / "sha256" / digest.removeprefix("sha256:")

    def has(self, digest: str) -> bool:
        """Whether there is a blob of that digest; its bytes are not looked at."""
        return self.blob_path(digest).is_file()

    def open_blob(self, descriptor: Descriptor) -> VerifiedReader:
        """Read a blob as a verified stream.

        Raises:
            BlobMissing: there is no such file.
            BlobTruncated, BlobDamaged: the size is wrong already (the digest is checked at the end).

        """
        path = self.blob_path(descriptor.digest)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            raise BlobMissing(
                f"the blob {descriptor.digest} is missing in {self.path}: "
                f"{descriptor.size} bytes of {descriptor.media_type}",
                help=FETCH_AGAIN,
            ) from None
        except OSError as error:
            raise BlobMissing(f"the blob {path} cannot be read: {error.strerror}") from None
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            os.close(fd)
            raise BlobMissing(f"the blob {path} is not a regular file", help=FETCH_AGAIN)
        if info.st_size != descriptor.size:
            os.close(fd)
            kind, word = (BlobTruncated, "shorter") if info.st_size < descriptor.size else (BlobDamaged, "longer")
            raise kind(
                f"the blob {descriptor.digest} in {self.path} is {word} than its descriptor says: "
                f"expected {descriptor.size} bytes, found {info.st_size}",
                expected=str(descriptor.size),
                found=str(info.st_size),
                help=FETCH_AGAIN,
            )
        return VerifiedReader(io.FileIO(fd, "rb"), descriptor, str(self.path))

    def read_document(self, descriptor: Descriptor) -> bytes:
        """The verified bytes of a manifest, index or config (at most `document.LIMIT`)."""
        if descriptor.size > document.LIMIT:
            raise BadDocument(
                f"the document {descriptor.digest} is {descriptor.size} bytes long; at most {document.LIMIT} are read"
            )
        with self.open_blob(descriptor) as blob:
            return blob.read()

    def verify(self, selection: Selection) -> None:
        """Read every layer of an image; raises BlobMissing, BlobTruncated, BlobDamaged."""
        for layer in selection.manifest.layers:
            with self.open_blob(layer) as blob:
                blob.finish()

    def select(self, tag: str | None, platform: Platform | str | None = None) -> Selection:
        """Find an image by tag (or `sha256:…`, or None for the only one) and platform (None: the only one).

        Raises:
            ManifestMissing: no such tag; the message lists the tags there are.
            PlatformMissing: not for that platform; the message lists the platforms there are.
            BadDocument, UnknownMediaType, BlobMissing, BlobDamaged.

        """
        if isinstance(platform, str):
            platform = Platform.parse(platform)
        found = list(self._expand(self._roots(tag), 0))
        name = f"{self.path}:{tag}" if tag else str(self.path)
        if not found:
            raise ManifestMissing(f"{name} lists no image", tags=self.tags())
        matching = [item for item in found if platform is None or platform.accepts(item[1])]
        distinct = {item[0].digest: item for item in matching}
        platforms = sorted({str(item[1]) for item in found})
        if not distinct:
            raise PlatformMissing(
                f"{name} has no image for {platform}; it is there for {', '.join(platforms)}",
                platforms=platforms,
                help=f"build with --platform={platforms[0]}" if len(platforms) == 1 else "choose one with --platform",
            )
        if len(distinct) > 1 and platform is not None:
            # An exact variant beats one that is only accepted; else the first listed, as every client does.
            exact = {key: item for key, item in distinct.items() if item[1] == platform}
            distinct = dict(list((exact or distinct).items())[:1])
        if len(distinct) > 1:
            if len(platforms) > 1:
                raise PlatformMissing(
                    f"{name} is there for several platforms: {', '.join(platforms)}",
                    platforms=platforms,
                    help="choose one with --platform",
                )
            raise self._no_tag(f"{name} has {len(distinct)} images")
        ((descriptor, stated),) = distinct.values()
        selection = self.load(descriptor)
        real = selection.config.platform
        # Only these two: many configs leave out the variant that their index states.
        if (real.os, real.architecture) != (stated.os, stated.architecture):
            raise BadDocument(f"{name} is listed for {stated}, but its config is for {real}")
        return selection

    def load(self, descriptor: Descriptor) -> Selection:
        """Read the manifest and config that a descriptor of a manifest points to, and check that they agree."""
        manifest = self._manifest(descriptor)
        config = ImageConfig.from_json(
            self.read_document(manifest.config), f"the image config {manifest.config.digest}"
        )
        if len(config.diff_ids) != len(manifest.layers):
            raise BadDocument(
                f"the manifest {descriptor.digest} lists {len(manifest.layers)} layers, "
                f"but its config has {len(config.diff_ids)} diff_ids"
            )
        return Selection(descriptor=descriptor, manifest=manifest, config=config)

    def _manifest(self, descriptor: Descriptor) -> Manifest:
        manifest = Manifest.from_json(self.read_document(descriptor), f"the manifest {descriptor.digest}")
        if manifest.media_type != descriptor.media_type:
            raise BadDocument(
                f"the manifest {descriptor.digest} calls itself {manifest.media_type}, "
                f"but its descriptor says {descriptor.media_type}"
            )
        return manifest

    def _roots(self, tag: str | None) -> list[Descriptor]:
        entries = list(self.index().manifests)
        if tag is None:
            if len({entry.tag for entry in entries}) > 1 and len({entry.digest for entry in entries}) > 1:
                raise self._no_tag(f"{self.path} has several images")
            return entries
        wanted = [entry for entry in entries if (entry.digest if valid_digest(tag) else entry.tag) == tag]
        if not wanted:
            raise self._no_tag(f"{self.path} has no image {tag!r}")
        return wanted

    def _no_tag(self, message: str) -> ManifestMissing:
        tags = self.tags()
        there = f"; its tags are {', '.join(tags)}" if tags else "; none of its images has a tag"
        return ManifestMissing(
            message + there, tags=tags, help=f"write oci:{self.path}:{tags[0]}" if tags else "name it by digest"
        )

    def _expand(self, entries: list[Descriptor], depth: int) -> Iterator[tuple[Descriptor, Platform]]:
        """The manifests below entries, with their platforms (read from the config where the descriptor has none)."""
        for entry in entries:
            if entry.media_type in INDEXES:
                if depth >= _MAX_NESTING:
                    raise BadDocument(f"the indexes of {self.path} are nested more than {_MAX_NESTING} deep")
                inner = Index.from_json(self.read_document(entry), f"the index {entry.digest}")
                if inner.media_type != entry.media_type:
                    raise BadDocument(
                        f"the index {entry.digest} calls itself {inner.media_type}, "
                        f"but its descriptor says {entry.media_type}"
                    )
                yield from self._expand(list(inner.manifests), depth + 1)
            elif entry.media_type in MANIFESTS:
                if entry.platform is None or not entry.platform.os:
                    yield entry, self.load(entry).config.platform
                elif entry.platform.os != "unknown":  # attestations of builders are listed as unknown/unknown
                    yield entry, entry.platform
            elif depth == 0:
                # In an inner index other documents may stand beside images; what a tag names must be an image.
                raise _refused(entry, str(self.path))

    # --- writing --------------------------------------------------------------------------------------------------

    def draft(self) -> contextlib.AbstractContextManager[BlobDraft]:
        """Begin a blob whose digest the caller computes; errors as `put_blob`."""
        return blob_draft(self.path / "blobs" / "sha256")

    def put_blob(self, source: BinaryIO | bytes, media_type: str, *, known: Descriptor | None = None) -> Descriptor:
        """Write a blob from a stream; it appears whole or not at all.

        Args:
            source: its bytes.
            media_type: of the descriptor.
            known: what it is, when `source` is a stream that is checked as it is read (`VerifiedReader`).

        Raises:
            MachineError: the disk is full or not writable.

        """
        stream: BinaryIO = io.BytesIO(source) if isinstance(source, bytes) else source
        hasher, size = new_hash(), 0
        with shown(self.path), self.draft() as draft:
            while chunk := stream.read(_CHUNK):
                if known is None:
                    hasher.update(chunk)
                size += len(chunk)
                draft.write(chunk)
            digest = "sha256:" + hasher.hexdigest() if known is None else known.digest
            draft.commit(digest)
        return Descriptor(media_type=media_type, digest=digest, size=size)

    def copy_blob(self, source: "Layout", descriptor: Descriptor) -> None:
        """Copy a blob from another layout, verified; one that is there with the right size is kept."""
        target = self.blob_path(descriptor.digest)
        if target.is_file() and target.stat().st_size == descriptor.size:
            return
        with source.open_blob(descriptor) as blob:
            self.put_blob(io.BufferedReader(blob, _CHUNK), descriptor.media_type, known=descriptor)

    def add_manifest(self, descriptor: Descriptor, tag: str | None) -> None:
        """List a manifest (or index) in index.json; it takes the tag from whatever had it.

        Without a tag, an entry of the same digest that has none is replaced.
        """
        if tag is not None:
            check_tag(tag)
            others = tuple(pair for pair in descriptor.annotations if pair[0] != REF_NAME)
            descriptor = replace(descriptor, annotations=tuple(sorted((*others, (REF_NAME, tag)))))
        try:
            with locked(self.path):
                index = self.index()
                kept: list[Descriptor] = []
                placed = False
                for entry in index.manifests:
                    same = (
                        entry.tag == tag if tag is not None else (entry.tag, entry.digest) == (None, descriptor.digest)
                    )
                    if not same:
                        kept.append(entry)
                    elif not placed:
                        kept.append(descriptor)
                        placed = True
                if not placed:
                    kept.append(descriptor)
                # fsync of a file need not keep its name: the blobs' names first, then the index that lists them.
                sync_directory(self.path / "blobs" / "sha256")
                if tuple(kept) == index.manifests:
                    sync_directory(self.path)
                else:
                    replace_file(self.path / "index.json", replace(index, manifests=tuple(kept)).to_json())
        except OSError as error:
            raise MachineError(
                f"cannot write {self.path}/index.json: {error.strerror}", help=machine_help(error.errno)
            ) from None


def _names(path: Path) -> frozenset[str]:
    """What is in a directory, but for unfinished files of ours."""
    return frozenset(name for name in os.listdir(path) if not name.startswith(TEMPORARY))


def _refused(entry: Descriptor, where: str) -> UnknownMediaType:
    """The error for an index entry that is neither a manifest nor an index."""
    accepted = " and ".join(sorted(MANIFESTS | INDEXES))
    return refuse_media_type(entry.media_type, f"{where}: the entry {entry.tag or entry.digest}", accepted)
