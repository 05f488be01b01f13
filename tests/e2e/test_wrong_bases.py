"""A base that is wrong, a store that cannot be written, a tool that is missing: one clear error, nothing lost."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from metalor_lang.digest import sha256
from tests.support import images

pytestmark = pytest.mark.integration

PROJECT = Path(__file__).parents[2]


class Image:
    """A layout with one image of one layer, tag `v1`, to be damaged."""

    def __init__(self, path: Path) -> None:
        images.make_layout(path, [{"etc/": "", "etc/a": "1\n" * 5000}], {"Env": ["A=1"]}, "v1")
        self.path = path
        self.index: dict[str, Any] = json.loads((path / "index.json").read_text())
        self.entry = self.index["manifests"][0]
        self.manifest: dict[str, Any] = json.loads(self.blob(self.entry["digest"]).read_bytes())

    def blob(self, digest: str) -> Path:
        path = self.path / "blobs" / "sha256" / digest.removeprefix("sha256:")
        if path.exists():
            path.chmod(0o644)
        return path

    @property
    def layer(self) -> Path:
        return self.blob(self.manifest["layers"][0]["digest"])

    def put(self, document: dict[str, Any]) -> dict[str, Any]:
        data = json.dumps(document).encode()
        self.blob(digest := sha256(data)).write_bytes(data)
        return {"digest": digest, "size": len(data)}

    def save(self) -> None:
        """Write the manifest as it is now, under its right digest."""
        self.entry |= self.put(self.manifest)
        (self.path / "index.json").write_text(json.dumps(self.index))

    # --- ways to be wrong

    def flipped(self) -> None:
        data = bytearray(self.layer.read_bytes())
        data[len(data) // 2] ^= 1
        self.layer.write_bytes(data)

    def truncated(self) -> None:
        self.layer.write_bytes(self.layer.read_bytes()[:-20])

    def longer(self) -> None:
        self.layer.write_bytes(self.layer.read_bytes() + b"\0")

    def gone(self) -> None:
        self.layer.unlink()

    def other_digest(self) -> None:
        self.manifest["layers"][0]["digest"] = "sha256:" + "0" * 64
        self.save()

    def other_content(self) -> None:
        config = json.loads(self.blob(self.manifest["config"]["digest"]).read_bytes())
        config["rootfs"]["diff_ids"] = ["sha256:" + "1" * 64]
        self.manifest["config"] |= self.put(config)
        self.save()

    def no_manifest(self) -> None:
        self.blob(self.entry["digest"]).unlink()

    def no_config(self) -> None:
        self.blob(self.manifest["config"]["digest"]).unlink()

    def layer_type(self) -> None:
        self.manifest["layers"][0]["mediaType"] = "application/x-unknown"
        self.save()

    def manifest_type(self) -> None:
        self.entry["mediaType"] = self.manifest["mediaType"] = "application/x-unknown"
        self.save()

    def no_json(self) -> None:
        self.entry |= {"digest": (digest := sha256(b"{")), "size": 1}
        self.blob(digest).write_bytes(b"{")
        (self.path / "index.json").write_text(json.dumps(self.index))

    def no_marker(self) -> None:
        (self.path / "oci-layout").unlink()

    def no_index(self) -> None:
        (self.path / "index.json").unlink()

    def other_tag(self) -> None:
        self.entry["annotations"]["org.opencontainers.image.ref.name"] = "v2"
        self.save()


WRONG: dict[Callable[[Image], None], tuple[str, str]] = {
    Image.flipped: ("E0503", "is damaged: its bytes have the digest"),
    Image.truncated: ("E0503", "is shorter than its descriptor says: expected "),
    Image.longer: ("E0503", "is longer than its descriptor says"),
    Image.gone: ("E0503", "is missing in base"),
    Image.other_digest: ("E0503", "sha256:" + "0" * 64),
    Image.other_content: ("E0503", "the image's config says sha256:" + "1" * 64),
    Image.no_manifest: ("E0503", "is missing in base"),
    Image.no_config: ("E0503", "is missing in base"),
    Image.layer_type: ("E0503", "layers[0] has the media type 'application/x-unknown'"),
    Image.manifest_type: ("E0503", "the media type 'application/x-unknown'"),
    Image.no_json: ("E0503", "is not a right JSON document"),
    Image.no_marker: ("E0501", "it has no file oci-layout"),
    Image.no_index: ("E0501", "it has no index.json"),
    Image.other_tag: ("E0502", "base has no image 'v1'; its tags are v2"),
}


def metalor(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "METALOR_STORE": str(folder / "store"), "PYTHONPATH": str(PROJECT), **environment}
    command = [sys.executable, "-m", "metalor_lang", *words]
    return subprocess.run(command, cwd=folder, env=env, text=True, capture_output=True)


def listing(store: Path) -> set[str]:
    return {str(path.relative_to(store)) for kind in ("snapshots", "steps", "tmp") for path in (store / kind).iterdir()}


@pytest.mark.parametrize("damage", WRONG, ids=lambda damage: damage.__name__)
def test_a_wrong_base(tmp_path: Path, damage: Callable[[Image], None]) -> None:
    (tmp_path / "good.metalor").write_text("FROM scratch\nFILE /x '''\n  kept\n  '''\n")
    assert metalor(tmp_path, "build", "good.metalor").returncode == 0
    kept = listing(tmp_path / "store")

    damage(Image(tmp_path / "base"))
    (tmp_path / "a.metalor").write_text("FROM oci:base:v1\nFILE /y '''\n  y\n  '''\n")
    done = metalor(tmp_path, "build", "a.metalor")
    code, said = WRONG[damage]
    assert done.returncode == 1, done.stderr
    assert "a.metalor:1:" in done.stderr
    assert f"error[{code}]" in done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr

    assert listing(tmp_path / "store") == kept
    assert "no damage" in metalor(tmp_path, "cache", "verify", "--full").stdout
    assert metalor(tmp_path, "build", "good.metalor", "--expect-cached").returncode == 0


@pytest.mark.parametrize(
    ("recipe", "words", "environment", "said", "help"),
    [
        (
            "FROM scratch\n",
            (),
            {"METALOR_STORE": "/proc/store"},
            "the store /proc/store cannot be made",
            "METALOR_STORE",
        ),
        ("FROM scratch\n", (), {"METALOR_STORE": "a.metalor/s"}, "a.metalor/s cannot be", "METALOR_STORE"),
        ("FROM debian:12\n", (), {"PATH": "/nowhere"}, "skopeo is not installed", "apt-get install skopeo"),
        (
            "FROM scratch\n",
            ("-o", "docker://example.org/a:1"),
            {"PATH": "/nowhere"},
            "skopeo is not",
            "apt-get install",
        ),
        ("FROM scratch\n", ("-o", "tar:none/x.tar"), {}, "the directory ", ""),
    ],
)
def test_a_wrong_machine(
    tmp_path: Path, recipe: str, words: tuple[str, ...], environment: dict[str, str], said: str, help: str
) -> None:
    (tmp_path / "a.metalor").write_text(recipe + "FILE /y '''\n  y\n  '''\n")
    done = metalor(tmp_path, "build", "a.metalor", *words, **environment)
    assert done.returncode == 3, done.stderr
    assert said in done.stderr
    assert help in done.stderr
    assert "stage 1" not in done.stderr, "it was found only when the build had begun"
