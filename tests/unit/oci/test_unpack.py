import errno
import io
import os
import resource
import threading
from pathlib import Path

import pytest

from metalor_lang.kernel.paths import Root
from metalor_lang.kernel.writeback import begin_sync
from metalor_lang.oci import unpack as unpacking
from metalor_lang.oci.budget import LayerRefused, UnpackFailed, printable
from metalor_lang.oci.layout import Layout
from metalor_lang.oci.media import Compression
from metalor_lang.oci.unpack import LayerSource, apply_layers, unpack
from tests.support import images
from tests.support.images import digest, make_layout
from tests.support.tars import END, directory, file, hardlink, member, pax, symlink


def apply(target: Path, *layers: bytes) -> list[str]:
    notices: list[str] = []
    sources = [
        LayerSource(
            open=lambda data=data: io.BytesIO(data + END), compression=Compression.NONE, diff_id=digest(data + END)
        )
        for data in layers
    ]
    target.mkdir(exist_ok=True)
    with Root.at(target) as root:
        apply_layers(sources, root.fd, notice=notices.append)
    return notices


def names(target: Path) -> list[str]:
    return sorted(str(path.relative_to(target)) for path in target.rglob("*"))


# What a layer says about names of the layer below and its own, in both orders.
WHITEOUTS: list[tuple[list[bytes], list[bytes], list[str]]] = [
    ([file("a"), file("b")], [file(".wh.a")], ["b"]),
    ([file("a")], [file(".wh.a"), file("a")], ["a"]),
    ([file("a")], [file("a"), file(".wh.a")], ["a"]),
    ([file("d/old")], [file(".wh.d"), file("d/new")], ["d", "d/new"]),
    ([file("d/old")], [file("d/new"), file(".wh.d")], ["d", "d/new"]),
    ([file("d/old"), file("d/e/old")], [file("d/.wh..wh..opq"), file("d/e/new")], ["d", "d/e", "d/e/new"]),
    ([file("d/old"), file("d/e/old")], [file("d/e/new"), file("d/.wh..wh..opq")], ["d", "d/e", "d/e/new"]),
    ([file("u/x"), symlink("l", "u")], [file("l/y"), file("u/.wh..wh..opq")], ["l", "u", "u/y"]),
    ([file("u/x"), symlink("l", "u")], [file("u/y"), file("l/.wh..wh..opq")], ["l", "u", "u/y"]),
    ([file("u/x"), symlink("l", "u")], [file("l/.wh.x")], ["l", "u"]),
    ([file("a"), hardlink("b", "a")], [file(".wh.a")], ["b"]),
    ([file("d/x")], [file("d")], ["d"]),
    ([file("d")], [directory("d"), file("d/x")], ["d", "d/x"]),
    ([symlink("d", "nowhere")], [directory("d"), file("d/x")], ["d", "d/x"]),
    ([file("u/x"), symlink("d", "u")], [directory("d"), file("d/y")], ["d", "u", "u/x", "u/y"]),
]


@pytest.mark.parametrize(("lower", "upper", "expected"), WHITEOUTS)
def test_a_layer_over_another(tmp_path: Path, lower: list[bytes], upper: list[bytes], expected: list[str]) -> None:
    assert apply(tmp_path, b"".join(lower), b"".join(upper)) == []
    assert names(tmp_path) == expected


def test_times_of_directories_are_set_last(tmp_path: Path) -> None:
    apply(
        tmp_path,
        directory("d", mtime=1000) + directory("d/e", mtime=2000) + file("d/e/x") + directory("./", mtime=3000),
        file("d/e/y") + file("implied/x"),
    )
    assert (tmp_path / "d").stat().st_mtime == 1000
    assert (tmp_path / "d/e").stat().st_mtime == 2000
    assert (tmp_path / "implied").stat().st_mtime == 0
    assert tmp_path.stat().st_mtime == 3000


