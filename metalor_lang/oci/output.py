"""Where an image goes: layouts, archives, registries.

Invariant: a destination is changed only once everything has been written and checked; files are replaced whole.
"""

import contextlib
import io
import os
from collections.abc import Callable, Collection, Sequence
from enum import StrEnum
from pathlib import Path

from metalor_lang.errors import MachineError, UsageError
from metalor_lang.hints import BinaryIO, Final, Protocol
from metalor_lang.oci.blob import VerifiedReader
from metalor_lang.oci.errors import BadOutput, BadReference, BlobDamaged
from metalor_lang.oci.image import Image
from metalor_lang.oci.index import ImageIndex
from metalor_lang.oci.layout import Layout
from metalor_lang.oci.placing import check_tag
from metalor_lang.oci.reference import Reference
from metalor_lang.oci.spec import Descriptor
from metalor_lang.record import dataclass, replace

OpenBlob = Callable[[Descriptor], BinaryIO]
"""Gives the bytes of a layer; the caller of it closes the stream."""


class Memory(Protocol):
    """Digests of files by their status, so that what has not been touched is not read again."""

    def digest(self, info: os.stat_result, /) -> str | None:
        """The hexadecimal SHA-256 of a file with this status, if it is known."""

    def remember(self, info: os.stat_result, digest: str, /) -> None:
        """Keep the one of a file that was just read."""

    def wrote(self, path: Path, digest: str, /) -> None:
        """Keep the one of a file that was just written, once it is whole."""


class OutputKind(StrEnum):
    """The first word of `-o`."""

    OCI = "oci"
    OCI_ARCHIVE = "oci-archive"
    DOCKER_ARCHIVE = "docker-archive"
    REGISTRY = "docker"
    ROOTFS = "rootfs"
    TAR = "tar"


FORMS: Final = {
    OutputKind.OCI: "oci:DIR[:TAG]",
    OutputKind.OCI_ARCHIVE: "oci-archive:FILE[:TAG]",
    OutputKind.DOCKER_ARCHIVE: "docker-archive:FILE:NAME[:TAG]",
    OutputKind.REGISTRY: "docker://NAME:TAG",
    OutputKind.ROOTFS: "rootfs:DIR",
    OutputKind.TAR: "tar:FILE",
}
"""How each output is written, for help and errors."""

TREES: Final = frozenset({OutputKind.ROOTFS, OutputKind.TAR})
"""Outputs that are trees: they carry no metadata by definition and are not written here."""

SEVERAL: Final = frozenset({OutputKind.OCI, OutputKind.OCI_ARCHIVE, OutputKind.REGISTRY})
"""Outputs that can hold an index: images for several platforms under one name."""

DEFAULT_TAG: Final = "latest"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSpec:
    """One `-o`.

    Args:
        location: a path, or for a registry the reference.
        tag: the tag in a layout, or the name in a docker-archive; "" for other kinds.

    """

    kind: OutputKind
    location: str
    tag: str = ""

    def __str__(self) -> str:
        if self.kind is OutputKind.REGISTRY:
            return f"docker://{self.location}"
        return f"{self.kind}:{self.location}" + (f":{self.tag}" if self.tag else "")


_BUILDX: Final = {
    "local": "rootfs:",
    "tar": "tar:",
    "oci": "oci-archive:",
    "docker": "docker-archive:",
    "image": "docker://",
    "registry": "docker://",
}
"""What other builders write as `type=`."""


def _right(text: str) -> str:
    """The output that was meant, if that can be told, else all of them."""
    fields = dict(field.partition("=")[::2] for field in text.split(","))
    if (form := _BUILDX.get(fields.get("type", ""))) is not None:
        name = fields.get("name", "NAME:TAG")
        dest = name if form == "docker://" else fields.get("dest", "DIR" if form == "rootfs:" else "FILE")
        return f"write -o {form}{dest}" + (f":{name}" if form == "docker-archive:" else "")
    if text in set(OutputKind):
        return f"write -o {FORMS[OutputKind(text)]}"
    if ":" not in text and text.endswith(".tar"):
        return f"for an image in a file write -o oci-archive:{text}"
    if ":" not in text and "=" not in text and text:
        return f"for a layout directory write -o oci:{text}"
    return f"write one of {', '.join(FORMS.values())}"


