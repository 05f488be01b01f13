"""An ordinary user builds: the same images as root, with no right that root has on this machine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import bases
from tests.support.documents import ROOT
from tests.support.ordinary import SUBIDS, UID, run_as_user
from tests.support.worlds import ROOTLESS_VARIABLE

pytestmark = pytest.mark.integration
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/*.metalor"))
METALOR = (sys.executable, "-m", "metalor_lang")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("ordinary") / "mara"
    shutil.copytree(ROOT / "examples", home / "code" / "examples")
    (home / "code" / ".cache").mkdir()
    (home / "code" / ".cache" / "bases").symlink_to(bases.directory())
    return home


def metalor(home: Path, *words: str, cwd: str = "hello", **more: object) -> "subprocess.CompletedProcess[str]":
    return run_as_user([*METALOR, *words], home, cwd=home / "code" / "examples" / cwd, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda path: path.name)
def test_an_ordinary_user_gets_the_image_that_root_gets(folder: Path, home: Path, tmp_path: Path) -> None:
    recipe = f"{folder.name}.metalor"
    his = metalor(home, "build", recipe, "--progress", "plain", "-o", "oci:image:latest", cwd=folder.name)
    assert his.returncode == 0, his.stdout + his.stderr
    ours = subprocess.run(
        [*METALOR, "build", recipe, "-o", f"oci:{tmp_path}/image:latest"],
        cwd=folder, env=dict(os.environ, METALOR_STORE=str(tmp_path / "store")), capture_output=True, text=True,
    )  # fmt: skip
    assert ours.returncode == 0, ours.stdout + ours.stderr
    assert his.stdout == ours.stdout != ""
    for place in (home / "code" / "examples" / folder.name / "image").rglob("*"):
        assert (place.stat().st_uid, place.stat().st_gid) == (UID, UID), place


def test_without_sub_ids_he_is_told_what_to_have_run(home: Path) -> None:
    done = metalor(home, "build", "hello.metalor", subids="")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        "error: to build without root, mara needs 65536 subordinate ids in /etc/subuid and /etc/subgid\n"
        "  help: have these run once, or run metalor with sudo:\n"
        "        sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 mara\n"
    )


def test_too_few_sub_ids_are_none_and_the_next_free_ones_are_proposed(home: Path) -> None:
    done = metalor(home, "build", "hello.metalor", subids="mara:300000:1000\nother:400000:65536\n")
    assert done.returncode == 3 and "--add-subuids 465536-531071 --add-subgids 465536-531071 mara" in done.stderr


def test_what_needs_no_machine_needs_no_sub_ids(home: Path, tmp_path: Path) -> None:
    other = home.with_name("other")
    shutil.copytree(home / "code", other / "code", symlinks=True)
    for words in (("check", "hello.metalor"), ("plan", "hello.metalor")):
        done = metalor(other, *words, subids="")
        assert done.returncode == 0, done.stderr
    # Later he has some, and his store serves on.
    assert metalor(other, "build", "hello.metalor").returncode == 0


def test_root_backends_are_refused(home: Path) -> None:
    done = metalor(home, "build", "hello.metalor", "--backend", "userns")
    assert done.returncode == 3 and "needs root" in done.stderr


def test_trees_and_archives_are_his(home: Path) -> None:
    folder = home / "code" / "examples" / "static-site"
    words = ("-o", "rootfs:tree", "-o", "tar:tree.tar", "-o", "oci-archive:deep.tar")
    done = metalor(home, "build", "static-site.metalor", *words, cwd="static-site")
    assert done.returncode == 0, done.stderr
    for place in (folder / "tree", folder / "tree.tar", folder / "deep.tar", *(folder / "tree").rglob("*")):
        assert place.lstat().st_uid == UID, place
    names = subprocess.run(["tar", "--numeric-owner", "-tvf", folder / "tree.tar"], capture_output=True, text=True)
    assert " 0/0 " in names.stdout and str(UID) not in names.stdout


def test_a_tree_of_his_gives_the_image_that_roots_gives(home: Path, tmp_path: Path) -> None:
    """What he unpacked himself belongs to him, and to the superuser in the image: a round trip changes nothing."""
    folder = home / "code" / "examples" / "hello"
    (folder / "tree.metalor").write_text("FROM rootfs:written AS all\nFROM scratch\nCOPY --from=all / /\n")
    his = metalor(home, "build", "hello.metalor", "-o", "rootfs:written")
    assert his.returncode == 0, his.stderr
    his = metalor(home, "build", "tree.metalor", "-o", "oci:tree:1")
    assert his.returncode == 0, his.stderr
    subprocess.run(["cp", "-a", folder / "written", tmp_path], check=True)
    subprocess.run(["chown", "-hR", "0:0", tmp_path / "written"], check=True)
    shutil.copy(folder / "tree.metalor", tmp_path)
    ours = subprocess.run(
        [*METALOR, "build", "tree.metalor", "-o", "oci:tree:1"],
        cwd=tmp_path, env=dict(os.environ, METALOR_STORE=str(tmp_path / "store"), PYTHONPATH=str(ROOT)),
        capture_output=True, text=True,
    )  # fmt: skip
    assert ours.returncode == 0, ours.stderr
    assert his.stdout == ours.stdout != ""
    tree = subprocess.run(["umoci", "raw", "unpack", "--image", "tree:1", tmp_path / "out"], cwd=tmp_path, check=True)
    assert tree.returncode == 0 and {path.lstat().st_uid for path in (tmp_path / "out").rglob("*")} == {0}


def test_a_command_runs_and_its_status_is_told(home: Path) -> None:
    done = metalor(home, "run", "hello.metalor", "--", "/bin/busybox", "sh", "-c", "id -u; exit 7")
    assert (done.returncode, done.stdout) == (7, "0\n")


def test_his_store_is_whole_and_closed(home: Path) -> None:
    done = metalor(home, "cache", "verify", "--full")
    assert done.returncode == 0 and done.stdout.endswith("no damage\n"), done.stdout
    store = home / ".cache" / "metalor"
    first = int(SUBIDS.split(":")[1])
    assert store.stat().st_mode & 0o777 == 0o700
    owners = {place.lstat().st_uid for place in store.rglob("*")}
    assert owners and all(first <= owner < first + 65536 for owner in owners)


def test_the_runtime_keeps_every_promise_to_him(home: Path) -> None:
    """The tests of the runtime once more, by the user, in his user namespace."""
    files = [f"tests/integration/test_{name}.py" for name in ("runtime", "runtime_isolation", "rootfs", "rootfs_steps")]
    done = run_as_user(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files, f"--basetemp={home}/pytest"],
        home, env={ROOTLESS_VARIABLE: "1"}, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout and "skipped" not in done.stdout
