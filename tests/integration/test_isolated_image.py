"""Images into roots: real skopeo, a real registry, real umoci."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from metalor_lang import MetalorError, PathRefused, UnsupportedArchitecture, prepare_oci_rootfs
from metalor_lang.kernel.process import ToolFailed, ToolMissing
from metalor_lang.oci.errors import BadReference, FetchFailed, PlatformMissing
from tests.support import bases, images
from tests.support.isolated import snapshot
from tests.support.registry import registries_conf, registry

pytestmark = pytest.mark.integration
PLATFORMS = ("linux/amd64", "linux/arm64/v8", "linux/riscv64")


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    made = tmp_path / "prefix"
    made.mkdir()
    return made


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A layout with one image for several platforms under the tag `many`, and `amd64` alone."""
    layout = tmp_path / "many"
    made = [
        images.make_layout(layout, [{"etc/": "", "etc/arch": platform}], tag=None, platform=platform)
        for platform in PLATFORMS
    ]
    (layout / "index.json").unlink()
    images.make_nested(layout, made, "many")
    images.make_layout(layout, [{"only": "amd64"}], tag="single", platform="linux/amd64")
    return layout


@contextlib.contextmanager
def served(folder: Path, layout: Path, patch: pytest.MonkeyPatch) -> Iterator[str]:
    with registry(folder) as name:
        patch.setenv("CONTAINERS_REGISTRIES_CONF", str(registries_conf(folder, name)))
        argv = ["skopeo", "--insecure-policy", "copy", "-q", "--all", "--dest-tls-verify=false"]
        subprocess.run([*argv, f"oci:{layout}:many", f"docker://{name}/team/many:1"], check=True)
        yield name


def test_an_image_becomes_a_root_under_the_package_root(prefix: Path) -> None:
    package = prefix / "tools" / "box"
    root = prepare_oci_rootfs(bases.reference("busybox"), prefix, package)
    assert root == package / "oci" / "bundle" / "rootfs"
    assert (root / "bin" / "busybox").stat().st_mode & 0o111
    assert (root / "etc" / "shadow").stat().st_mode & 0o777 == 0o640
    bundle = json.loads((root.parent / "config.json").read_text())
    assert bundle["root"]["path"] == "rootfs", "umoci's bundle: what runtimes of OCI bundles read"
    assert sorted(one.name for one in (package / "oci").iterdir()) == ["bundle"], "nothing else is left"
    if os.geteuid() == 0:
        assert (root / "home" / "user").stat().st_uid == 1000


def test_a_second_preparation_makes_the_root_anew(prefix: Path) -> None:
    reference = bases.reference("busybox")
    root = prepare_oci_rootfs(reference, prefix, prefix / "p")
    (root / "left").write_text("from an earlier run\n")
    (root / "bin" / "busybox").unlink()
    (prefix / "p" / "oci" / ".work-killed" / "bundle").mkdir(parents=True)
    assert prepare_oci_rootfs(reference, prefix, prefix / "p") == root
    assert not (root / "left").exists()
    assert (root / "bin" / "busybox").exists()
    assert sorted(one.name for one in (prefix / "p" / "oci").iterdir()) == ["bundle"]


def test_a_failed_preparation_leaves_the_old_root(prefix: Path, many: Path) -> None:
    root = prepare_oci_rootfs(f"oci:{many}:single", prefix, prefix / "p")
    before = snapshot(root)
    with pytest.raises(FetchFailed):
        prepare_oci_rootfs(f"oci:{many}:absent", prefix, prefix / "p")
    assert snapshot(root) == before
    assert sorted(one.name for one in (prefix / "p" / "oci").iterdir()) == ["bundle"]


def test_the_requested_architecture_is_selected_from_a_multi_platform_image(prefix: Path, many: Path) -> None:
    for name, platform in (("arm64", "linux/arm64/v8"), ("riscv64", "linux/riscv64"), ("x86_64", "linux/amd64")):
        root = prepare_oci_rootfs(f"oci:{many}:many", prefix, prefix / name, requested_arch=name)
        assert (root / "etc" / "arch").read_text() == platform
    same = prepare_oci_rootfs(f"oci:{many}:many", prefix, prefix / "same", requested_arch="aarch64")
    assert (same / "etc" / "arch").read_text() == "linux/arm64/v8"


def test_an_image_for_another_architecture_is_refused(prefix: Path, many: Path) -> None:
    with pytest.raises(PlatformMissing, match=r"^oci:.*:single has no image for linux/arm64; it is there for linux"):
        prepare_oci_rootfs(f"oci:{many}:single", prefix, prefix / "p", requested_arch="arm64")
    assert not (prefix / "p" / "oci" / "bundle").exists()
    assert (prepare_oci_rootfs(f"oci:{many}:single", prefix, prefix / "p") / "only").exists()


