"""The quick reader of command lines gives what argparse gives, or nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metalor_lang.cli import options, words
from metalor_lang.cli.faults import fault
from metalor_lang.cli.table import BY_NAME, COMMANDS
from metalor_lang.cli.table.model import Command
from metalor_lang.errors import UsageError

VALUES = ["a", "r.metalor", "a b", "7", "0", "-1", "-", "--", "", "=", "a=b", "oci:x", "é", "2G", "²"]


@st.composite
def lines(draw: st.DrawFn, command: Command) -> list[str]:
    """Words that are often right: options of the command with values, wrong ones, and operands among them."""
    found: list[str] = []
    for _ in range(draw(st.integers(0, 5))):
        if command.options and draw(st.integers(0, 3)):
            option = draw(st.sampled_from(command.options))
            name = draw(st.sampled_from([each for each in (option.name, option.short) if each]))
            value = draw(st.sampled_from([*VALUES, *option.choices]))
            how = draw(st.integers(0, 9))
            if how == 0:
                found.append(name[: draw(st.integers(1, len(name)))])
            elif how == 1 or (how < 5 and option.metavar):
                found.append(f"{name}={value}")
            elif how == 5:
                found.append(f"{name}{value}")
            elif not option.metavar:
                found.append(name)
            else:
                found += [name, value]
        else:
            choices = [choice for operand in command.operands for choice in operand.choices]
            found.append(draw(st.sampled_from([*VALUES, *choices])))
    return found


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_what_the_quick_reader_takes_argparse_takes_the_same(command: Command, data: st.DataObject) -> None:
    line = data.draw(lines(command))
    rest = data.draw(st.sampled_from([None, (), ("a", "-b")]))
    quick = words.quick(command, line, rest)
    if quick is not None:
        try:
            assert vars(quick) == vars(options.parse(command, line, rest))
        except UsageError as error:
            pytest.fail(f"{line} was taken, but argparse says: {error.message}")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_what_argparse_takes_is_no_fault(command: Command, data: st.DataObject) -> None:
    line = data.draw(lines(command))
    wrong = fault(command, line)
    if wrong is not None:
        with pytest.raises(UsageError):
            options.by_argparse(command, line)


@pytest.mark.parametrize(
    "line",
    [
        "build r.metalor",
        "build r.metalor --arg A=1 --arg B=2 --jobs 4 --no-cache -o oci:out:1 --progress=plain",
        "check a.metalor b.metalor",
        "cache gc",
        "run -",
    ],
)
def test_usual_lines_are_taken(line: str) -> None:
    name, *rest = line.split()
    assert words.quick(BY_NAME[name], rest) is not None


def test_lists_are_not_shared() -> None:
    first, second = (words.quick(BY_NAME["build"], ["r", "--arg", "A=1"]) for _ in range(2))
    assert first is not None and second is not None and first.arg == second.arg == ["A=1"]
