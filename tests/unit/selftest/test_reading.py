import os
import shutil
import sys
from pathlib import Path

import pytest

from metalor_lang.selftest import reading
from metalor_lang.selftest.borrowed import directories
from metalor_lang.selftest.elf import interpreter
from tests.support.tinyroot import BUSYBOX

MOUNTINFO = r"""24 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 24 0:25 / /srv rw - xfs /dev/vdb rw
31 30 0:26 / /srv/a\040b rw,idmapped - btrfs /dev/vdc rw
32 24 0:27 / /srvice rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/home", "ext4"),
        ("/srv", "xfs"),
        ("/srv/x", "xfs"),
        ("/srv/a b/c", "btrfs"),
        ("/srvice", "tmpfs"),
    ],
)
def test_the_file_system_of_a_path(path: str, kind: str) -> None:
    assert reading.filesystem_of(Path(path), MOUNTINFO) == kind


def test_shifted_ids_are_seen_at_their_mount_only() -> None:
    assert reading.idmapped(Path("/srv/a b"), MOUNTINFO)
    assert not reading.idmapped(Path("/srv/a b/c"), MOUNTINFO)
    assert not reading.idmapped(Path("/srv"), MOUNTINFO)


@pytest.mark.parametrize(
    ("release", "version"), [("6.1.0-18-amd64", (6, 1)), ("5.12", (5, 12)), ("6.18.44-fc", (6, 18)), ("odd", (0, 0))]
)
def test_versions_of_kernels(release: str, version: tuple[int, int]) -> None:
    assert reading.kernel_version(release) == version


def test_forbidden_kinds_of_namespaces(tmp_path: Path) -> None:
    (tmp_path / "user").mkdir()
    for kind, most in (("user", 0), ("mnt", 100), ("net", 0)):
        (tmp_path / "user" / f"max_{kind}_namespaces").write_text(f"{most}\n")
    assert reading.forbidden_kinds(tmp_path) == ("user", "net")
    assert reading.sysctl("user/max_mnt_namespaces", tmp_path) == "100"
    assert reading.sysctl("not/there", tmp_path) == ""


def test_the_fewest_directories_hold_what_is_needed() -> None:
    needed = (
        "/usr/lib/a.so",
        "/usr/bin/x",
        "/home/u/py/bin/python",
        "/home/u/py/lib",
        "/opt/odd/libz.so",
        "/lib64/ld.so",
    )
    assert directories(needed, "/home/u/py", ("/usr", "/lib64")) == ("/home/u/py", "/lib64", "/opt/odd", "/usr")
    assert directories(("/usr/lib/a.so", "/usr/py/b"), "/usr", ("/usr",)) == ("/usr",)
    assert directories(("/a/b/c.so", "/a/d.so"), "/", ()) == ("/a",)


def test_the_loader_of_a_program(tmp_path: Path) -> None:
    loader = interpreter(Path(os.path.realpath(shutil.which("sh") or "")))
    assert loader.startswith("/lib") and Path(loader).exists()
    assert interpreter(BUSYBOX) == ""
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    assert interpreter(script) == ""
    assert interpreter(Path(os.path.realpath(sys.executable))) == loader


def test_maps_are_told_in_the_ids_outside() -> None:
    ours = reading.id_map("         0    2000000      65536\n     65536       3917          1\n")
    assert ours == [[0, 2000000, 65536], [65536, 3917, 1]]
    assert reading.through([[0, 0, 65536], [65536, 65536, 1]], ours) == ours
    assert reading.through([[0, 1000, 10]], ours) == [[0, 2001000, 10]]
    assert reading.through([[0, 65530, 10]], ours) == [[0, 2065530, 6], [6, 3917, 1]]
    assert reading.through([[0, 2147483648, 2147483646]], [[0, 0, 4294967295]]) == [[0, 2147483648, 2147483646]]
