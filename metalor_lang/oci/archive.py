"""Tars of layouts: `oci-archive` files, read without another tool.

Invariant: reading takes nothing but a layout's own files, whatever else the tar holds, and checks every blob.
"""

import lzma
import os
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from metalor_lang.hints import Final
from metalor_lang.oci.errors import FetchFailed, ImageError
from metalor_lang.oci.layout import Layout
from metalor_lang.oci.spec import Descriptor, Platform
from metalor_lang.record import replace


def read_archive(path: str, tag: str | None, work: Path, into: Layout, platform: Platform) -> Descriptor:
    """Spread an archive of a layout and take over what the wanted image needs."""
    (work / "blobs" / "sha256").mkdir(parents=True)
    try:
        for name, file in _members(path):
            with (work / name).open("wb") as out:
                shutil.copyfileobj(file, out, 1 << 20)
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise FetchFailed(f"{path} is not a whole tar of an OCI layout: {error}") from None
    if not (work / "oci-layout").exists():
        raise FetchFailed(
            f"{path} is not a tar of an OCI layout: it has no file oci-layout",
            help=f"if it is of `docker save`, write docker-archive:{path}",
        )
    try:
        return _take(Layout.open(work), tag, platform, into)
    except ImageError as error:
        message = error.message.replace(str(work), path)
        error.message, error.args = message, (message,)
        error.help = error.help.replace(f"oci:{work}", f"oci-archive:{path}")
        raise


def _take(archive: Layout, tag: str | None, platform: Platform, into: Layout) -> Descriptor:
    """Move one image's blobs, checked, from a spread archive into a layout."""
    selection = archive.select(tag, platform)
    manifest = selection.manifest
    for blob in {blob.digest: blob for blob in (selection.descriptor, manifest.config, *manifest.layers)}.values():
        with archive.open_blob(blob) as checked:
            checked.finish()
        archive.blob_path(blob.digest).rename(into.blob_path(blob.digest))
    return replace(selection.descriptor, annotations=(), platform=selection.config.platform, extra={})


def _members(path: str) -> Iterator[tuple[str, "tarfile.ExFileObject"]]:
    """The regular files of a layout in a tar (plain or packed), by their normal names; anything else is left alone."""
    with tarfile.open(path, "r|*") as tar:
        for member in tar:
            name = os.path.normpath(member.name)
            if member.isreg() and (name in ("oci-layout", "index.json") or _BLOB.fullmatch(name)):
                file = tar.extractfile(member)
                if isinstance(file, tarfile.ExFileObject):
                    yield name, file


_BLOB: Final = re.compile(r"blobs/sha256/[0-9a-f]{64}")
