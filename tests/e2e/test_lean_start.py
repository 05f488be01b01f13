"""A command imports, starts and opens only what it uses: counted, not timed, so that it cannot creep back."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bases import base

pytestmark = pytest.mark.integration

NEVER = frozenset(
    {"typing", "lark", "prompt_toolkit", "pygments", "pathspec", "wcwidth", "dataclasses", "inspect", "logging"}
)
"""What no right recipe needs, whether it is checked or found built."""
NOT_CACHED = frozenset(
    {"subprocess", "socket", "concurrent", "tempfile", "shutil", "secrets", "tarfile", "pickle", "difflib", "textwrap"}
)
"""What a build that finds everything does not need either."""
OURS_NOT_CACHED = re.compile(
    r"metalor_lang\.(runtime\.(client|guests|zygote|rootfs|overlay)|oci\.(unpack|apply|diff|layer|output|image|skopeo)"
    r"|build\.(perform|copying|export|rootfs|placing|accounts\.(past|keeping|reasons|filechanges))"
    r"|store\.(gc|verify|usage)|syntax\.(explain|lines|recovery|grammar)"
    r"|diagnostics\.(render|codes)|tooling|repl|selftest)\b"
)
STEPS = 50
OTHER_FILES = 40
"""What a build may open beside modules and the records of its steps: the recipe, locks, the layout, leases, /proc."""


def modules(folder: Path, *words: str) -> set[str]:
    """The modules that a command has imported when it ends."""
    code = (
        "import sys, metalor_lang.cli.main as m\n"
        "status = m.main(sys.argv[1:])\n"
        "print('MODULES', *sys.modules, file=sys.stderr)\n"
        "sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=folder, env=environment(folder), text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.rpartition("MODULES ")[2].split())


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "METALOR_STORE": str(folder / "store")}


def top(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lean")
    body = "".join(f'RUN ["/bin/sh", "-c", "echo {number} > /{number}"]\n' for number in range(STEPS))
    (folder / "fifty.metalor").write_text(f'FROM oci:{base("busybox")}:12\n{body}CMD ["/bin/sh"]\n')
    command = [sys.executable, "-m", "metalor_lang", "build", "fifty.metalor"]
    for _ in range(2):  # the first run compiles modules, too
        subprocess.run(command, cwd=folder, env=environment(folder), check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("words", [("--help",), ("build", "--help"), ("--version",)])
def test_help_imports_no_phase(tmp_path: Path, words: tuple[str, ...]) -> None:
    found = modules(tmp_path, *words)
    ours = {name for name in found if name.startswith("metalor_lang.")}
    assert not {
        name for name in ours if re.match(r"metalor_lang\.(syntax|checker|plan|store|oci|runtime|build)\b", name)
    }
    assert top(found) & (NEVER | {"ctypes", "json", "hashlib", "subprocess"}) == set()


def test_checking_imports_no_parser_generator_and_no_runtime(built: Path) -> None:
    found = modules(built, "check", "fifty.metalor")
    assert top(found) & NEVER == set()
    assert {name for name in found if OURS_NOT_CACHED.match(name)} == set()


def test_formatting_imports_no_parser_generator(built: Path) -> None:
    assert top(modules(built, "fmt", "--check", "fifty.metalor")) & (NEVER - {"pathspec", "typing"}) == set()


def test_a_build_that_finds_everything_imports_nothing_that_builds(built: Path) -> None:
    found = modules(built, "build", "fifty.metalor")
    assert top(found) & (NEVER | NOT_CACHED) == set()
    assert {name for name in found if OURS_NOT_CACHED.match(name)} == set()
    assert len(found) < 260


def test_a_lock_costs_its_reading_and_nothing_where_there_is_none(built: Path) -> None:
    """Two modules of ours: what a lock is, and its text."""
    found = modules(built, "build", "fifty.metalor")
    assert "metalor_lang.plan.lockfile" not in found
    modules(built, "lock", "fifty.metalor")
    try:
        more = modules(built, "build", "fifty.metalor", "--locked") - found
    finally:
        (built / "fifty.lock").unlink()
    assert more == {"metalor_lang.plan.lock", "metalor_lang.plan.lockfile"}


def test_an_export_that_changes_nothing_imports_nothing_that_makes_layers(built: Path) -> None:
    command = ("build", "fifty.metalor", "-o", "oci:out:1")
    assert {"metalor_lang.oci.packing", "metalor_lang.oci.diff"} <= modules(built, *command)
    found = modules(built, *command)
    assert top(found) & (NEVER | NOT_CACHED | {"deflate", "zstandard"}) == set()
    own = re.compile(r"metalor_lang\.(runtime\.(rootfs|overlay)|oci\.(diff|pairs|layer|packing|parcels|skopeo))\b")
    assert {name for name in found if own.match(name)} == set()


def test_a_build_that_finds_everything_starts_no_program_and_opens_few_files(built: Path) -> None:
    trace = built / "trace"
    command = ["strace", "-f", "-o", str(trace), "-e", "trace=execve,clone,clone3,fork,vfork,openat,open,mount,fsopen"]
    command += [sys.executable, "-m", "metalor_lang", "build", "fifty.metalor"]
    subprocess.run(command, cwd=built, env=environment(built), check=True, capture_output=True)
    calls = trace.read_text().splitlines()
    # One child lives for a moment: it carries the map by which the store's ids are shown.
    assert sum(" execve(" in line for line in calls) == 1
    assert sum(re.search(r" (clone3?|v?fork)\(", line) is not None for line in calls) <= 1
    assert not any(" fsopen(" in line for line in calls)
    opened = [line for line in calls if " openat(" in line and "ENOENT" not in line]
    others = [
        line
        for line in opened
        if not re.search(r"\.pyc?\"|\.so|site-packages|O_DIRECTORY|/locale|python3|/etc/ld", line)
    ]
    records = [line for line in others if "/steps/" in line]
    assert len(records) <= STEPS + 2
    assert len(others) - len(records) <= OTHER_FILES, "\n".join(others)


def test_a_step_that_runs_is_found_by_the_same_measure(built: Path) -> None:
    """The negative control: with a step to run, the helper and its modules are there."""
    recipe = built / "more.metalor"
    recipe.write_text((built / "fifty.metalor").read_text() + 'RUN ["/bin/true"]\n')
    found = modules(built, "build", "more.metalor")
    assert {name for name in found if OURS_NOT_CACHED.match(name)} and "threading" in found
    assert top(found) & {"subprocess", "socket", "concurrent", "logging", "shutil", "difflib"} == set()
