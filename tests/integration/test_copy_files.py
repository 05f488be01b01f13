"""FILE and WORKDIR on real directories, and COPY on a real overlay."""

import os

import pytest

from metalor_lang.build.contexts import LocalContexts
from metalor_lang.build.copying import copy_into
from metalor_lang.build.files import make_workdir, write_file
from metalor_lang.build.placing import CopyError
from metalor_lang.kernel.paths import Root
from metalor_lang.plan.graph import CopyFiles, CopySource, MakeWorkdir, WriteFile
from metalor_lang.runtime.overlay import mount_view
from tests.support.copytrees import plant, read

pytestmark = pytest.mark.integration

EPOCH = 1_000_000_000
PASSWD = {"etc/passwd": "app:x:1000:1001::/:\n"}


def file(destination: str, **options: object) -> WriteFile:
    values = {"content": b"text", "workdir": "/w", "user": "app", **options}
    return WriteFile(destination=destination, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "action", "after"),
    [
        ({}, file("/f"), {"f": "text @1000:1001"}),
        ({}, file("f"), {"w/": " @1000:1001", "w/f": "text @1000:1001"}),
        ({}, file("/a/b/f", chown="7:8"), {"a/": " @7:8", "a/b/": " @7:8", "a/b/f": "text @7:8"}),
        ({"f": "600|much longer text"}, file("/f", chmod="755", user=""), {"f": "755|text"}),
        ({"f": "-> g", "g": "G"}, file("/f", user=""), {"f": "text", "g": "G"}),
        ({"l": "-> /m", "m/": ""}, file("/l/f", user=""), {"l": "-> /m", "m/": "", "m/f": "text"}),
        ({}, file("/f", content=b"", chmod="u=rX", user=""), {"f": "444|"}),
    ],
)
def test_file(tmp_path, before, action, after):
    view = plant(tmp_path, PASSWD | before)
    with Root.at(view) as root:
        write_file(root, action, epoch=EPOCH)
    found = read(view, modes=True, owners=True)
    assert {path: text for path, text in found.items() if not path.startswith("etc")} == after
    made = [path.rstrip("/") for path in after if path.rstrip("/") not in {key.rstrip("/") for key in before}]
    assert all((view / path).lstat().st_mtime == EPOCH for path in made)


@pytest.mark.parametrize(
    ("before", "destination", "message"),
    [
        ({"d/": ""}, "/d", "`/d` is a directory in the image, and FILE writes a file"),
        ({"d": "-> e", "e/": ""}, "/d", "`/d` is a link to a directory in the image, and FILE writes a file"),
        ({}, "/d/", "`/d/` is a directory, and FILE writes a file"),
        ({"f": ""}, "/f/g", "`/f` is a file in the image"),
    ],
)
def test_file_refused(tmp_path, before, destination, message):
    view = plant(tmp_path, PASSWD | before)
    with Root.at(view) as root, pytest.raises(CopyError) as caught:
        write_file(root, file(destination), epoch=EPOCH)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("before", "path", "made", "after"),
    [
        ({}, "/a/b", ("/a", "/a/b"), {"a/": " @1000:1001", "a/b/": " @1000:1001"}),
        ({"a/": "700"}, "/a/b", ("/a/b",), {"a/": "700", "a/b/": " @1000:1001"}),
        ({"a/": "700"}, "/a", (), {"a/": "700"}),
        ({"l": "-> /a", "a/": ""}, "/l/b", ("/a/b",), {"l": "-> /a", "a/": "", "a/b/": " @1000:1001"}),
        ({"l": "-> ../../x"}, "/l", ("/x",), {"l": "-> ../../x", "x/": " @1000:1001"}),
        ({}, "/", (), {}),
    ],
)
def test_workdir(tmp_path, before, path, made, after):
    view = plant(tmp_path, PASSWD | before)
    with Root.at(view) as root:
        assert make_workdir(root, MakeWorkdir(path=path, user="app"), epoch=EPOCH) == made
    found = read(view, modes=True, owners=True)
    assert {path: text for path, text in found.items() if not path.startswith("etc")} == after
    assert all((view / path[1:]).stat().st_mtime == EPOCH for path in made)


def test_workdir_on_a_file(tmp_path):
    plant(tmp_path, {"f": ""})
    with Root.at(tmp_path) as root, pytest.raises(CopyError, match="`/f` is a file in the image"):
        make_workdir(root, MakeWorkdir(path="/f/g", user=""), epoch=EPOCH)


def test_copy_on_an_overlay(tmp_path):
    base = plant(tmp_path / "base", {"usr/bin/ls": "old", "bin": "-> usr/bin", "etc/f": "F", "old": "O"})
    second = plant(tmp_path / "second", {"etc/g": "G", "o/x": "1"})
    os.link(second / "o/x", second / "o/y")
    upper, work = plant(tmp_path / "upper", {}), plant(tmp_path / "work", {})
    plant(tmp_path / "ctx", {"r/bin/ls": "755|new", "r/etc/f": "-> g", "r/new/deep/f": "N"})
    files = CopyFiles(
        stage=None, context="", sources=(CopySource(path="r/", glob=False),), destination="/", workdir="/", user=""
    )
    later = CopyFiles(
        stage=0, context="", sources=(CopySource(path="/o", glob=False),), destination="/o2", workdir="/", user=""
    )
    with Root(mount_view((base, second), upper, work)) as view, LocalContexts(tmp_path / "ctx/r") as contexts:
        copy_into(view, files, epoch=EPOCH, contexts=contexts)
        with Root(mount_view((base, second))) as source:
            copy_into(view, later, epoch=EPOCH, source_view=source)
        assert view.read_bytes("/bin/ls", 10) == b"new"
        assert view.readlink("/etc/f") == "g"
        assert view.listdir("/usr/bin") == ["ls"]
        one, two = view.stat("/o2/x"), view.stat("/o2/y")
        assert one is not None
        assert two is not None
        assert one.st_ino == two.st_ino
    assert set(read(upper)) == {
        "usr/", "usr/bin/", "usr/bin/ls", "etc/", "etc/f", "new/", "new/deep/", "new/deep/f", "o2/", "o2/x", "o2/y",
    }  # fmt: skip
    assert (base / "usr/bin/ls").read_text() == "old"
