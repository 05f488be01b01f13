import bz2
import gzip
import io
import lzma
import os
import stat
import subprocess
import tarfile
import zipfile

import pytest
import zstandard

from metalor_lang.oci.archives import ArchiveRefused, unpack_archive
from metalor_lang.oci.budget import Budgets

EPOCH = 1_700_000_000


def member(name, data=b"", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mtime = EPOCH
    info.mode = 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def tar(*members, format=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return out.getvalue()


TREE = (
    member("top/", type=tarfile.DIRTYPE, mode=0o755),
    member("top/tool", b"#!/bin/sh\n", mode=0o4755, uid=1000, gid=1000, uname="mara"),
    member("top/secret", b"x", mode=0o600),
    member("top/deep/er/file", b"y" * 5000),
    member("top/link", type=tarfile.SYMTYPE, linkname="tool"),
    member("top/again", type=tarfile.LNKTYPE, linkname="top/secret"),
    member("top/spool/", type=tarfile.DIRTYPE, mode=0o1777),
)
PACKERS = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
    "bzip2": bz2.compress,
    "two gzip members": lambda data: gzip.compress(data[:3000]) + gzip.compress(data[3000:]),
    "two xz streams": lambda data: lzma.compress(data[:3000]) + b"\0" * 8 + lzma.compress(data[3000:]),
    "two bzip2 streams": lambda data: bz2.compress(data[:3000]) + bz2.compress(data[3000:]),
}


@pytest.fixture
def unpack(tmp_path):
    count = 0

    def unpack(data, **options):
        nonlocal count
        count += 1
        target = tmp_path / f"out{count}"
        target.mkdir()
        file = tmp_path / f"file{count}"
        file.write_bytes(data)
        fd = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with file.open("rb") as stream:
                unpack_archive(stream, file, fd, **options)
                assert stream.read() == b"", "what verifies its bytes is read to the end"
        finally:
            os.close(fd)
        return target

    return unpack


def listing(folder):
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        kind = stat.S_IFMT(status.st_mode)
        content = os.readlink(path) if kind == stat.S_IFLNK else path.read_bytes() if kind == stat.S_IFREG else None
        found[str(path.relative_to(folder))] = (oct(status.st_mode), content, int(status.st_mtime))
    return found


@pytest.mark.parametrize("packer", PACKERS)
def test_every_packing_gives_the_same_tree(unpack, packer):
    found = listing(unpack(PACKERS[packer](tar(*TREE))))
    assert found == listing(unpack(tar(*TREE)))
    assert found["top/tool"] == ("0o100755", b"#!/bin/sh\n", EPOCH), "no set-id bit: it was another machine's owner"
    assert found["top/secret"][0] == "0o100600"
    assert found["top/spool"][0] == "0o41777"
    assert found["top/link"][1] == "tool"


def test_owners_are_ours_and_links_are_kept(unpack):
    folder = unpack(tar(*TREE))
    status = (folder / "top/secret").stat()
    assert (status.st_uid, status.st_nlink) == (os.geteuid(), 2)
    assert (folder / "top/again").stat().st_ino == status.st_ino


def test_times_may_be_one_for_all(unpack):
    folder = unpack(tar(*TREE), mtime=5 * 10**9)
    assert {each[2] for each in listing(folder).values()} - {0} == {5}


@pytest.mark.parametrize("packer", ["gzip", "xz", "zstd", "bzip2"])
@pytest.mark.parametrize("how", ["cut", "flipped", "followed"])
def test_damaged_archives_are_refused(unpack, packer, how):
    data = PACKERS[packer](tar(*TREE))
    middle = len(data) // 2
    broken = {
        "cut": data[:-7],
        "flipped": data[:middle] + bytes([data[middle] ^ 0x55]) + data[middle + 1 :],
        "followed": data + b"something else entirely",
    }[how]
    with pytest.raises(ArchiveRefused, match="the archive cannot be unpacked"):
        unpack(broken)


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([member("../x", b"")], r"entry '\.\./x' was refused: its path has a `\.\.`"),
        ([member("a/../../x", b"")], r"its path has a `\.\.`"),
        ([member("x", type=tarfile.LNKTYPE, linkname="../../etc/passwd")], r"has a `\.\.`"),
        ([member("x", type=tarfile.LNKTYPE, linkname="absent")], "does not exist before it"),
        ([member("dev", type=tarfile.CHRTYPE, devmajor=1, devminor=3)], "it is a character device, and only files"),
        ([member("fifo", type=tarfile.FIFOTYPE)], "it is a fifo"),
        ([member("a/.wh.b", b"")], r"begins with \.wh\. deletes files"),
        ([member("n" * 256, b"")], "longer than 255 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_image_should_hold_is_refused(unpack, members, said):
    with pytest.raises(ArchiveRefused, match=said):
        unpack(tar(*members))


def test_no_link_leads_outside(unpack, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "there").write_text("mine")
    for target in (str(outside), "../outside", "../../outside"):
        try:
            unpack(tar(member("way", type=tarfile.SYMTYPE, linkname=target), member("way/there", b"theirs")))
        except ArchiveRefused:
            pass
    assert (outside / "there").read_text() == "mine"
    assert sorted(path.name for path in outside.iterdir()) == ["there"]


@pytest.mark.parametrize(
    "data",
    [b"", b"hello\n" * 200, gzip.compress(b"hello\n" * 200), b"\xff" * 4096, b"PK\x05\x06"],
    ids=("empty", "text", "packed text", "bytes", "half a zip"),
)
def test_what_is_no_archive_is_refused(unpack, data):
    with pytest.raises(ArchiveRefused):
        unpack(data)


def test_bombs_are_refused(unpack):
    tight = Budgets(data=1 << 20, entries=100)
    big = tar(member("zeros", bytes(4 << 20)))
    for packer in ("gzip", "xz", "zstd", "bzip2"):
        with pytest.raises(ArchiveRefused, match="more than 1048576 bytes"):
            unpack(PACKERS[packer](big), budgets=tight)
    with pytest.raises(ArchiveRefused, match="more than 1048576 bytes"):
        unpack(zipped(("zeros", bytes(4 << 20))), budgets=tight)
    many = [(str(number), b"") for number in range(101)]
    with pytest.raises(ArchiveRefused, match="more than 100 entries"):
        unpack(zipped(*many), budgets=tight)


def test_unpacking_can_be_ended(unpack):
    def check():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(gzip.compress(tar(*TREE)), check=check)


# --- zip --------------------------------------------------------------------------------------------------------------


def zipped(*members, compression=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data, *fields in members:
            info = zipfile.ZipInfo(name, (2023, 11, 14, 22, 13, 20))
            info.create_system = 3
            info.external_attr = (fields[0] if fields else 0) << 16
            info.compress_type = compression
            archive.writestr(info, data)
    return out.getvalue()


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zips(unpack, compression):
    data = zipped(
        ("top/", b"", 0o40755),
        ("top/tool", b"#!/bin/sh\n", 0o104755),
        ("top/plain", b"x" * 70_000, 0o100640),
        ("top/link", b"tool", 0o120777),
        compression=compression,
    )
    assert listing(unpack(data)) == {
        "top": ("0o40755", None, EPOCH),
        "top/tool": ("0o100755", b"#!/bin/sh\n", EPOCH),
        "top/plain": ("0o100640", b"x" * 70_000, EPOCH),
        "top/link": ("0o120777", "tool", EPOCH),
    }


def test_a_zip_of_another_tool(unpack, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "ä").write_text("umlaut")
    done = subprocess.run(["bsdtar", "--format", "zip", "-cf", "x.zip", "in"], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    folder = unpack((tmp_path / "x.zip").read_bytes())
    assert (folder / "in" / "ä").read_text() == "umlaut"


def test_wrong_zips_are_refused(unpack):
    def refused(data, said):
        with pytest.raises(ArchiveRefused, match=said):
            unpack(data)

    good = zipped(("a", b"content of a"), compression=zipfile.ZIP_STORED)
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = zipped(("a", b"1"), ("a", b"2"))
    refused(twice, "stands twice")
    refused(zipped(("../a", b"")), r"has a `\.\.`")
    refused(zipped(("d", b"", 0o020644)), "neither file, directory nor link")
    refused(zipped(("link", b"x" * 5000, 0o120777)), "its link target has 5000 bytes")
    refused(good.replace(b"content of a", b"CONTENT of a"), "is damaged")
    refused(good[:-10], "directory is damaged")
    encrypted = bytearray(good)
    encrypted[6] |= 1
    encrypted[good.index(b"PK\x01\x02") + 8] |= 1
    refused(bytes(encrypted), "it is encrypted")
    method = bytearray(good)
    method[8] = method[good.index(b"PK\x01\x02") + 10] = 97
    refused(bytes(method), "by the method 97")
