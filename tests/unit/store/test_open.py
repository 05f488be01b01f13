import os
import subprocess
import sys
from pathlib import Path

import pytest

from metalor_lang.errors import Exit, MachineError
from metalor_lang.store import Store, StoreUnwritable, WrongVersion, default_path
from metalor_lang.store.core import DIRECTORIES


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        ({"METALOR_STORE": "/a/b", "XDG_CACHE_HOME": "/x"}, "/a/b"),
        ({"METALOR_STORE": "", "XDG_CACHE_HOME": "/x"}, "/x/metalor"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/home/u"}, "/home/u/.cache/metalor"),
        ({"HOME": "/home/u"}, "/home/u/.cache/metalor"),
    ],
)
def test_the_default_place(environment: dict[str, str], path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("METALOR_STORE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert default_path() == Path(path)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_a_new_store_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    # In a process of its own: the umask belongs to all threads of one.
    code = "import os,sys,pathlib; os.umask(int(sys.argv[2])); from metalor_lang.store import Store;"
    code += "s = Store.open(pathlib.Path(sys.argv[1])); s.blobs.put_bytes(b'x'); s.snapshots.draft().commit({})"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "store"), str(umask)], check=True)
    root = tmp_path / "store"
    assert root.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in root.iterdir()) == sorted([*DIRECTORIES, "VERSION"])
    (snapshot,) = Store.open(root).snapshots.all()
    assert Store.open(root).snapshots.fs_path(snapshot.id).stat().st_mode & 0o777 == 0o755


def test_opening_twice_changes_nothing(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s") as first:
        digest = first.blobs.put_bytes(b"kept")
    second = Store.open(tmp_path / "s")
    assert second.blobs.has(digest)
    assert second.notices == ()


def test_another_version_is_refused_with_the_way_out(tmp_path: Path) -> None:
    Store.open(tmp_path / "s").close()
    (tmp_path / "s" / "VERSION").write_text("metalor store 99\n")
    with pytest.raises(WrongVersion, match=r"metalor store 99.*metalor store 2") as caught:
        Store.open(tmp_path / "s")
    assert "METALOR_STORE" in caught.value.help
    assert caught.value.exit is Exit.MACHINE


def test_a_directory_with_other_things_is_not_taken_for_a_store(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir(mode=0o700)
    (tmp_path / "s" / "thesis.txt").write_text("years of work")
    with pytest.raises(WrongVersion, match=r"thesis\.txt"):
        Store.open(tmp_path / "s")
    assert os.listdir(tmp_path / "s") == ["thesis.txt"]


def test_a_store_that_others_may_read_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path / "s").close()
    os.chmod(tmp_path / "s", 0o755)
    with pytest.raises(StoreUnwritable, match="0755") as caught:
        Store.open(tmp_path / "s")
    assert caught.value.help == f"close it: chmod 700 {tmp_path / 's'}"


def test_a_place_below_a_file_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="file") as caught:
        Store.open(tmp_path / "file" / "store")
    assert "METALOR_STORE" in caught.value.help


def test_an_existing_empty_directory_becomes_private(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir(mode=0o755)
    Store.open(tmp_path / "s").close()
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mapped", [True, False])
def test_a_store_of_somebody_else_is_not_ours(mapped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store.open(tmp_path / "s").close()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    if not mapped:
        monkeypatch.setattr("metalor_lang.store.store._UNMAPPED", os.getuid())
    with pytest.raises(StoreUnwritable) as caught:
        Store.open(tmp_path / "s")
    number = f", user {os.getuid()}" if mapped else ""
    assert caught.value.message == f"the store {tmp_path / 's'} is somebody else's{number}"
    assert "METALOR_STORE" in caught.value.help