class LastFile(io.BytesIO):
    """A layer after whose reading this process may open nothing any more."""

    def close(self) -> None:
        super().close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def test_a_directory_whose_time_cannot_be_set_is_said(tmp_path: Path) -> None:
    """All that is left to do at the end is the times; a base without them would be another image for ever."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    data = directory("d", mtime=5) + END
    layer = LayerSource(open=lambda: LastFile(data), compression=Compression.NONE, diff_id=digest(data))
    with Root.at(tmp_path) as root:
        try:
            with pytest.raises(UnpackFailed, match="directory 'd' of a layer cannot be finished: Too many open files"):
                apply_layers([layer], root.fd)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_times_have_nanoseconds(tmp_path: Path) -> None:
    apply(tmp_path, pax({"mtime": "1000000000.123456789"}) + file("a") + pax({"mtime": "-1.5"}) + symlink("l", "a"))
    assert (tmp_path / "a").stat().st_mtime_ns == 1_000_000_000_123_456_789
    assert (tmp_path / "l").lstat().st_mtime_ns == -1_500_000_000


def test_a_new_file_breaks_the_old_link(tmp_path: Path) -> None:
    apply(tmp_path, file("a", b"old") + hardlink("b", "a"), file("a", b"new"))
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (b"new", b"old")


def test_modes_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        apply(tmp_path, member("a", mode=0o6777) + directory("d", mode=0o1777) + file("implied/x"))
    finally:
        os.umask(before)
    modes = {name: oct((tmp_path / name).stat().st_mode & 0o7777) for name in ("a", "d", "implied")}
    assert modes == {"a": "0o6777", "d": "0o1777", "implied": "0o755"}


def test_a_full_disk_is_the_machines_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(UnpackFailed, match="cannot write the entry 'a' of a layer: No space left") as caught:
        apply(tmp_path, file("a"))
    assert "METALOR_STORE" in caught.value.help


def test_much_is_brought_to_the_disk_before_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When all is inflated, and again when all is written; what is little is left to whoever keeps the tree."""
    begun: list[str] = []

    def begin(fd: int) -> None:
        begun.append(threading.current_thread().name)
        begin_sync(fd)

    monkeypatch.setattr(unpacking, "begin_sync", begin)
    apply(tmp_path / "little", file("a", bytes(1 << 20)))
    assert begun == []
    apply(tmp_path / "much", file("a", bytes(9 << 20)), file("b", bytes(9 << 20)), file("c"))
    assert begun == ["inflate", "MainThread"]
    for thread in threading.enumerate():
        if thread.name == "write-back":
            thread.join(60)


def test_no_thread_and_no_descriptor_stays_behind(tmp_path: Path) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    many = b"".join(file(f"d{n}/f", bytes(1000)) for n in range(200))
    apply(tmp_path, many)
    for broken in (many + file("../x") + many, many + hardlink("x", "missing"), many[:-700]):
        with pytest.raises(LayerRefused):
            apply(tmp_path, broken)
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert not [thread for thread in threading.enumerate() if thread.name == "inflate"]


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_images_of_a_layout(tmp_path: Path, compression: str) -> None:
    own = {"uid": os.getuid(), "gid": os.getgid()}
    make_layout(
        tmp_path / "oci",
        [{"a": images.file("one", **own)}, {"b": images.file("two", **own), "a": None}],
        compression=compression,
    )
    layout = Layout.open(tmp_path / "oci")
    selection = layout.select("latest")
    (tmp_path / "root").mkdir()
    with Root.at(tmp_path / "root") as root:
        if os.getuid() == 0:
            unpack(layout, selection.manifest, selection.config.diff_ids, root.fd)
            assert names(tmp_path / "root") == ["b"]
        with pytest.raises(LayerRefused, match="2 layers and the config 1"):
            unpack(layout, selection.manifest, selection.config.diff_ids[:1], root.fd)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain", "plain"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\nb", "a\\x0ab"),
        ("\udcff", "\\xff"),
        ("x" * 300, "x" * 120 + "…" + "x" * 60),
    ],
)
def test_names_in_errors_have_no_control_characters(name: str, shown: str) -> None:
    assert printable(name) == shown
