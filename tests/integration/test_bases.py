import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from metalor_lang.oci.layout import Layout
from tests.support import bases

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("name", ["busybox", "whiteouts", "debian", "debian-c"])
def test_a_base_is_whole(name: str) -> None:
    layout = Layout.open(bases.base(name))
    assert bases.TAG in layout.tags()
    found = layout.select(bases.TAG)
    layout.verify(found)
    assert found.config.created_seconds == bases.EPOCH
    seen = json.loads(subprocess.check_output(["skopeo", "inspect", bases.reference(name)]))
    assert seen["Digest"] == found.descriptor.digest


@pytest.mark.parametrize("name", ["busybox", "whiteouts"])
def test_a_base_made_twice_has_the_same_digest(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Layout.open(bases.base(name)).select(bases.TAG).descriptor.digest
    monkeypatch.setenv("METALOR_BASES", str(tmp_path))
    assert Layout.open(bases.base(name)).select(bases.TAG).descriptor.digest == made
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".{name}.lock", name]


@pytest.mark.parametrize("name", ["busybox-arm64", "busybox-riscv64", "busybox-multi", "debian-arm64"])
def test_a_base_of_another_architecture_is_whole(name: str) -> None:
    layout = Layout.open(bases.base(name))
    for platform in ("linux/amd64", "linux/arm64", "linux/riscv64") if name == "busybox-multi" else (None,):
        found = layout.select(bases.TAG, platform)
        layout.verify(found)
        architecture = (platform or name).replace("-", "/").rpartition("/")[2]
        assert found.config.platform.architecture == architecture
        assert found.config.created_seconds == bases.EPOCH


@pytest.mark.slow
def test_busybox_is_compiled_to_the_same_bytes_twice(tmp_path: Path) -> None:
    program = bases.compiled_busybox(tmp_path)
    layout = Layout.open(bases.base("busybox-riscv64"))
    (layer,) = layout.select(bases.TAG).manifest.layers
    with tarfile.open(layout.blob_path(layer.digest)) as tar:
        file = tar.extractfile("bin/busybox")
        assert file is not None and file.read() == program


def test_busybox_runs_and_has_what_recipes_need(tmp_path: Path) -> None:
    subprocess.run(
        ["umoci", "unpack", "--image", f"{bases.base('busybox')}:1", str(tmp_path / "b")],
        check=True,
        capture_output=True,
    )
    root = tmp_path / "b" / "rootfs"
    assert subprocess.check_output([root / "bin" / "busybox", "echo", "yes"]) == b"yes\n"
    assert (root / "bin" / "sh").stat().st_ino == (root / "bin" / "busybox").stat().st_ino
    assert (root / "tmp").stat().st_mode & 0o7777 == 0o1777
    assert "user:x:1000:1000:" in (root / "etc" / "passwd").read_text()
