"""What is refused as data, before the re-exec: nothing has been made then."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from metalor_lang import (
    BindMount,
    CommandRefused,
    ContainerRunCommand,
    UnsupportedArchitecture,
    build_unshare_reexec_command,
)
from metalor_lang.isolated.validate import validate_command

GOOD = ContainerRunCommand("/p/r", "/", [], [("PATH", "/bin")], None, "/bin/sh", ["-c", "true"])


def refused(prefix: Path, match: str, **changes: Any) -> None:
    """The request is refused before anything has been made, by the outer side and so by both."""
    command = replace(GOOD, root=prefix / "root", **changes)
    with pytest.raises(CommandRefused, match=match) as caught:
        build_unshare_reexec_command("/tool", "run", prefix, command)
    assert list(prefix.iterdir()) == []
    with pytest.raises(CommandRefused) as inner:
        validate_command(command)
    assert inner.value.message == caught.value.message


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("relative", "bind mount source must be absolute: 'relative'"),
        ("", "must be absolute"),
        ("/a/../b", "must not contain '..'"),
        ("/a/..", "must not contain '..'"),
        ("/a\0b", "must not contain NUL"),
        ("/" + "x" * 5000, "longer than 4095 bytes"),
    ],
)
def test_bind_sources_are_validated_before_the_re_exec(tmp_path: Path, source: str, match: str) -> None:
    refused(tmp_path, match, mounts=[BindMount("/fine", "/x", True), BindMount(source, "/y", True)])


@pytest.mark.parametrize(
    ("destination", "match"),
    [
        ("relative", "container mount destination must be absolute"),
        ("/a/../../b", "must not contain '..'"),
        ("/a\0b", "must not contain NUL"),
        ("/", "is a place that every command is given by itself"),
        ("/.//", "is a place that every command is given by itself"),
        ("/proc", "is a place that every command is given by itself"),
        ("/proc/self", "is a place that every command is given by itself"),
        ("/dev/", "is a place that every command is given by itself"),
        ("/sys/kernel", "is a place that every command is given by itself"),
        ("//x/./", "container mount destination /x is used twice"),
    ],
)
def test_mount_destinations_are_validated_before_the_re_exec(tmp_path: Path, destination: str, match: str) -> None:
    refused(tmp_path, match, mounts=[BindMount("/fine", "/x", True), BindMount("/fine", destination, False)])


@pytest.mark.parametrize(
    ("cwd", "match"),
    [("", "absolute"), ("tmp", "container cwd must be absolute: 'tmp'"), ("/a/..", "'..'"), ("/\0", "NUL")],
)
def test_cwd_is_validated_before_the_re_exec(tmp_path: Path, cwd: str, match: str) -> None:
    refused(tmp_path, match, cwd=cwd)


@pytest.mark.parametrize(
    ("executable", "match"),
    [
        ("", "must be absolute or a bare command name"),
        (".", "must be absolute or a bare command name"),
        ("bin/sh", "must be absolute or a bare command name: 'bin/sh'"),
        ("./sh", "must be absolute or a bare command name"),
        ("..", "container executable must not contain '..'"),
        ("../sh", "must not contain '..'"),
        ("/bin/../sh", "must not contain '..'"),
        ("/", "must name a program"),
        ("s\0h", "must not contain NUL"),
    ],
)
def test_the_executable_is_absolute_or_a_bare_command_name(tmp_path: Path, executable: str, match: str) -> None:
    refused(tmp_path, match, executable=executable)
    for fine in ("/bin/sh", "sh", "a..b", "ls-1"):
        validate_command(replace(GOOD, executable=fine))


@pytest.mark.parametrize(
    "emulator",
    ["/usr/bin/qemu-aarch64-static", "qemu-aarch64-static", "/.metalor-run", "/.metalor-run/", "/.metalor-run/../x"],
)
def test_the_emulator_lives_under_the_helper_directory(tmp_path: Path, emulator: str) -> None:
    refused(tmp_path, "container emulator must", emulator=emulator)
    with pytest.raises(UnsupportedArchitecture, match="unsupported emulator 'qemu-sparc-static'"):
        validate_command(replace(GOOD, emulator="/.metalor-run/qemu-sparc-static"))
    validate_command(replace(GOOD, emulator="/.metalor-run/qemu-aarch64-static"))


@pytest.mark.parametrize(
    ("pair", "match"),
    [
        (("", "x"), "keys must not be empty"),
        (("A=B", "x"), "keys must not contain '=': 'A=B'"),
        (("A\0", "x"), "keys must not contain NUL"),
        (("A", "x\0y"), "values must not contain NUL characters: 'A'"),
    ],
)
def test_environment_entries_are_validated_before_the_re_exec(
    tmp_path: Path, pair: tuple[str, str], match: str
) -> None:
    refused(tmp_path, match, env=[("FINE", "a=b=c"), pair])
    validate_command(replace(GOOD, env=[("FINE", "a=b=c"), ("EMPTY", "")]))


def test_arguments_have_no_nul(tmp_path: Path) -> None:
    refused(tmp_path, "container argument 1 must not contain NUL", argv=["a", "b\0"])


@pytest.mark.parametrize("subcommand", ["", "a\0b"])
def test_the_subcommand_is_a_word(tmp_path: Path, subcommand: str) -> None:
    with pytest.raises(CommandRefused, match="private subcommand"):
        build_unshare_reexec_command("/tool", subcommand, tmp_path, replace(GOOD, root=tmp_path / "root"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("program", ["", (), ("",), ("/tool", "a\0")])
def test_the_program_is_words(tmp_path: Path, program: Any) -> None:
    with pytest.raises(CommandRefused, match="program for the re-exec"):
        build_unshare_reexec_command(program, "run", tmp_path, replace(GOOD, root=tmp_path / "root"))
    assert list(tmp_path.iterdir()) == []


def test_bytes_are_no_path(tmp_path: Path) -> None:
    refused(tmp_path, "bind mount source must be text, not bytes", mounts=[BindMount(b"/x", "/x", True)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message", "help"),
    [
        ({"argv": "-c ls"}, "words, not one text: '-c ls'", 'argv=["-c", "echo hello"]'),
        ({"argv": ""}, "words, not one text", "argv="),
        ({"env": {"PATH": "/bin"}}, "pairs, not a mapping", "env=list(variables.items())"),
    ],
)
def test_a_text_for_words_and_a_mapping_for_pairs_are_refused(changes: Any, message: str, help: str) -> None:
    with pytest.raises(CommandRefused) as caught:
        replace(GOOD, **changes)
    assert message in caught.value.message
    assert help in caught.value.help
