"""Sets of the corpus as real OCI layouts."""

import gzip
import json
from pathlib import Path

from tests.adversarial.corpus.model import LayerSet, Packed, sha
from tests.support.images import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, add_to_index, dump, put


def build(one: LayerSet, path: Path) -> None:
    """Write the layout of a set; its tag is `latest`."""
    path.mkdir(parents=True)
    (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    descriptors, diff_ids = [], []
    for layer in one.layers:
        blob = layer if isinstance(layer, Packed) else Packed(data=gzip.compress(layer, 6, mtime=0), diff_id=sha(layer))
        diff_ids.append(blob.diff_id)
        descriptors.append(put(path, blob.data, OCI_LAYER + blob.suffix))
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": put(path, dump(config), OCI_CONFIG),
        "layers": descriptors,
    }
    descriptor = put(path, dump(manifest), OCI_MANIFEST)
    add_to_index(path, {**descriptor, "platform": {"os": "linux", "architecture": "amd64"}}, "latest")
    if one.tamper is not None:
        one.tamper(path)


def layer_blobs(path: Path) -> list[Path]:
    """The files of the layers, base first."""
    folder = path / "blobs" / "sha256"
    index = json.loads((path / "index.json").read_bytes())
    manifest = json.loads((folder / index["manifests"][0]["digest"].removeprefix("sha256:")).read_bytes())
    return [folder / layer["digest"].removeprefix("sha256:") for layer in manifest["layers"]]
