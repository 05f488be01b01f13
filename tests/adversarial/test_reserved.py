"""Images that have links, files and fifos where a step's mounts go: nothing of the host is written or shown.

Ten places × six forms, each run through a real step.
"""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from metalor_lang.runtime.client import start_runtime
from metalor_lang.runtime.request import BindSpec, FileSpec
from tests.support.listing import listing_of
from tests.support.tinyroot import Steps, make_root

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="steps on a plain directory need root"),
]

PLACES = (
    "/proc", "/dev", "/sys", "/etc", "/etc/resolv.conf", "/etc/hosts", "/.metalor-run", "/mnt/target", "/run/secret",
    "/work",
)  # fmt: skip
FORMS = ("absolute", "relative", "dangling", "looping", "file", "fifo")
SECRET = "the secret of this host"

# What a step can live with: links are followed inside the image, and a file can be covered by a file.
RUNS = {
    "/etc/resolv.conf": {"absolute", "relative", "dangling", "file", "fifo"},
    "/etc/hosts": {"absolute", "relative", "dangling", "file", "fifo"},
    "/etc": {"absolute", "relative", "dangling"},
    "/.metalor-run": set(FORMS),
    "/mnt/target": {"absolute", "relative", "dangling"},
    "/run/secret": {"absolute", "relative", "dangling", "file", "fifo"},
}


@pytest.fixture(scope="module")
def runtime():
    with start_runtime() as runtime:
        yield runtime


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_root(tmp_path_factory.mktemp("model") / "root")


def plant(root: Path, place: str, form: str, outside: Path) -> None:
    spot = root / place.lstrip("/")
    spot.parent.mkdir(parents=True, exist_ok=True)
    name = "file" if place in ("/etc/resolv.conf", "/etc/hosts", "/run/secret") else "folder"
    match form:
        case "absolute":
            spot.symlink_to(outside / name)
        case "relative":
            spot.symlink_to("../" * 12 + str(outside / name).lstrip("/"))
        case "dangling":
            spot.symlink_to("/not/here/at/all")
        case "looping":
            spot.symlink_to(spot.name)
        case "file":
            spot.write_text("the image's\n")
        case "fifo":
            os.mkfifo(spot)


def mounts_of(pid: str = "self") -> list[str]:
    return Path(f"/proc/{pid}/mountinfo").read_text().splitlines()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", PLACES)
def test_reserved(place: str, form: str, runtime, model: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "folder").mkdir(parents=True)
    (outside / "file").write_text(SECRET)
    (outside / "folder/file").write_text(SECRET)
    (tmp_path / "source").mkdir()
    (tmp_path / "source/shown").write_text("shown")
    root = tmp_path / "root"
    subprocess.run(["cp", "-al", model, root], check=True)
    plant(root, place, form, outside)
    before, image, mounts = listing_of(outside), listing_of(root), mounts_of()
    host = [Path(path).read_bytes() for path in ("/etc/resolv.conf", "/etc/hosts") if os.path.exists(path)]
    status, text = Steps(runtime, root).sh(
        # Whoever gets to see a host file through a place would print it, whoever gets to write would change it.
        "cat /etc/resolv.conf /etc/hosts /mnt/target/* /work/* /dev/file /sys/file /proc/file /.metalor-run/file "
        "2>/dev/null || true; for f in /work /mnt/target /.metalor-run /etc /dev; do echo x >$f/written || true; done "
        "2>/dev/null",
        cwd="/work" if place == "/work" else "/",
        timeout=20,
        mounts=(
            BindSpec(target="/mnt/target", source=str(tmp_path / "source")),
            FileSpec(target="/run/secret", content=b"ours"),
        ),
    )
    assert listing_of(outside) == before
    assert mounts_of() == mounts
    assert [Path(path).read_bytes() for path in ("/etc/resolv.conf", "/etc/hosts") if os.path.exists(path)] == host
    assert SECRET not in text
    spot = root / place.lstrip("/")
    assert stat.S_IFMT(spot.lstat().st_mode) == next(row[1] for row in image if row[0] == place.lstrip("/"))
    if form in RUNS.get(place, set()):
        assert (status.code, status.message) == (0, "")
    else:
        assert status.code == 125
        assert place in status.message
        assert listing_of(root) == image, "of a step that was not made nothing is left"
