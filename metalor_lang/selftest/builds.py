"""Small builds of a tree made from the machine's own shell: killed anywhere, and made twice.

Invariant: the builds are those of the `metalor` command, in processes of their own; nothing but this machine is needed
(no registry, no base image).
"""

import json
import os
import random
import re
import shutil
import sys
import tarfile
import time
from pathlib import Path

import metalor_lang
from metalor_lang.errors import MachineError
from metalor_lang.hints import Final
from metalor_lang.kernel.process import ToolFailed, find_tool, run_tool
from metalor_lang.kernel.spawn import spawn
from metalor_lang.record import dataclass
from metalor_lang.selftest.elf import interpreter
from metalor_lang.selftest.inside.calls import call

_PROGRAMS: Final = ("sh", "sleep", "rm", "cat")
_TIME: Final = 1_000_000_000
_PR_SET_CHILD_SUBREAPER: Final = 36
_PATIENCE: Final = 10.0
"""Seconds for the processes of a killed build to be gone."""

RECIPE: Final = """\
ARG ROUND
FROM rootfs:base.tar AS left
SH sleep 0.02; echo "$ROUND" > /left
WORKDIR /a/b
COPY files/ /files/
SH rm /files/file-3; echo "left $ROUND" > /files/file-4

FROM rootfs:base.tar AS right
SH sleep 0.03; echo "right $ROUND" > /right

FROM left
COPY --from=right /right /right
SH sleep 0.01; cat /left /right /files/file-4 > /all
TEST SH test "$(cat /all)" = "$(echo "$ROUND"; echo "right $ROUND"; echo "left $ROUND")"
"""