def parse_output(text: str) -> OutputSpec:
    """Read the value of `-o`.

    Raises:
        UsageError: with the right form.

    """
    word, colon, rest = text.partition(":")
    if word not in set(OutputKind) or not colon:
        raise UsageError(f"{text!r} is no output", help=_right(text))
    kind = OutputKind(word)
    if kind is OutputKind.REGISTRY:
        if not rest.startswith("//"):
            raise _wrong(text, kind, "a registry reference follows docker://")
        return OutputSpec(kind=kind, location=str(_named(text, kind, rest[2:])))
    path, colon, tag = (rest, "", "") if kind in TREES else rest.partition(":")
    if not path:
        raise _wrong(text, kind, "the path is missing")
    match kind:
        case OutputKind.DOCKER_ARCHIVE:
            if not tag:
                raise _wrong(text, kind, "the name of the image is missing")
            return OutputSpec(kind=kind, location=path, tag=_named(text, kind, tag).familiar)
        case OutputKind.OCI | OutputKind.OCI_ARCHIVE:
            if colon and not tag:
                raise _wrong(text, kind, "the tag after the colon is missing")
            try:
                check_tag(tag or DEFAULT_TAG)
            except BadOutput as error:
                raise _wrong(text, kind, error.message) from None
            return OutputSpec(kind=kind, location=path, tag=tag or DEFAULT_TAG)
        case _:
            return OutputSpec(kind=kind, location=path)


def _wrong(text: str, kind: OutputKind, reason: str) -> UsageError:
    return UsageError(f"{text!r}: {reason}", help=f"write it as {FORMS[kind]}")


def _named(text: str, kind: OutputKind, name: str) -> Reference:
    try:
        reference = Reference.parse(name)
    except BadReference as error:
        raise UsageError(f"{text!r}: {error.message}", help=error.help) from None
    if reference.digest:
        raise _wrong(text, kind, "a digest cannot be chosen, it follows from the image")
    if not reference.tag and kind is OutputKind.DOCKER_ARCHIVE:
        return replace(reference, tag=DEFAULT_TAG)
    if not reference.tag:
        raise _wrong(text, kind, f"the tag is missing in {name!r}")
    return reference


def cannot_carry(spec: OutputSpec, annotations: Sequence[tuple[str, str]]) -> str | None:
    """Say what of an image the output cannot carry, or None. Trees carry no metadata by definition."""
    if spec.kind is OutputKind.DOCKER_ARCHIVE and annotations:
        keys = ", ".join(key for key, _ in annotations)
        return f"docker-archive cannot carry manifest annotations (ANNOTATE {keys}); use oci-archive, or LABEL"
    return None


def check_platforms(outputs: Sequence[OutputSpec], platforms: Sequence[str]) -> None:
    """Find out before anything else which outputs have room for one platform only.

    Raises:
        UsageError: more than one platform is asked for, and an output holds one.

    """
    for spec in outputs:
        if len(platforms) > 1 and spec.kind not in SEVERAL:
            forms = ", ".join(FORMS[kind] for kind in FORMS if kind in SEVERAL)
            raise UsageError(
                f"{spec} holds one platform, and --platform asks for {', '.join(platforms)}",
                help=f"write {forms}, or build one platform at a time: --platform {platforms[0]}",
            )


def check_places(outputs: Sequence[OutputSpec]) -> None:
    """Find out before a build which destinations would refuse its result; nothing is written.

    Raises:
        UsageError: two outputs are one file, or a root file system would be written into one that is there.
        NotALayout: the directory of a layout holds something else.
        MachineError: a destination has no parent directory, cannot be written, or is of the wrong kind; skopeo, which
            a registry needs, is missing.

    """
    seen: dict[str, OutputSpec] = {}
    for spec in outputs:
        if spec.kind is OutputKind.REGISTRY:
            from metalor_lang.kernel.process import require_tool

            require_tool("skopeo")
            continue
        place = os.path.realpath(spec.location)
        if place in seen and (spec.kind is not OutputKind.OCI or seen[place].kind is not OutputKind.OCI):
            raise UsageError(f"{seen[place]} and {spec} are written to one place", help="give each output its own")
        seen[place] = spec
        _check_place(spec, Path(place))


