"""Images of small recipes against the images that Buildah makes of the equal Dockerfiles."""

import hashlib
import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from metalor_lang.build.api import RecipeOptions, Session
from metalor_lang.build.events import NullSink
from metalor_lang.build.export import Exporter
from metalor_lang.build.failures import Refused
from metalor_lang.build.model import Options
from metalor_lang.build.sketch import sketch
from metalor_lang.oci.layout import Layout
from metalor_lang.oci.media import Compression
from metalor_lang.oci.output import parse_output
from metalor_lang.oci.unpack import unpack
from metalor_lang.runtime.client import start_runtime
from metalor_lang.runtime.rootfs import choose_snapshotter
from metalor_lang.store.store import Store
from tests.support import bases
from tests.support.conformance import CASES, Case
from tests.support.copytrees import plant

BASE = bases.directory() / "busybox"
TAG = "1"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
]

FIELDS = ("User", "Env", "Entrypoint", "Cmd", "WorkingDir", "Labels", "ExposedPorts", "Volumes", "StopSignal")
UNSET: dict[str, Any] = {"WorkingDir": "/"}


@pytest.fixture(scope="module")
def buildah(tmp_path_factory):
    """A storage of its own with the base in it; gives the command's first words."""
    bases.base("busybox")
    home = tmp_path_factory.mktemp("buildah")
    place = f"containers-storage:[vfs@{home}/root+{home}/run]localhost/base:1"
    subprocess.run(["skopeo", "copy", "-q", f"oci:{BASE}:{TAG}", place], check=True, stdout=subprocess.DEVNULL)
    return ["buildah", "--root", f"{home}/root", "--runroot", f"{home}/run", "--storage-driver", "vfs"]


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """Our store, runtime and snapshotter."""
    with Store.open(tmp_path_factory.mktemp("store") / "s") as store, start_runtime(store=store.root) as runtime:
        yield store, runtime, choose_snapshotter(store)


def theirs(buildah: list[str], folder: Path, case: Case) -> tuple[dict[str, str], dict[str, Any]]:
    text = case.recipe if case.dockerfile is None else case.dockerfile
    (folder / "Dockerfile").write_text(f"FROM BASE AS a\n{text}\n".replace("BASE", "localhost/base:1"))
    out = folder.parent / "theirs"
    subprocess.run(
        [*buildah, "bud", "-q", "--isolation", "chroot", "--format", "oci", "-f", str(folder / "Dockerfile"),
         "-t", f"oci:{out}:t", str(folder)],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    (folder / "Dockerfile").unlink()
    return image(out)


def ours(machine: tuple[Any, ...], folder: Path, case: Case) -> tuple[dict[str, str], dict[str, Any]]:
    store, runtime, snapshotter = machine
    recipe = folder / "r.metalor"
    recipe.write_text(f"FROM BASE AS a\n{case.recipe}\n".replace("BASE", f"oci:{os.path.relpath(BASE, folder)}:{TAG}"))
    with Session(str(recipe), RecipeOptions(), store=store) as session:
        try:
            plan = session.plan()
        except Refused as error:
            pytest.fail("\n".join(f"{each.code} {each.message}" for each in error.diagnostics))
        result = session.build(plan, runtime=runtime, snapshotter=snapshotter, options=Options())
        made = sketch(result, session.bases, session.name)
        out = folder.parent / "ours"
        Exporter(store, snapshotter, NullSink()).export([made], [parse_output(f"oci:{out}:t")], Compression.NONE)
    return image(out)


def image(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """The tree and the configuration of the image `t` in a layout."""
    layout = Layout.open(path)
    found = layout.select("t")
    tree = path.parent / f"{path.name}-tree"
    tree.mkdir()
    fd = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    try:
        unpack(layout, found.manifest, found.config.diff_ids, fd)
    finally:
        os.close(fd)
    config = json.loads(layout.blob_path(found.manifest.config.digest).read_bytes())["config"]
    return listing(tree), comparable(config)


def comparable(config: dict[str, Any]) -> dict[str, Any]:
    """The fields of a configuration that recipes set; nothing set and an empty value are the same."""
    out = {name: config.get(name) or UNSET.get(name) for name in FIELDS}
    out["Labels"] = {key: value for key, value in (out["Labels"] or {}).items() if not key.startswith("io.buildah.")}
    return {name: value or None for name, value in out.items()}


def listing(root: Path) -> dict[str, str]:
    """Path → kind, mode, owner, content or target, of everything in a tree; times left out."""
    out: dict[str, str] = {}
    first: dict[int, str] = {}
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(folders + files):
            at = Path(folder, name)
            info = at.lstat()
            path = str(at.relative_to(root))
            kind = stat.filemode(info.st_mode)
            match kind[0]:
                case "d":
                    path, what = path + "/", ""
                case "l":
                    what = os.readlink(at)
                case "-":
                    data = at.read_bytes()
                    what = data.decode() if len(data) < 100 else hashlib.sha256(data).hexdigest()
                case _:
                    what = str(info.st_rdev)
            if kind[0] == "-" and info.st_nlink > 1:
                what += f" = {first.setdefault(info.st_ino, path)}"
            out[path] = f"{kind} {info.st_uid}:{info.st_gid} {what}"
    return out


@pytest.mark.parametrize("name", CASES)
def test_equal_or_meant(tmp_path, buildah, machine, name):
    case = CASES[name]
    folder = plant(tmp_path / "ctx", case.context)
    their_tree, their_config = theirs(buildah, folder, case)
    our_tree, our_config = ours(machine, folder, case)
    different = {
        key: (ours.get(key), theirs.get(key))
        for ours, theirs in ((our_tree, their_tree), (our_config, their_config))
        for key in ours.keys() | theirs.keys()
        if ours.get(key) != theirs.get(key)
    }
    assert {key: value for key, value in different.items() if key not in case.stated} == {}
    assert set(different) == set(case.stated), "a stated difference is none any more"


def test_there_are_many() -> None:
    assert len(CASES) >= 70
