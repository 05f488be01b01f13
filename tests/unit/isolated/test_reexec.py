"""The shape of the outer command, its environment and sentinel, and the way back."""

import json
import os
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalor_lang import (
    BindMount,
    CommandRefused,
    ContainerRunCommand,
    NotIsolated,
    build_unshare_reexec_command,
    parse_reexec_arguments,
)
from metalor_lang.isolated import sentinel
from metalor_lang.isolated.places import Prefix
from metalor_lang.isolated.reexec import _arguments
from metalor_lang.kernel.process import ToolMissing


def test_the_outer_command_has_exactly_the_reference_s_shape(tmp_path: Path) -> None:
    root = tmp_path / "roots" / "app"
    command = ContainerRunCommand(
        root=root,
        cwd="/work",
        mounts=[BindMount("/src", "/work/src", True), BindMount(Path("/out"), "/work/out", False)],
        env=[("PATH", "/bin"), ("X", "a=b c")],
        emulator="/.metalor-run/qemu-aarch64-static",
        executable="/bin/sh",
        argv=["-lc", "echo hi", "--env", "--"],
    )
    made = build_unshare_reexec_command(Path("/usr/bin/tool"), "internal-run", tmp_path, command)
    assert list(made.argv) == [
        *("unshare", "--fork", "--pid", "--mount", "--uts", "--ipc", "--"),
        *("/usr/bin/tool", "internal-run"),
        *("--root", str(root), "--cwd", "/work"),
        *("--mount-source", "/src", "--mount-dest", "/work/src", "--mount-mode", "ro"),
        *("--mount-source", "/out", "--mount-dest", "/work/out", "--mount-mode", "rw"),
        *("--env", "PATH=/bin", "--env", "X=a=b c"),
        *("--emulator", "/.metalor-run/qemu-aarch64-static"),
        *("--executable", "/bin/sh", "-lc", "echo hi", "--env", "--"),
    ]
    short = build_unshare_reexec_command(
        (sys.executable, "-m", "tool"), "run", tmp_path, ContainerRunCommand(root, "/", [], [], None, "sh")
    )
    assert list(short.argv[7:]) == [
        *(sys.executable, "-m", "tool", "run", "--root", str(root), "--cwd", "/", "--executable", "sh"),
    ]


def test_the_outer_command_s_environment_names_isolation_and_prefix(tmp_path: Path) -> None:
    command = ContainerRunCommand(tmp_path / "r", "/", [], [], None, "sh", [])
    made = build_unshare_reexec_command("/tool", "run", tmp_path, command)
    assert made.env == (("METALOR_PRIVATE_NS", "1"), ("METALOR_RUNTIME_ROOT_PREFIX", str(tmp_path)))
    assert made.environment({"A": "1", "METALOR_PRIVATE_NS": "0"}) == {"A": "1", **dict(made.env)}
    assert made.environment() == {**os.environ, **dict(made.env)}


def test_the_root_is_prepared_and_its_sentinel_written(tmp_path: Path) -> None:
    root = tmp_path / "a" / "r"
    made = build_unshare_reexec_command("/t", "run", tmp_path, ContainerRunCommand(root, "/", [], [], None, "sh"))
    assert made.argv[0] == "unshare"
    assert root.is_dir()
    assert list(root.iterdir()) == [], "nothing of ours lies in the root, where the command could change it"
    folder = tmp_path / sentinel.FOLDER
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (file,) = folder.iterdir()
    stored = json.loads(file.read_bytes())
    assert (stored["prefix"], stored["root"], stored["inode"]) == (str(tmp_path), "a/r", root.stat().st_ino)
    assert stored["outer"]["mnt"] == os.stat("/proc/self/ns/mnt").st_ino
    before = file.read_bytes()
    build_unshare_reexec_command("/t", "run", tmp_path, ContainerRunCommand(root, "/", [], [], None, "sh"))
    assert [one.read_bytes() for one in folder.iterdir()] == [before]


def _check(prefix: Path, root: str) -> None:
    with Prefix(prefix) as opened:
        fd = os.open(prefix / root, os.O_PATH | os.O_DIRECTORY)
        try:
            sentinel.check(opened, root, fd)
        finally:
            os.close(fd)


def test_a_sentinel_speaks_of_one_root_under_one_prefix(tmp_path: Path) -> None:
    prefix = tmp_path / "p"
    prefix.mkdir()
    root = prefix / "r"
    build_unshare_reexec_command("/t", "run", prefix, ContainerRunCommand(root, "/", [], [], None, "sh"))
    _check(prefix, "r")
    (prefix / "other").mkdir()
    with pytest.raises(NotIsolated, match="the root has no sentinel"):
        _check(prefix, "other")
    (file,) = (prefix / sentinel.FOLDER).iterdir()
    good = file.read_bytes()
    for bad in (
        b"",
        b"{}",
        b"[]",
        good[:-1],
        good.replace(b'"root":"r"', b'"root":"x"'),
        good.replace(b'"format":1', b'"format":2'),
    ):
        file.write_bytes(bad)
        with pytest.raises(NotIsolated, match="does not match the declared prefix and root"):
            _check(prefix, "r")
    file.write_bytes(good)
    root.rename(prefix / "moved")
    root.mkdir()
    with pytest.raises(NotIsolated, match="does not match"):
        _check(prefix, "r")
    prefix.rename(tmp_path / "q")
    with pytest.raises(NotIsolated, match="does not match"):
        _check(tmp_path / "q", "r")


def test_a_missing_unshare_is_named_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="unshare is not installed"):
        build_unshare_reexec_command(
            "/t", "run", tmp_path, ContainerRunCommand(tmp_path / "r", "/", [], [], None, "sh")
        )
    assert list(tmp_path.iterdir()) == []


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12)
PATH = TEXT.map(lambda text: "/" + text)
COMMANDS = st.builds(
    ContainerRunCommand,
    root=PATH,
    cwd=PATH,
    mounts=st.lists(st.builds(BindMount, PATH, PATH, st.booleans()), max_size=3),
    env=st.lists(st.tuples(TEXT.filter(lambda name: "=" not in name and name != ""), TEXT), max_size=3),
    emulator=st.none() | PATH,
    executable=TEXT,
    argv=st.lists(st.one_of(TEXT, st.sampled_from(["--env", "--", "--root", "--executable", ""])), max_size=4),
)


@given(COMMANDS)
def test_the_private_subcommand_reconstructs_the_request(command: ContainerRunCommand) -> None:
    assert parse_reexec_arguments(_arguments(str(command.root), command)) == command


@pytest.mark.parametrize(
    "words",
    [
        "",
        "--root /r",
        "--root /r --cwd / --executable",
        "--cwd / --executable sh",
        "--root /r --executable sh",
        "--root /r --root /s --cwd / --executable sh",
        "--root /r --cwd / --mount-source /a --executable sh",
        "--root /r --cwd / --mount-dest /a --executable sh",
        "--root /r --cwd / --mount-source /a --mount-dest /b --mount-mode w --executable sh",
        "--root /r --cwd / --env NOVALUE --executable sh",
        "--root /r --cwd / --unknown x --executable sh",
    ],
)
def test_other_arguments_are_refused(words: str) -> None:
    with pytest.raises(CommandRefused, match="the private subcommand") as caught:
        parse_reexec_arguments(words.split())
    assert "build_unshare_reexec_command" in caught.value.help