def _check_place(spec: OutputSpec, place: Path) -> None:
    if spec.kind is OutputKind.OCI and place.is_dir() and not Layout.vacant(place):
        Layout.open(place)
    elif spec.kind is OutputKind.ROOTFS and place.is_dir() and any(place.iterdir()):
        raise UsageError(f"{spec} is there already and not empty", help="name a new directory, or remove this one")
    folder = spec.kind in (OutputKind.OCI, OutputKind.ROOTFS)
    if folder and place.exists() and not place.is_dir():
        raise MachineError(f"cannot write {spec}: {spec.location} is not a directory")
    if not folder and place.is_dir():
        raise MachineError(f"cannot write {spec}: {spec.location} is a directory", help="name a file in it")
    if spec.kind is not OutputKind.OCI and not place.parent.is_dir():
        raise MachineError(f"cannot write {spec}: the directory {place.parent} does not exist")
    parent = next(folder for folder in (place, *place.parents) if folder.is_dir())
    if not os.access(parent, os.W_OK | os.X_OK):
        raise MachineError(f"cannot write {spec}: {parent} is not writable")


def write_outputs(
    image: Image | ImageIndex,
    outputs: Sequence[OutputSpec],
    open_blob: OpenBlob,
    *,
    work: Path | None = None,
    memory: Memory | None = None,
    fresh: Collection[str] = (),
) -> None:
    """Write an image to every output that is not a tree, in order.

    Args:
        image: what `assemble` made, or `join`.
        outputs: where to; trees are left alone.
        open_blob: gives the bytes of each layer.
        work: a directory for the temporary layout of what is pushed (else the system's).
        memory: which blobs of layouts are whole is asked of it, and told it.
        fresh: digests of blobs that were written into the layouts just now, hashed on the way.

    Raises:
        BadOutput: the output cannot carry the image, or holds something else.
        NotALayout, MachineError, FetchFailed, BlobDamaged.

    """
    several = isinstance(image, ImageIndex)
    annotations = () if isinstance(image, ImageIndex) else image.manifest.annotations
    for spec in outputs:
        if several and spec.kind not in SEVERAL:
            raise BadOutput(f"{spec} holds one platform, not {', '.join(image.platforms)}")
        if (reason := cannot_carry(spec, annotations)) is not None:
            raise BadOutput(f"{spec}: {reason}")
    for spec in outputs:
        match spec.kind:
            case OutputKind.OCI:
                write_layout(image, Layout.create(spec.location), spec.tag, open_blob, memory, fresh)
            case OutputKind.OCI_ARCHIVE | OutputKind.DOCKER_ARCHIVE | OutputKind.REGISTRY:
                from metalor_lang.oci import parcels  # with tarfile and skopeo, which layouts do without

                parcels.write(image, spec, open_blob, work)
            case OutputKind.ROOTFS | OutputKind.TAR:
                pass


def write_layout(
    image: Image | ImageIndex,
    layout: Layout,
    tag: str,
    open_blob: OpenBlob,
    memory: Memory | None = None,
    fresh: Collection[str] = (),
) -> None:
    """Add an image to a layout: layers, then its documents, and the layout's index last."""
    for layer in image.layers:
        if not (layer.digest in fresh and layout.has(layer.digest)):
            if _is_whole(layout, layer, memory):
                continue
            with contextlib.closing(checked(layer, open_blob)) as stream:
                layout.put_blob(stream, layer.media_type, known=layer)
        if memory is not None:
            memory.wrote(layout.blob_path(layer.digest), layer.digest.removeprefix("sha256:"))
    for descriptor, data in image.documents:
        if not _is_whole(layout, descriptor, None):
            layout.put_blob(data, descriptor.media_type)
    layout.add_manifest(image.descriptor, tag)


def _is_whole(layout: Layout, blob: Descriptor, memory: Memory | None) -> bool:
    """Whether the layout has the blob already: untouched since it was read and checked, or read and checked now.

    A damaged one is written anew.
    """
    if not layout.has(blob.digest):
        return False
    try:
        with contextlib.closing(layout.open_blob(blob)) as stream:
            info, digest = os.fstat(stream.fileno()), blob.digest.removeprefix("sha256:")
            if memory is not None and memory.digest(info) == digest:
                return True
            stream.finish()
            if memory is not None:
                memory.remember(info, digest)
    except BlobDamaged:
        return False
    return True


def checked(layer: Descriptor, open_blob: OpenBlob) -> BinaryIO:
    """The bytes of a layer, refused at their end if they are not what the descriptor says."""
    stream = open_blob(layer)
    checks = stream if isinstance(stream, VerifiedReader) else VerifiedReader(stream, layer, "the store")
    return io.BufferedReader(checks, 1 << 20)
