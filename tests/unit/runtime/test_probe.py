from pathlib import Path

import pytest

from metalor_lang.runtime import probe

MOUNTINFO = r"""24 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 24 0:25 / /srv rw - xfs /dev/vdb rw
31 30 0:26 / /srv/a\040b rw - btrfs /dev/vdc rw
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
    assert probe.filesystem_of(Path(path), MOUNTINFO) == kind


def test_a_missing_tool_names_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = probe._tool("skopeo", "why")()
    assert not finding.ok and "apt-get install skopeo" in finding.help and "why" in finding.help


def test_an_ordinary_user_is_told_what_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe.os, "geteuid", lambda: 1000)
    assert "metalor check" in probe._root().help
    assert not probe._steps().ok
    assert not probe._overlay(Path("/")).ok
