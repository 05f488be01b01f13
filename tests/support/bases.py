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
| busybox-arm64   | 12 | busybox for linux/arm64, from Debian's package                |
| busybox-riscv64 | 12 | the same for linux/riscv64, cross-compiled from Debian's source: Debian 12 has no riscv64 |
| busybox-multi   | 12 | an index of busybox for linux/amd64, linux/arm64 and linux/riscv64 |
| debian-arm64    | 12 | mmdebstrap --variant=minbase for linux/arm64                  |

Each has the tag 12, for Debian 12; busybox and whiteouts have the tag 1 too. The directory is $METALOR_BASES, else
.cache/bases in the project. The mirror is the one that this machine's apt uses. Made as root, or with sudo.
"""

import gzip
import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from metalor_lang.runtime import emulation
from tests.support import emulators, images
from tests.support.apt import EPOCH, SUITE, Apt, BaseUnavailable, run, sources, unpack
from tests.support.cache import PROJECT, directory, lock
from tests.support.emulated import emulated

CREATED = "2025-01-01T00:00:00Z"
TAG = "12"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CONFIG = {"Env": [PATH], "Cmd": ["/bin/sh"]}


def base(name: str) -> Path:
    """The layout directory of a base, made when missing.

    Raises:
        BaseUnavailable: a tool, the mirror or root is missing.

    """
    target = directory() / name
    if (target / "index.json").exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with lock(target.parent / f".{name}.lock"):
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


def busybox_binary(work: Path, architecture: str) -> bytes:
    """The bytes of a static busybox: this machine's own if it is Debian's, else Debian's package or source."""
    installed = Path("/bin/busybox")
    if installed.exists() and architecture == _here():
        owner = subprocess.run(["dpkg", "-S", str(installed)], capture_output=True, text=True, check=False).stdout
        if owner.startswith("busybox-static:"):
            return installed.read_bytes()
    if architecture == "riscv64":
        return compiled_busybox(work)
    package = Apt(work / f"apt-{architecture}", architecture).download("busybox-static")
    return unpack(package, "bin/busybox")["bin/busybox"]


def compiled_busybox(work: Path) -> bytes:
    """Debian's busybox, with Debian's patches and the configuration of busybox-static, compiled for riscv64."""
    files = {
        path.name.rpartition(".tar")[0].rpartition(".")[2]: path
        for path in Apt(work / "src", _here()).source("busybox")
    }
    tree, debian = work / "busybox-source", work / "busybox-debian"
    for target, name in ((tree, "orig"), (debian, "debian")):
        target.mkdir()
        run("tar", "-x", "--strip-components=1", "-f", str(files[name]), "-C", str(target))
    for line in (debian / "patches" / "series").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            run("patch", "-s", "-p1", "-i", str(debian / "patches" / line.strip()), cwd=tree)
    cross = "riscv64-linux-gnu-"
    text = (debian / "config" / "pkg" / "static").read_text()
    option = "CONFIG_CROSS_COMPILER_PREFIX="
    (tree / ".config").write_text(text.replace(f'{option}""', f'{option}"{cross}"'))
    timeless = {"KCONFIG_NOTIMESTAMP": "1"}
    run("make", "oldconfig", cwd=tree, input="\n" * 1000, env=timeless)
    run("make", f"-j{os.cpu_count()}", "busybox_unstripped", cwd=tree, env=timeless)
    run(f"{cross}strip", "busybox_unstripped", cwd=tree)
    return (tree / "busybox_unstripped").read_bytes()


def busybox_layer(work: Path, architecture: str = "") -> dict[str, images.Entry | str | bytes | None]:
    architecture = architecture or _here()
    binary = busybox_binary(work, architecture)
    program = work / f"busybox-{architecture}"
    program.write_bytes(binary)
    program.chmod(0o755)
    emulator = [emulation.find(_here(), architecture, emulators.path())] if architecture != _here() else []
    applets = run(*emulator, str(program), "--list").split()
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


def _busybox_for(architecture: str) -> Callable[[Path, Path], None]:
    def make(layout: Path, work: Path) -> None:
        _small(layout, [busybox_layer(work, architecture)], {**CONFIG, "Cmd": ["sh"]}, architecture)

    return make


