"""Unpack all layers of an image into one directory, by our own code or by umoci.

Invariant: nothing is left unverified: each blob against its descriptor, each inflated stream against its diff id; the
directory is right only when the call returns, and worthless when it raises.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from metalor_lang.hints import Final
from metalor_lang.kernel.paths import Root
from metalor_lang.kernel.process import ToolFailed, run_tool
from metalor_lang.kernel.writeback import begin_sync
from metalor_lang.oci.apply import Applier
from metalor_lang.oci.budget import Budgets, LayerRefused, printable
from metalor_lang.oci.entries import Density, Tally, vet
from metalor_lang.oci.inflate import Inflater, Meter, Source
from metalor_lang.oci.layout import Layout
from metalor_lang.oci.media import LAYERS, Compression, refuse_media_type
from metalor_lang.oci.spec import Descriptor, Manifest
from metalor_lang.oci.tarstream import Chunks, TarStream
from metalor_lang.record import dataclass

DEFAULT_BUDGETS: Final = Budgets()
_MUCH: Final = 16 << 20
"""Bytes of an image from which on the disk begins before the end: it pays for one more commit of the file system."""
_UMOCI_ENTRY: Final = re.compile(r"unpack entry: (?P<entry>.*?): (?P<reason>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSource:
    """One layer to apply.

    Attributes:
        open: gives a stream of the compressed bytes that verifies itself; closed by who gave it.
        diff_id: the digest of the inflated bytes.

    """

    open: Callable[[], Source]
    compression: Compression
    diff_id: str


def _ignore(_: str) -> None:
    return None


def _never() -> bool:
    return False


class _GaveUp(Exception):
    """Not an OSError on its way through the unpacker, which would take it for a failure of the disk."""


class _Stoppable:
    """A stream that ends with an error when it is asked to stop: so does whoever unpacks it, at the next chunk."""

    def __init__(self, source: Source, stop: Callable[[], bool]) -> None:
        self._source = source
        self._stop = stop

    def read(self, size: int, /) -> bytes | None:
        if self._stop():
            raise _GaveUp
        return self._source.read(size)

    def close(self) -> None:
        close = getattr(self._source, "close", None)
        if close is not None:
            close()


def apply_layers(
    layers: Sequence[LayerSource],
    dest_dirfd: int,
    *,
    budgets: Budgets = DEFAULT_BUDGETS,
    notice: Callable[[str], None] = _ignore,
) -> None:
    """Apply layers, base first, to a directory (which may hold lower layers already).

    Args:
        layers: what to apply.
        dest_dirfd: the directory; not closed.
        budgets: limits over all of them.
        notice: told what could not be kept.

    Raises:
        LayerRefused: a layer is wrong, damaged or not safe.
        UnpackFailed: this machine could not write an entry.

    """
    meter = Meter(budgets)
    with Root(os.dup(dest_dirfd)) as root:
        applier = Applier(root, budgets, meter, notice)
        begun = 0

        def settle() -> None:
            # Whoever keeps the tree syncs it, and finds most of it on the disk.
            nonlocal begun
            if meter.used - begun >= _MUCH:
                begun = meter.used
                begin_sync(root.fd)

        try:
            for layer in layers:
                with _inflated(layer, meter, budgets, settle) as inflater:
                    applier.apply(TarStream(Chunks(inflater), budgets), Density(inflater, budgets))
            applier.finish()
            if begun:
                begin_sync(root.fd)
        finally:
            applier.close()


@contextmanager
def _inflated(
    layer: LayerSource, meter: Meter, budgets: Budgets, whole: Callable[[], None] | None = None
) -> Iterator[Inflater]:
    source = layer.open()
    try:
        with Inflater(source, layer.compression, meter, budgets, whole) as inflater:
            yield inflater
            inflater.finish(layer.diff_id)
    finally:
        close = getattr(source, "close", None)
        if close is not None:
            close()


def vet_layers(layers: Sequence[LayerSource], *, budgets: Budgets = DEFAULT_BUDGETS) -> None:
    """Read layers, base first, and judge every member by itself; nothing is written.

    Raises:
        LayerRefused: a layer is wrong, damaged or not safe.

    """
    meter, tally = Meter(budgets), Tally(budgets)
    for layer in layers:
        with _inflated(layer, meter, budgets) as inflater:
            vet(TarStream(Chunks(inflater), budgets), tally, Density(inflater, budgets), meter, budgets)


def layer_sources(
    layout: Layout, manifest: Manifest, diff_ids: Sequence[str], stop: Callable[[], bool] = _never
) -> list[LayerSource]:
    """The layers of an image in a layout, whose streams end with an error when `stop` says so.

    Raises:
        LayerRefused: the config has not one diff id for each layer.
        ImageError: a media type is not known.

    """
    if len(diff_ids) != len(manifest.layers):
        raise LayerRefused(
            "", f"the manifest has {len(manifest.layers)} layers and the config {len(diff_ids)} diff ids"
        )
    sources = []
    for number, (descriptor, diff_id) in enumerate(zip(manifest.layers, diff_ids), 1):
        compression = LAYERS.get(descriptor.media_type)
        if compression is None:
            raise refuse_media_type(descriptor.media_type, f"layer {number}", "tar layers, plain, gzip or zstd")
        sources.append(
            LayerSource(
                open=lambda descriptor=descriptor: _Stoppable(layout.open_blob(descriptor), stop),  # type: ignore[misc]
                compression=compression,
                diff_id=diff_id,
            )
        )
    return sources


def unpack(
    layout: Layout,
    manifest: Manifest,
    diff_ids: Sequence[str],
    dest_dirfd: int,
    *,
    budgets: Budgets = DEFAULT_BUDGETS,
    notice: Callable[[str], None] = _ignore,
    stop: Callable[[], bool] = _never,
) -> None:
    """Unpack an image of a layout into an empty directory.

    Args:
        layout: where the blobs are.
        manifest: the image's.
        diff_ids: of the image's config, one for each layer.
        dest_dirfd: an empty directory; not closed.
        budgets: limits over the whole image.
        notice: told what could not be kept.
        stop: asked now and then; true gives up with InterruptedError.

    Raises:
        LayerRefused: a layer is wrong, damaged or not safe.
        UnpackFailed: this machine could not write an entry.
        ImageError: a blob is missing or damaged, or its media type is not known.
        InterruptedError: `stop` said so.

    """
    sources = layer_sources(layout, manifest, diff_ids, stop)
    try:
        apply_layers(sources, dest_dirfd, budgets=budgets, notice=notice)
    except _GaveUp:
        raise InterruptedError("gave up unpacking an image") from None


def unpack_by_umoci(
    layout: Layout,
    image: Descriptor,
    work: Path,
    dest: Path,
    *,
    budgets: Budgets = DEFAULT_BUDGETS,
    stop: Callable[[], bool] = _never,
) -> None:
    """Unpack an image with umoci, after our own reader has judged its layers.

    umoci knows no limits and reads some archives more leniently than others do; what is refused here it never sees.

    Args:
        layout: where the blobs are.
        image: the manifest's descriptor.
        work: an empty directory for a layout of umoci's own.
        dest: a directory that is empty.
        budgets: limits over the whole image.
        stop: asked now and then, until umoci runs; true gives up with InterruptedError.

    Raises:
        LayerRefused: a layer is wrong, damaged or not safe.
        ImageError: a blob is missing or damaged, or its media type is not known.
        InterruptedError: `stop` said so.
        ToolMissing: there is no umoci.
        ToolFailed: umoci failed at something that is no entry.

    """
    selection = layout.load(image)
    try:
        vet_layers(layer_sources(layout, selection.manifest, selection.config.diff_ids, stop), budgets=budgets)
    except _GaveUp:
        raise InterruptedError("gave up unpacking an image") from None
    # umoci selects by tag only, and the image may have none.
    own = Layout.create(work)
    for blob in (image, selection.manifest.config, *selection.manifest.layers):
        own.copy_blob(layout, blob)
    own.add_manifest(image, "base")
    try:
        unpack_with_umoci(work, "base", dest)
    except ToolFailed as error:
        if (said := _UMOCI_ENTRY.search(error.stderr.decode("utf-8", "replace"))) is None:
            raise
        raise LayerRefused(said["entry"], f"umoci says: {printable(said['reason'])}") from error


def unpack_with_umoci(layout: Path, tag: str, dest: Path) -> None:
    """Unpack an image with umoci, the other unpacker that images can be checked against.

    Args:
        layout: path of the OCI layout.
        tag: the image's tag in it.
        dest: a directory that does not exist yet or is empty.

    Raises:
        ToolMissing: there is no umoci.
        ToolFailed: umoci refused the image.

    """
    argv = ["umoci", "raw", "unpack", "--keep-dirlinks"]
    if os.geteuid() != 0:
        argv.append("--rootless")
    run_tool([*argv, "--image", f"{layout}:{tag}", str(dest)])
