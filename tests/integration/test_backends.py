"""The backends: what each leaves on the disk, who its steps are, and what is said when one cannot be had."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from metalor_lang.runtime.world import SHIFT
from tests.support import bases
from tests.support.documents import ROOT
from tests.support.listing import listing_of
from tests.support.ordinary import FIRST, run_as_user

pytestmark = pytest.mark.integration
METALOR = (sys.executable, "-m", "metalor_lang")

RECIPE = f"""\
FROM {bases.reference("busybox")}
SH echo sam:x:1234:1234::/home/sam:/bin/sh >> /etc/passwd; mkdir -p /srv/deep; echo one > /srv/deep/one; rm /bin/vi
COPY app.metalor /srv/
USER sam
WORKDIR /home/sam/work
SH echo mine > mine; ln mine same; ln -s mine link; mkfifo fifo; chmod 4711 mine
FILE --chown=0:7 /srv/file '''
    text
    '''
"""


def build(folder: Path, backend: str, *words: str) -> "subprocess.CompletedProcess[str]":
    folder.mkdir(exist_ok=True)
    (folder / "app.metalor").write_text(RECIPE)
    argv = [*METALOR, "build", "app.metalor", "--backend", backend, "-o", "oci:out:1", *words]
    if backend == "rootless":
        return run_as_user(argv, folder, cwd=folder, env={"METALOR_STORE": str(folder / "store")})
    env = dict(os.environ, METALOR_STORE=str(folder / "store"), PYTHONPATH=str(ROOT))
    return subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)


def on_disk(store: Path, first: int) -> dict[str, list[tuple[object, ...]]]:
    """The trees of a store as they lie there, by the step that made them; ids as steps see them."""
    found = {}
    for place in (store / "snapshots").iterdir():
        meta = json.loads((place / "snapshot.json").read_text())
        rows = listing_of(place / "fs")
        assert all(isinstance(row[3], int) and first <= row[3] < first + 65536 for row in rows)
        name = str(meta.get("body", meta)["meta"].get("step", "base"))
        found[name] = [
            (*row[:3], int(row[3]) - first, int(row[4]) - first, *row[5:9], _marks(row[9]), *row[10:])  # type: ignore[call-overload]
            for row in rows
        ]
    return found


def _marks(attributes: object) -> list[object]:
    """Attributes, without overlay's note of the inode that a directory was copied from."""
    assert isinstance(attributes, tuple)
    return [pair for pair in attributes if pair[0] != "user.overlay.origin"]


def test_the_disk_is_the_same_whichever_backend_wrote_it(tmp_path: Path) -> None:
    told, trees = set(), []
    for backend, first in (("userns", SHIFT), ("privileged", SHIFT), ("rootless", FIRST)):
        done = build(tmp_path / backend, backend)
        assert done.returncode == 0, done.stderr
        told.add(done.stdout)
        trees.append(on_disk(tmp_path / backend / "store", first))
    assert len(told) == 1, "not one image"
    assert len(trees[0]) == 6
    for tree in trees[1:]:
        for name, rows in trees[0].items():
            for one, other in zip(rows, tree[name], strict=True):
                assert one == other, name


def test_one_store_serves_both_backends_of_root(tmp_path: Path) -> None:
    assert build(tmp_path / "app", "userns").returncode == 0
    again = build(tmp_path / "app", "privileged", "--expect-cached")
    assert again.returncode == 0, again.stderr
    assert build(tmp_path / "app", "userns", "--expect-cached").returncode == 0


@pytest.mark.parametrize(
    ("backend", "status", "said"),
    [
        ("rootless", 3, "the backend rootless is for ordinary users"),
        ("none", 2, "--backend"),
    ],
)
def test_a_backend_that_cannot_be(tmp_path: Path, backend: str, status: int, said: str) -> None:
    env = dict(os.environ, METALOR_STORE=str(tmp_path / "store"), PYTHONPATH=str(ROOT))
    (tmp_path / "app.metalor").write_text(RECIPE)
    argv = [*METALOR, "build", "app.metalor", "--backend", backend]
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == status and said in done.stderr


def test_a_store_that_cannot_be_shifted_is_used_as_it_is_and_doctor_says_why(tmp_path: Path) -> None:
    """A file system without idmapped mounts (an overlay): plain ids, the backend `privileged`, views by copying."""
    text = """
        mkdir lower upper work at && mount -t overlay none -o lowerdir=lower,upperdir=upper,workdir=work at &&
        export METALOR_STORE=$PWD/at/store &&
        "$PYTHON" -m metalor_lang build app.metalor --progress plain -o oci:out:1 && stat -c %u at/store &&
        "$PYTHON" -m metalor_lang doctor
    """
    (tmp_path / "app.metalor").write_text(RECIPE)
    env = dict(os.environ, PYTHON=sys.executable, PYTHONPATH=str(ROOT))
    argv = ["unshare", "--mount", "bash", "-euc", text]
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    digest, owner, *report = done.stdout.splitlines()
    assert digest == build(tmp_path / "usual", "userns").stdout.strip()
    assert owner == "0"
    assert "copied instead" in done.stderr
    assert any("privileged" in line and "ids cannot be shifted" in line for line in report), report
