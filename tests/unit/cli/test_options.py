import errno
import os
import shlex

import pytest

from metalor_lang.cli.docs import cli_page, diagnostics_page
from metalor_lang.cli.main import main
from metalor_lang.cli.options import command_help, main_help, parse
from metalor_lang.cli.table import BY_NAME, COMMANDS, EXIT_CODES
from metalor_lang.errors import UsageError


def every_option():
    return [(command, option) for command in COMMANDS for option in command.options]


def test_names_are_unique():
    assert len(BY_NAME) == len(COMMANDS)
    for command in COMMANDS:
        names = [name for option in command.options for name in (option.name, option.short) if name]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_example_of_a_command_parses(command):
    assert command.examples
    for example in command.examples:
        words = shlex.split(example.line.partition(" > ")[0])
        assert words[:2] == ["metalor", command.name]
        own, rest = words[2:], None
        if "--" in own:
            own, rest = own[: own.index("--")], own[own.index("--") + 1 :]
        parse(command, own, rest)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_names_everything(command):
    text = command_help(command)
    for option in command.options:
        assert option.name in text
    for operand in command.operands:
        assert operand.name in text
    for example in command.examples:
        assert example.line in text
    assert all(len(line) <= 100 for line in text.splitlines() if not line.startswith("  metalor"))


def test_main_help_names_commands_and_exit_statuses():
    text = main_help()
    for command in COMMANDS:
        assert f"  {command.name}" in text
    for code, about in EXIT_CODES:
        assert str(code) in text and about.split()[0] in text


@pytest.mark.parametrize(
    ("words", "attribute", "value"),
    [
        ("a.metalor", "recipe", "a.metalor"),
        ("a.metalor --arg A=1 --arg B=2", "arg", ["A=1", "B=2"]),
        ("--arg A=1 a.metalor -o oci:x", "output", ["oci:x"]),
        ("a.metalor -j 3", "jobs", 3),
        ("a.metalor", "jobs", None),
        ("a.metalor --no-cache", "no_cache", True),
        ("a.metalor", "no_cache", False),
        ("a.metalor", "progress", "auto"),
        ("a.metalor --progress=json", "progress", "json"),
        ("a.metalor", "context", []),
    ],
)
def test_build_options(words, attribute, value):
    assert getattr(parse(BY_NAME["build"], words.split()), attribute) == value


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "RECIPE"),
        ("a b", "b"),
        ("a --jobs 0", "must be a number from 1"),
        ("a --progress fancy", "fancy"),
        ("a --no-such", "--no-such"),
        ("a --out oci:x", "--out"),
    ],
)
def test_wrong_words_are_usage_errors(words, message):
    with pytest.raises(UsageError, match=message):
        parse(BY_NAME["build"], words.split())


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--version"], 0, "metalor "),
        (["--help"], 0, "Commands:"),
        (["help", "build"], 0, "--expect-cached"),
        (["build", "--help"], 0, "--expect-cached"),
        ([], 2, "Commands:"),
        (["bild"], 2, "did you mean `metalor build`?"),
        (["--nonsense"], 2, "there is no option"),
        (["cache", "burn"], 2, "burn"),
        (["explain", "E9999"], 2, "no error code"),
        (["build"], 2, "RECIPE"),
    ],
)
def test_exit_statuses(words, status, said, capsys):
    assert main(words) == status
    out = capsys.readouterr()
    assert said in (out.out if status == 0 else out.err)


def test_a_bug_leaves_a_report(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("metalor_lang.cli.commands.explain.run", lambda arguments: 1 // 0)
    assert main(["explain"]) == 4
    reports = list(tmp_path.glob("metalor-bug-*.txt"))
    assert len(reports) == 1 and "ZeroDivisionError" in reports[0].read_text()
    assert str(reports[0]) in capsys.readouterr().err


def test_a_bug_whose_report_cannot_be_written_is_told_whole(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    monkeypatch.setattr("metalor_lang.cli.commands.explain.run", lambda arguments: 1 // 0)
    assert main(["explain"]) == 4
    said = capsys.readouterr().err
    assert "please send this report" in said
    assert "ZeroDivisionError: integer division" in said


@pytest.mark.parametrize(("number", "status"), [(errno.EMFILE, 3), (errno.EIO, 3), (errno.EBADF, 4)])
def test_an_error_of_the_machine_is_no_bug(number, status, monkeypatch, capsys, tmp_path):
    def fail(arguments):
        raise OSError(number, os.strerror(number), "/some/file")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("metalor_lang.cli.commands.explain.run", fail)
    assert main(["explain"]) == status
    assert f"{os.strerror(number)}: " in capsys.readouterr().err


def test_an_interrupt_is_130(monkeypatch, capsys):
    def interrupt(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("metalor_lang.cli.commands.explain.run", interrupt)
    assert main(["explain"]) == 130


def test_reference_pages_name_everything():
    page = cli_page()
    for command, option in every_option():
        assert f"## {command.name}" in page and option.name in page
    assert "## E0601" in diagnostics_page()


def test_the_default_context_of_a_conversion_is_the_dockerfile_s_folder():
    said = {option.name: option.help for option in BY_NAME["convert"].options}["--context"]
    assert "else the Dockerfile's folder" in said
