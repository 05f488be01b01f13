"""Images as files and in registries: what is not a layout that lies open.

Invariant: a file is replaced whole, after everything in it was checked.
"""

import contextlib
import io
import os
import re
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from metalor_lang.digest import canonical_json
from metalor_lang.errors import MachineError, machine_help
from metalor_lang.kernel.process import ToolFailed
from metalor_lang.oci.errors import BadOutput
from metalor_lang.oci.image import Image
from metalor_lang.oci.index import ImageIndex
from metalor_lang.oci.layout import Layout
from metalor_lang.oci.output import DEFAULT_TAG, OpenBlob, OutputKind, OutputSpec, checked, write_layout
from metalor_lang.oci.placing import own_folder, place
from metalor_lang.oci.skopeo import explain, skopeo_copy
from metalor_lang.oci.spec import REF_NAME, Index
from metalor_lang.record import replace


def write(image: Image | ImageIndex, spec: OutputSpec, open_blob: OpenBlob, work: Path | None) -> None:
    """Write an image to an archive or a registry.

    Args:
        image: as of `write_outputs`.
        spec: where to.
        open_blob: gives the bytes of each layer.
        work: a directory for the temporary layout of what is pushed (else the system's).

    Raises:
        BadOutput, MachineError, FetchFailed, BlobDamaged: as `write_outputs`.

    """
    if spec.kind is OutputKind.REGISTRY:
        _by_skopeo(image, str(spec), spec, open_blob, work)
        return
    with _replacing(Path(spec.location)) as path:
        if spec.kind is OutputKind.DOCKER_ARCHIVE:
            _by_skopeo(image, f"docker-archive:{path}:{spec.tag}", spec, open_blob, path.parent)
        else:
            with path.open("wb") as file:
                _write_archive(image, file, spec.tag, open_blob)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A file name of its own that takes the place of `path` when all went well.

    It lies in a locked directory beside `path`, whose name is always the same: what a killed build left is cleared
    away by the next one.
    """
    try:
        with own_folder(path.with_name(f".{path.name}.metalor")) as folder:
            own = folder / "output"
            yield own
            with own.open("rb+") as file:
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
            place(own, path)
    except OSError as error:
        raise MachineError(f"cannot write {path}: {error.strerror}", help=machine_help(error.errno)) from None


def _write_archive(image: Image | ImageIndex, file: BinaryIO, tag: str, open_blob: OpenBlob) -> None:
    """A tar of a layout with one image: fixed order, owners and times."""
    annotations = (*image.descriptor.annotations, (REF_NAME, tag))
    index = Index(manifests=(replace(image.descriptor, annotations=annotations),)).to_json()
    documents = {descriptor.digest: data for descriptor, data in image.documents}
    layers = {layer.digest: layer for layer in image.layers}
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("blobs", "blobs/sha256"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        for digest in sorted({*documents, *layers}):
            name = "blobs/sha256/" + digest.removeprefix("sha256:")
            if digest in documents:
                _add(tar, name, io.BytesIO(documents[digest]), len(documents[digest]))
                continue
            with contextlib.closing(checked(layers[digest], open_blob)) as stream:
                _add(tar, name, stream, layers[digest].size)
                stream.read(1)  # reaches the end, where the digest is checked
        _add(tar, "index.json", io.BytesIO(index), len(index))
        marker = canonical_json({"imageLayoutVersion": "1.0.0"})
        _add(tar, "oci-layout", io.BytesIO(marker), len(marker))


def _add(tar: tarfile.TarFile, name: str, stream: BinaryIO, size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    tar.addfile(info, stream)


def _by_skopeo(
    image: Image | ImageIndex, destination: str, spec: OutputSpec, open_blob: OpenBlob, work: Path | None
) -> None:
    with tempfile.TemporaryDirectory(prefix="metalor-output-", dir=work) as folder:
        layout = Layout.create(Path(folder) / "layout")
        write_layout(image, layout, DEFAULT_TAG, open_blob)
        try:
            skopeo_copy(f"oci:{layout.path}:{DEFAULT_TAG}", destination, every_platform=isinstance(image, ImageIndex))
        except ToolFailed as error:
            said = error.stderr.decode("utf-8", "replace")
            platform = ", ".join(image.platforms)
            why = explain(said, source=str(spec), location=spec.location, platform=platform)
            message = re.sub(r"^cannot fetch", "cannot write", why.message)
            raise BadOutput(message, help=why.help) from None