def test_a_bare_reference_means_a_registry_reference(
    prefix: Path, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(tmp_path / "registry", many, monkeypatch) as name:
        for number, reference in enumerate((f"{name}/team/many:1", f"docker://{name}/team/many:1")):
            root = prepare_oci_rootfs(reference, prefix, prefix / str(number), requested_arch="riscv64")
            assert (root / "etc" / "arch").read_text() == "linux/riscv64"
        with pytest.raises(FetchFailed, match="the registry has no"):
            prepare_oci_rootfs(f"{name}/team/many:2", prefix, prefix / "absent")
    with pytest.raises(BadReference, match="lower case"):
        prepare_oci_rootfs("Debian:12", prefix, prefix / "wrong")
    assert not (prefix / "wrong").exists()


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive", "dir"])
def test_other_transports_pass_through(prefix: Path, many: Path, tmp_path: Path, transport: str) -> None:
    place = tmp_path / transport
    reference = f"{transport}:{place}"
    argv = ["skopeo", "--insecure-policy", "copy", "-q", f"oci:{many}:single", reference]
    subprocess.run(argv, check=True)
    root = prepare_oci_rootfs(reference, prefix, prefix / "p", tmp_path / "cache", "amd64")
    assert (root / "only").read_text() == "amd64"


def test_an_unsupported_architecture_is_refused_before_anything_is_downloaded(prefix: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        reference = f"127.0.0.1:{server.getsockname()[1]}/image:1"
        before = snapshot(tmp_path)
        for wrong in ("sparc", "linux/amd64", ""):
            with pytest.raises(UnsupportedArchitecture):
                prepare_oci_rootfs(reference, prefix, prefix / "p", tmp_path / "cache", wrong)
        with pytest.raises(BlockingIOError):
            server.accept()
        assert snapshot(tmp_path) == before


def test_the_layout_is_cached_per_reference_and_architecture(
    prefix: Path, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache" / "deep"
    with served(tmp_path / "registry", many, monkeypatch) as name:
        reference = f"{name}/team/many:1"
        for arch in ("amd64", "arm64"):
            prepare_oci_rootfs(reference, prefix, prefix / arch, cache, arch)
    assert len(list(cache.iterdir())) == 2
    before = snapshot(cache)
    for arch, platform in (("x86_64", "linux/amd64"), ("aarch64", "linux/arm64/v8")):  # the registry is gone
        root = prepare_oci_rootfs(f"docker://{reference}", prefix, prefix / "again", cache, arch)
        assert (root / "etc" / "arch").read_text() == platform
    with pytest.raises(FetchFailed, match="cannot be reached"):
        prepare_oci_rootfs(reference, prefix, prefix / "again", cache, "riscv64")
    with pytest.raises(FetchFailed, match="cannot be reached"):
        prepare_oci_rootfs(reference, prefix, prefix / "again", None, "amd64")
    files = [(path, time) for path, time in snapshot(cache) if Path(path).is_file()]
    assert files == [(path, time) for path, time in before if Path(path).is_file()]


def _damage(entry: Path, what: str) -> None:
    identity = entry / "identity.json"
    blobs = sorted((entry / "layout" / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    match what:
        case "identity of another reference":
            identity.write_bytes(identity.read_bytes().replace(b"many", b"more"))
        case "identity of another architecture":
            identity.write_bytes(identity.read_bytes().replace(b'"amd64"', b'"arm64"'))
        case "no identity":
            identity.unlink()
        case "torn identity":
            identity.write_bytes(identity.read_bytes()[:-5])
        case "no index":
            (entry / "layout" / "index.json").unlink()
        case "a blob is gone":
            blobs[0].unlink()
        case _:
            for blob in blobs:
                data = bytearray(blob.read_bytes())
                data[len(data) // 2] ^= 1
                blob.write_bytes(data)


DAMAGES = (
    "identity of another reference", "identity of another architecture", "no identity", "torn identity", "no index",
    "a blob is gone", "a flipped bit",
)  # fmt: skip


@pytest.mark.parametrize("what", DAMAGES)
def test_the_cache_entry_records_its_identity_and_is_checked_on_reuse(
    prefix: Path, many: Path, tmp_path: Path, what: str
) -> None:
    reference, cache = f"oci:{many}:many", tmp_path / "cache"
    prepare_oci_rootfs(reference, prefix, prefix / "p", cache, "amd64")
    (entry,) = cache.iterdir()
    good = json.loads((entry / "identity.json").read_bytes())
    assert (good["reference"], good["architecture"]) == (reference, "amd64")
    _damage(entry, what)
    root = prepare_oci_rootfs(reference, prefix, prefix / "p", cache, "amd64")
    assert (root / "etc" / "arch").read_text() == "linux/amd64"
    assert json.loads((entry / "identity.json").read_bytes()) == good
    assert sorted(one.name for one in entry.iterdir()) == ["identity.json", "layout"]
    source = tmp_path / "gone"
    many.rename(source)
    _damage(entry, what)
    with pytest.raises(FetchFailed):
        prepare_oci_rootfs(reference, prefix, prefix / "p", cache, "amd64")


def test_a_local_image_that_changed_is_copied_again(prefix: Path, tmp_path: Path) -> None:
    layout = tmp_path / "local"
    images.make_layout(layout, [{"version": "1"}], tag="t")
    for version in ("1", "two"):
        images.make_layout(layout, [{"version": version}], tag="t")
        root = prepare_oci_rootfs(f"oci:{layout}:t", prefix, prefix / "p", tmp_path / "cache")
        assert (root / "version").read_text() == version


def test_many_at_once_share_one_cache_entry(prefix: Path, many: Path, tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def prepare(number: int) -> None:
        try:
            prepare_oci_rootfs(f"oci:{many}:many", prefix, prefix / f"p{number % 2}", tmp_path / "cache", "arm64")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=prepare, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(list((tmp_path / "cache").iterdir())) == 1
    for package in ("p0", "p1"):
        assert (prefix / package / "oci" / "bundle" / "rootfs" / "etc" / "arch").read_text() == "linux/arm64/v8"


def test_a_damaged_image_gives_no_root(prefix: Path, many: Path) -> None:
    for blob in (many / "blobs" / "sha256").iterdir():
        if blob.read_bytes().startswith(b"\x1f\x8b"):
            blob.write_bytes(blob.read_bytes()[:-3] + b"xyz")
    with pytest.raises((FetchFailed, ToolFailed)):
        prepare_oci_rootfs(f"oci:{many}:single", prefix, prefix / "p")
    assert list((prefix / "p" / "oci").iterdir()) == []


@pytest.mark.parametrize("tool", ["skopeo", "umoci"])
def test_a_missing_tool_is_named_before_anything_is_made(
    prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in {"skopeo", "umoci"} - {tool}:
        (tools / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(ToolMissing, match=f"the program {tool} is not installed") as caught:
        prepare_oci_rootfs("debian:12", prefix, prefix / "p")
    assert caught.value.help == f"install it: apt-get install {tool}"
    assert list(prefix.iterdir()) == []


def test_a_colon_in_a_path_is_refused_early(prefix: Path, many: Path, tmp_path: Path) -> None:
    for package, cache in ((prefix / "a:b", None), (prefix / "p", tmp_path / "a:b")):
        with pytest.raises(MetalorError, match="must not contain ':'"):
            prepare_oci_rootfs(f"oci:{many}:single", prefix, package, cache)
    assert list(prefix.iterdir()) == []


def test_a_link_in_the_cache_is_refused(prefix: Path, many: Path, tmp_path: Path) -> None:
    cache, outside = tmp_path / "cache", tmp_path / "outside"
    outside.mkdir()
    prepare_oci_rootfs(f"oci:{many}:single", prefix, prefix / "p", cache)
    (entry,) = cache.iterdir()
    shutil.rmtree(entry)
    entry.symlink_to(outside)
    with pytest.raises(PathRefused, match="OCI cache root traverses a symbolic link"):
        prepare_oci_rootfs(f"oci:{many}:single", prefix, prefix / "p", cache)
    assert list(outside.iterdir()) == []


def test_a_full_disk_is_said(many: Path, tmp_path: Path) -> None:
    layout = tmp_path / "big"
    images.make_layout(layout, [{"big": os.urandom(3 << 20)}], tag="t")
    code = (
        "import sys; from pathlib import Path\n"
        "from metalor_lang import *; from metalor_lang.kernel import syscalls as s\n"
        "s.unshare(s.CLONE_NEWNS); s.mount(None, '/', None, s.MS_REC | s.MS_PRIVATE)\n"
        "s.mount('tmpfs', sys.argv[1], 'tmpfs', 0, 'size=2m')\n"
        "try: prepare_oci_rootfs(sys.argv[2], sys.argv[1], Path(sys.argv[1]) / 'p')\n"
        "except MetalorError as error: print(error.message, list(Path(sys.argv[1], 'p/oci').iterdir()))"
    )
    (tmp_path / "small").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "small"), f"oci:{layout}:t"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "the disk is full" in done.stdout
    assert done.stdout.rstrip().endswith("[]")