def make_multi(layout: Path, work: Path) -> None:
    """The three single images under one index."""
    made = []
    for architecture in ("amd64", "arm64", "riscv64"):
        single = base("busybox" if architecture == _here() else f"busybox-{architecture}")
        shutil.copytree(single, layout, dirs_exist_ok=True)
        (entry, *_) = json.loads((single / "index.json").read_text())["manifests"]
        made.append({key: value for key, value in entry.items() if key != "annotations"})
    (layout / "index.json").unlink()
    for tag in (TAG, "1"):
        images.make_nested(layout, made, tag)


def make_whiteouts(layout: Path, work: Path) -> None:
    """The busybox layer below the three layers of whiteouts, so that steps can run on it."""
    (first, *rest) = images.WHITEOUT_LAYERS
    assert isinstance(first, dict)
    below = {path: entry for path, entry in first.items() if path not in ("bin", "bin/")}
    second = {str(path).replace("bin/late", "usr/bin/late"): entry for path, entry in dict(rest[0]).items()}
    layers = [busybox_layer(work), below, second, rest[1]]
    _small(layout, layers, CONFIG)


def _small(layout: Path, layers: Sequence[images.Layer], config: dict[str, Any], architecture: str = "") -> None:
    platform = f"linux/{architecture or _here()}"
    made = images.make_layout(layout, layers=layers, config=config, tag=TAG, platform=platform, created=CREATED)
    images.add_to_index(layout, made, "1")


# --- Debian ---------------------------------------------------------------------------------------------------------


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
        run(*argv, input=sources())
        _layout_of_tar(layout, plain)

    return make


def make_debian_arm64(layout: Path, work: Path) -> None:
    """The minimal Debian, its maintainer scripts run by qemu, in a user namespace that has a rule of its own.

    Its ids are the host's: what is unpacked is Debian's own, and the tar must have plain owners.
    """
    if os.geteuid() != 0:
        raise BaseUnavailable("a Debian base of another architecture is made as root")
    emulator = emulation.find(_here(), "arm64", emulators.path())
    plain, listed, said = work / "root.tar", work / "sources.list", work / "output"
    listed.write_text(sources())
    # check/qemu: it looks for a rule of the whole machine.
    argv = ["mmdebstrap", "--quiet", "--architectures=arm64", "--variant=minbase", "--mode=root", "--format=tar"]
    argv += ["--skip=output/dev,check/qemu", '--aptopt=Acquire::Retries "3"', SUITE, str(plain), str(listed)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH), "LC_ALL": "C.UTF-8"}
    with said.open("wb") as output:
        status = emulated(
            "arm64",
            emulator,
            lambda: os.execvpe(argv[0], argv, environment),
            first_id=0,
            output=output.fileno(),
        )
    if status:
        raise BaseUnavailable(f"{' '.join(argv)} failed with status {status}:\n{said.read_text()[-2000:]}")
    _layout_of_tar(layout, plain, "arm64")


def _layout_of_tar(layout: Path, plain: Path, architecture: str = "") -> None:
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
    architecture = architecture or _here()
    image: dict[str, Any] = {
        "architecture": architecture,
        "os": "linux",
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
    descriptor["platform"] = {"os": "linux", "architecture": architecture}
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    images.add_to_index(layout, descriptor, TAG)


def _here() -> str:
    machines = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "ppc64le": "ppc64le", "s390x": "s390x"}
    return machines.get(os.uname().machine, os.uname().machine)


MAKERS: dict[str, Callable[[Path, Path], None]] = {
    "busybox": make_busybox,
    "whiteouts": make_whiteouts,
    "busybox-arm64": _busybox_for("arm64"),
    "busybox-riscv64": _busybox_for("riscv64"),
    **({} if _here() == "amd64" else {"busybox-amd64": _busybox_for("amd64")}),
    "busybox-multi": make_multi,
    "debian-arm64": make_debian_arm64,
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
            with lock(directory() / f".{name}.lock"):
                shutil.rmtree(left, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
