"""Real base images made from Debian packages, as OCI layouts cached in one directory.

Invariant: a layout appears under its name only when complete; two makers at once make it once.

    python -m tests.support.bases [NAME…]          makes what is missing and prints where it is

| name       | tag | what                                                              |
| ---------- | --- | ----------------------------------------------------------------- |
| busybox    | 12  | Debian's busybox-static with all applet links                     |
| whiteouts  | 12  | three layers with whiteouts, opaque directories, hard links       |
| debian     | 12  | mmdebstrap --variant=minbase                                      |
| debian-c   | 12  | the same with gcc, libc6-dev and make                             |
| debian-py  | 12  | the same with python3 (minimal, with its standard library)        |

Each has the tag 12, for Debian 12; busybox and whiteouts have the tag 1 too. The directory is $METALOR_BASES, else
.cache/bases in the project. The mirror is the one that this machine's apt uses. Made as root, or with sudo.
"""

import fcntl
import gzip
import hashlib
import itertools
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support import images

PROJECT = Path(__file__).resolve().parents[2]
EPOCH = 1_735_689_600  # 2025-01-01T00:00:00Z
CREATED = "2025-01-01T00:00:00Z"
SUITE = "bookworm"
TAG = "12"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CONFIG = {"Env": [PATH], "Cmd": ["/bin/sh"]}


class BaseUnavailable(Exception):
    """A base cannot be made on this machine; the message says what is missing."""


def directory() -> Path:
    return Path(os.environ.get("METALOR_BASES") or PROJECT / ".cache" / "bases").absolute()


def base(name: str) -> Path:
    """The layout directory of a base, made when missing.

    Raises:
        BaseUnavailable: a tool, the mirror or root is missing.

    """
    target = directory() / name
    if (target / "index.json").exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _lock(target.parent / f".{name}.lock"):
        if not (target / "index.json").exists():
            with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=target.parent) as work:
                new = Path(work) / "layout"
                MAKERS[name](new, Path(work))
                new.rename(target)
    return target


def base_folder(*names: str) -> Path:
    """The directory of the bases, with busybox and what is named made when missing."""
    for name in ("busybox", *names):
        base(name)
    return directory()


def where_examples_look(name: str) -> Path:
    """The base where the recipes of examples/ name it; a link leads there when $METALOR_BASES is another folder."""
    made, place = base(name), PROJECT / ".cache" / "bases" / name
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(made)
    return place


