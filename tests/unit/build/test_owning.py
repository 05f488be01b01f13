"""A text in the place of a file: whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from metalor_lang.build.owning import replace_text


def test_a_new_file_is_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        replace_text(tmp_path / "new", "text\n", None)
    finally:
        os.umask(before)
    assert (tmp_path / "new").read_text() == "text\n"
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_what_is_there_keeps_its_mode_and_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "file", tmp_path / "link"
    target.write_text("old")
    target.chmod(0o604)
    link.symlink_to(target)
    (tmp_path / "far" / f".file.{os.getpid()}").write_text("of a process that was killed")
    replace_text(link, "new", None)
    assert link.is_symlink() and target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o604
    assert os.listdir(tmp_path / "far") == ["file"]


@pytest.mark.parametrize("call", ["fsync", "replace", "fchmod"])
def test_what_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left"):
        replace_text(path, "new", None)
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["file"]