def prepare(folder: Path) -> None:
    """Write the recipe, its files and its base into an empty folder.

    Raises:
        MachineError: the machine has no shell.

    """
    base = folder / "base"
    for name in ("bin", "etc", "tmp"):
        (base / name).mkdir(parents=True)
    for name in _PROGRAMS:
        found = find_tool(name)
        if found is None:
            raise MachineError(f"the program {name} is not installed", help="apt-get install dash coreutils")
        shutil.copyfile(found, base / "bin" / name)
        (base / "bin" / name).chmod(0o755)
        for library in _libraries(found.resolve()):
            copy = base / library[1:]
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(library, copy)
            copy.chmod(0o755)
    (folder / "files").mkdir()
    for number in range(40):
        (folder / "files" / f"file-{number}").write_text(f"{number}\n" * 200)
    (folder / "app.metalor").write_text(RECIPE)
    # A tar and no folder: its owners and times are the same whoever runs this.
    with tarfile.open(folder / "base.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(base.rglob("*")):
            archive.add(path, path.relative_to(base), recursive=False, filter=_plain)
    shutil.rmtree(base)


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = _TIME
    return info


def _libraries(program: Path) -> set[str]:
    """The loader of a program and the libraries that it would load, by the paths where it looks for them."""
    loader = interpreter(program)
    if not loader:
        return set()
    said = run_tool([loader, "--list", str(program)], timeout=20).stdout.decode("utf-8", "surrogateescape")
    return {loader, *re.findall(r"=> (/\S+)", said), *re.findall(r"^\s*(/\S+) \(0x", said, re.MULTILINE)}


def command(*words: str) -> list[str]:
    """A command line of this very metalor."""
    return [sys.executable, "-P", "-m", "metalor_lang", *words]


def _environment(store: Path, backend: str | None) -> dict[str, str]:
    above = str(Path(metalor_lang.__file__).resolve().parents[1])
    paths = [above, *filter(None, [os.environ.get("PYTHONPATH")])]
    chosen = {"METALOR_BACKEND": backend} if backend else {}
    return {**os.environ, "METALOR_STORE": str(store), "PYTHONPATH": os.pathsep.join(paths), "NO_COLOR": "1", **chosen}


def _words(folder: Path, round: int, out: Path, *more: str) -> list[str]:
    recipe = str(folder / "app.metalor")
    return command(
        "build", recipe, "--arg", f"ROUND={round}", "--epoch", str(_TIME), "--progress", "plain",
        "-o", f"oci:{out}:{round}", *more,
    )  # fmt: skip


def build(folder: Path, store: Path, round: int, backend: str | None, *more: str) -> str:
    """Build to the end; give the image's digest.

    Raises:
        ToolFailed: the build failed; says what it said.

    """
    words = _words(folder, round, store.parent / f"{store.name}-out", *more)
    return run_tool(words, env=_environment(store, backend), cwd=folder, timeout=120).stdout.decode().split()[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """What killed builds left; "" and 0 for nothing."""

    kills: int
    finished: int
    processes: str
    mounts: str
    damage: str
    next_build: str


def kill_builds(folder: Path, place: Path, kills: int, backend: str | None) -> Killed:
    """Kill builds at random moments and look for what is left; to be called in a process of its own.

    Args:
        folder: what `prepare` filled.
        place: for the stores.
        kills: how many.
        backend: as for the command.

    """
    null = os.open("/dev/null", os.O_WRONLY)
    os.dup2(null, 2)  # what the killed builds say
    call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # whatever outlives a build becomes our child
    store = place / "killed"
    before = _mounts()
    build(folder, store, kills + 1, backend)  # has more to do than those after it
    began = time.monotonic()
    build(folder, store, 0, backend)
    whole = time.monotonic() - began
    chance = random.Random(20260101)
    processes, mounts, finished = "", "", 0
    for number in range(1, kills + 1):
        child = spawn(_words(folder, number, place / "killed-out"), env=_environment(store, backend))
        time.sleep(chance.uniform(0.05, 0.95) * whole)
        child.kill()
        if child.wait() == 0:  # the machine has become faster
            finished += 1
            whole /= 2
        processes = processes or _wait_until_gone()
        mounts = mounts or ", ".join(sorted(_mounts() - before))
    return Killed(
        kills=kills, finished=finished, processes=processes, mounts=mounts, damage=_damage(store, backend),
        next_build=_next_build(folder, place, store, kills, backend),
    )  # fmt: skip


def _mounts() -> set[str]:
    """Ours, as this process sees them: other programs may mount what they like meanwhile."""
    lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    return {line.split()[4] for line in lines if "metalor" in line}


def _descendants() -> list[str]:
    """Living processes below this one; whoever is dead and not yet reaped does not count."""
    parents: dict[int, tuple[int, str]] = {}
    for name in os.listdir("/proc"):
        try:
            if name.isdigit():
                text = Path("/proc", name, "stat").read_text("utf-8", "replace")
                fields = text.rpartition(")")[2].split()
                parents[int(name)] = int(fields[1]), f"{name} {text.partition('(')[2].rpartition(')')[0]} {fields[0]}"
        except OSError:
            continue
    found = []
    for pid, (_, about) in parents.items():
        above = pid
        while above in parents and above != os.getpid():
            above = parents[above][0]
        if above == os.getpid() != pid and about[-1] not in "ZX":
            found.append(about)
    return found


def _wait_until_gone() -> str:
    until = time.monotonic() + _PATIENCE
    while (left := _descendants()) and time.monotonic() < until:
        time.sleep(0.01)
        _reap()
    _reap()
    return ", ".join(left)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _damage(store: Path, backend: str | None) -> str:
    try:
        said = run_tool(command("cache", "verify", "--full", "--format", "json"), env=_environment(store, backend))
    except ToolFailed as error:
        return error.message
    return ", ".join(f"{item['kind']} {item['name']}" for item in json.loads(said.stdout)["damaged"])


def _next_build(folder: Path, place: Path, store: Path, round: int, backend: str | None) -> str:
    after = build(folder, store, round, backend)
    fresh = build(folder, place / "fresh", round, backend)
    return "" if after == fresh else f"{after} after the kills, {fresh} in a fresh store"


def build_twice(folder: Path, place: Path, backend: str | None) -> tuple[str, str]:
    """Build in two fresh stores, the second time after a first build; give both digests."""
    first = build(folder, place / "once", 1, backend)
    return first, build(folder, place / "twice", 1, backend, "--no-cache")