def reference(name: str) -> str:
    """The base as a recipe's FROM says it: `oci:DIR:TAG`."""
    return f"oci:{base(name)}:{TAG}"


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(*argv: str, cwd: Path | None = None, input: str | None = None) -> str:
    env = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH), "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(argv, cwd=cwd, input=input, env=env, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BaseUnavailable(f"{argv[0]} is not installed") from None
    if done.returncode != 0:
        raise BaseUnavailable(f"{' '.join(argv)} failed with status {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


# --- busybox --------------------------------------------------------------------------------------------------------

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
user:x:1000:1000:user:/home/user:/bin/sh
nobody:x:65534:65534:nobody:/home:/bin/false
"""
GROUP = """\
root:x:0:
daemon:x:1:
bin:x:2:
tty:x:5:
staff:x:50:user
www-data:x:33:
users:x:100:user
user:x:1000:
nogroup:x:65534:
"""


def busybox_binary(work: Path) -> bytes:
    """The bytes of /bin/busybox from Debian's busybox-static, installed or downloaded by apt."""
    installed = Path("/bin/busybox")
    if installed.exists():
        owner = subprocess.run(["dpkg", "-S", str(installed)], capture_output=True, text=True, check=False).stdout
        if owner.startswith("busybox-static:"):
            return installed.read_bytes()
    _run("apt-get", "download", "-q", "busybox-static", cwd=work)
    (package,) = work.glob("busybox-static_*.deb")
    _run("dpkg-deb", "-x", str(package), str(work / "busybox"))
    return next(path for path in (work / "busybox").rglob("busybox") if path.is_file()).read_bytes()


def busybox_layer(work: Path) -> dict[str, images.Entry | str | bytes | None]:
    binary = busybox_binary(work)
    program = work / "busybox-program"
    program.write_bytes(binary)
    program.chmod(0o755)
    applets = _run(str(program), "--list").split()
    layer: dict[str, images.Entry | str | bytes | None] = {
        "./": "",
        "bin/": "",
        "bin/busybox": images.file(binary, 0o755, mtime=EPOCH),
        "dev/": "",
        "etc/": "",
        "etc/passwd": PASSWD,
        "etc/group": GROUP,
        "etc/shadow": images.file("root:*:19000:0:99999:7:::\n", 0o640, gid=0),
        "etc/os-release": 'ID=busybox\nPRETTY_NAME="BusyBox (static) from Debian packages"\n',
        "home/": "",
        "home/user/": images.directory(0o755, uid=1000, gid=1000, mtime=EPOCH),
        "proc/": "",
        "root/": images.directory(0o700),
        "run/": "",
        "sbin": images.link("bin"),
        "sys/": "",
        "tmp/": images.directory(0o1777),
        "usr/": "",
        "usr/bin/": "",
        "usr/sbin/": "",
        "usr/bin/env": images.link("../../bin/busybox"),
        "var/": "",
        "var/spool/": "",
        "var/www/": "",
    }
    for applet in applets:
        if applet != "busybox":
            layer[f"bin/{applet}"] = images.hardlink("bin/busybox", mode=0o755, mtime=EPOCH)
    return layer


def make_busybox(layout: Path, work: Path) -> None:
    config = {**CONFIG, "Cmd": ["sh"]}
    layers = [busybox_layer(work)]
    _small(layout, layers, config)


def make_whiteouts(layout: Path, work: Path) -> None:
    """The busybox layer below the three layers of whiteouts, so that steps can run on it."""
    (first, *rest) = images.WHITEOUT_LAYERS
    assert isinstance(first, dict)
    below = {path: entry for path, entry in first.items() if path not in ("bin", "bin/")}
    second = {str(path).replace("bin/late", "usr/bin/late"): entry for path, entry in dict(rest[0]).items()}
    layers = [busybox_layer(work), below, second, rest[1]]
    _small(layout, layers, CONFIG)


def _small(layout: Path, layers: Sequence[images.Layer], config: dict[str, Any]) -> None:
    made = images.make_layout(layout, layers=layers, config=config, tag=TAG, platform=_platform(), created=CREATED)
    images.add_to_index(layout, made, "1")


# --- Debian ---------------------------------------------------------------------------------------------------------


def apt_sources() -> str:
    """`deb` lines for the suite, its updates and security, on the mirrors that this machine's apt uses.

    A machine of another Debian release gives its main mirror alone.
    """
    form = "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)/$(LABEL)"
    lines, mirrors = set(), set()
    for line in _run("apt-get", "indextargets", "--format", form, "Created-By: Packages").splitlines():
        uri, suite, component, *origin = line.split()
        if suite in (SUITE, f"{SUITE}-updates", f"{SUITE}-security") and component == "main":
            lines.add(f"deb {uri} {suite} {component}")
        if origin == ["Debian/Debian"]:
            mirrors.add(f"deb {uri} {SUITE} main")
    if not any(f" {SUITE} " in line for line in lines):
        lines = mirrors
    if not lines:
        raise BaseUnavailable(f"this machine's apt knows no mirror of Debian {SUITE}; run apt-get update")
    return "\n".join(sorted(lines)) + "\n"


def _debian(packages: Sequence[str]) -> Callable[[Path, Path], None]:
    def make(layout: Path, work: Path) -> None:
        if os.geteuid() != 0 and shutil.which("sudo") is None:
            raise BaseUnavailable("a Debian base is made as root (or with sudo): owners and chroot need it")
        plain = work / "root.tar"
        include = [f"--include={','.join(packages)}"] if packages else []
        # No device nodes: a step has its own /dev, and nobody but root could unpack them.
        sudo = [] if os.geteuid() == 0 else ["sudo", "--preserve-env=SOURCE_DATE_EPOCH"]
        argv = [*sudo, "mmdebstrap", "--quiet", "--variant=minbase", "--mode=root", "--format=tar", "--skip=output/dev"]
        argv += ['--aptopt=Acquire::Retries "3"', *include, SUITE, str(plain), "-"]
        _run(*argv, input=apt_sources())
        _layout_of_tar(layout, plain)

    return make


def _layout_of_tar(layout: Path, plain: Path) -> None:
    """A one-layer image of a big tar, compressed in a stream."""
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    whole, packed = hashlib.sha256(), layout / "layer"
    with plain.open("rb") as source, packed.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as sink:
        mount_point = images.tar_bytes({"./dev": images.directory(mtime=EPOCH)})[: tarfile.BLOCKSIZE]
        for chunk in itertools.chain([mount_point], iter(lambda: source.read(1 << 20), b"")):
            whole.update(chunk)
            sink.write(chunk)
    with packed.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = packed.stat().st_size
    packed.rename(blobs / digest)
    os_name, architecture = _platform().split("/")
    image: dict[str, Any] = {
        "architecture": architecture,
        "os": os_name,
        "created": CREATED,
        "config": CONFIG,
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + whole.hexdigest()]},
        "history": [{"created": CREATED, "created_by": f"mmdebstrap --variant=minbase {SUITE}"}],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": images.OCI_MANIFEST,
        "config": images.put(layout, images.dump(image), images.OCI_CONFIG),
        "layers": [{"mediaType": images.OCI_LAYER + "+gzip", "digest": "sha256:" + digest, "size": size}],
    }
    descriptor = images.put(layout, images.dump(manifest), images.OCI_MANIFEST)
    descriptor["platform"] = {"os": os_name, "architecture": architecture}
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    images.add_to_index(layout, descriptor, TAG)


def _platform() -> str:
    machines = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "ppc64le": "ppc64le", "s390x": "s390x"}
    return "linux/" + machines.get(os.uname().machine, os.uname().machine)


MAKERS: dict[str, Callable[[Path, Path], None]] = {
    "busybox": make_busybox,
    "whiteouts": make_whiteouts,
    "debian": _debian(()),
    "debian-c": _debian(("gcc", "libc6-dev", "make")),
    "debian-py": _debian(("python3",)),
}


def main(names: Sequence[str]) -> int:
    for name in names or tuple(MAKERS):
        if name not in MAKERS:
            print(f"no base {name!r}; there are {', '.join(MAKERS)}", file=sys.stderr)
            return 2
        try:
            print(f"{name:10} {where_examples_look(name)}:{TAG}", flush=True)
        except BaseUnavailable as why:
            print(f"{name}: {why}", file=sys.stderr)
            return 1
    for left in directory().glob(".*-*"):  # what a killed maker left; locks tell who is alive
        name = left.name[1:].rpartition("-")[0]
        if left.is_dir() and name in MAKERS:
            with _lock(directory() / f".{name}.lock"):
                shutil.rmtree(left, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
