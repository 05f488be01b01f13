"""From the command table to an argument parser and to help texts.

Invariant: knows no subcommand by name; everything comes from `cli.table`.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from metalor_lang.cli.faults import fault
from metalor_lang.cli.table import COMMANDS, EXIT_CODES
from metalor_lang.cli.table.model import Command, Option
from metalor_lang.errors import UsageError
from metalor_lang.hints import Final, NoReturn

WIDTH: Final = 100
"""Columns that help takes at the most: longer lines are hard to read."""
NARROW: Final = 40
USUAL: Final = 80
_SOME: Final = "+"


class _Parser(argparse.ArgumentParser):
    """An argparse parser that raises instead of leaving the process."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, help=f"see `{self.prog} --help`")

    def _get_formatter(self) -> argparse.HelpFormatter:
        # Asked for at every option; without a width it looks for the terminal's, with modules that nothing else needs.
        return argparse.HelpFormatter(self.prog, width=WIDTH)


def parse(command: Command, words: Sequence[str], rest: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments of a subcommand.

    Args:
        command: which one.
        words: what stands after its name.
        rest: the words after `--` for commands that take a command, else None.

    Raises:
        UsageError: for anything the table does not allow.

    """
    if (wrong := fault(command, words)) is not None:
        raise wrong
    return by_argparse(command, words, rest)


def by_argparse(command: Command, words: Sequence[str], rest: Sequence[str] | None = None) -> argparse.Namespace:
    """As `parse`, with argparse's own words for what is wrong."""
    parser = _Parser(prog=f"metalor {command.name}", add_help=False, allow_abbrev=False)
    for option in command.options:
        _add(parser, option)
    for operand in command.operands:
        nargs = None if operand.count == "1" else operand.count
        parser.add_argument(
            operand.dest, nargs=nargs, metavar=operand.name, choices=operand.choices or None, help=operand.help
        )
    result = parser.parse_intermixed_args(list(words)) if command.operands else parser.parse_args(list(words))
    result.rest = tuple(rest or ())
    return result


def _add(parser: argparse.ArgumentParser, option: Option) -> None:
    names = [option.short, option.name] if option.short else [option.name]
    if not option.metavar:
        parser.add_argument(*names, dest=option.dest, action="store_true")
    elif option.repeat:
        parser.add_argument(*names, dest=option.dest, action="append", default=[], metavar=option.metavar)
    elif option.integer:
        parser.add_argument(*names, dest=option.dest, type=_count, metavar=option.metavar)
    else:
        parser.add_argument(
            *names, dest=option.dest, choices=option.choices or None, default=option.default, metavar=option.metavar
        )


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1, not {text!r}")
    return int(text)


def width() -> int:
    """The columns that help takes: those of the terminal, else of COLUMNS, else 80; from 40 to 100."""
    try:
        columns = os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):  # no terminal, or a stream without a descriptor
        columns = 0
    given = os.environ.get("COLUMNS", "")
    return max(NARROW, min(columns or (int(given) if given.isascii() and given.isdigit() else USUAL), WIDTH))


def usage(command: Command) -> str:
    """`metalor build [options] RECIPE`."""
    words = ["metalor", command.name]
    if command.options:
        words.append("[options]")
    for operand in command.operands:
        shown = "|".join(operand.choices) if operand.choices else operand.name
        words.append({"1": shown, "?": f"[{shown}]", "*": f"[{shown}…]", _SOME: f"{shown}…"}[operand.count])
    if command.rest:
        words.append("[-- command…]")
    return " ".join(words)


def option_words(option: Option) -> str:
    """`-o, --output TYPE:DEST`."""
    names = f"{option.short}, {option.name}" if option.short else option.name
    return f"{names} {'|'.join(option.choices) or option.metavar}".rstrip()


def option_help(option: Option) -> str:
    """The help with what is true by default, and whether it may repeat."""
    notes = [f"default {option.default}"] if option.default else []
    if option.repeat:
        notes.append("may be repeated")
    return option.help + (f" ({', '.join(notes)})" if notes else "")


def command_help(command: Command) -> str:
    """`metalor NAME --help`."""
    lines = [*_wrapped(f"{command.summary[0].upper()}{command.summary[1:]}.", width()), "", f"  {usage(command)}", ""]
    lines += _wrapped(command.about, width())
    rows = [(operand.name, operand.help) for operand in command.operands]
    if rows:
        lines += ["", "Words:", *_columns(rows)]
    rows = [(option_words(option), option_help(option)) for option in command.options]
    lines += ["", "Options:", *_columns([*rows, ("-h, --help", "show this")])]
    if command.examples:
        lines += ["", "Examples:"]
        for example in command.examples:
            lines += [f"  # {example.about}", f"  {example.line}"]
    return "\n".join(lines) + "\n"


def main_help() -> str:
    """`metalor --help`."""
    lines = [
        *_wrapped("metalor builds recipes into OCI images, without a daemon.", width()),
        "",
        "  metalor COMMAND [options] …",
        "",
        "Commands:",
        *_columns([(command.name, command.summary) for command in COMMANDS]),
        "",
        "Options:",
        *_columns([("-h, --help", "show this, or the help of a command"), ("--version", "print the version")]),
        "",
        "Examples:",
    ]
    for name in ("check", "build", "run"):
        example = next(command for command in COMMANDS if command.name == name).examples[0]
        lines.append(f"  {example.line}")
    lines += ["", "Exit status:", *_columns([(str(code), text) for code, text in EXIT_CODES])]
    return "\n".join(lines) + "\n"


def _columns(rows: Sequence[tuple[str, str]]) -> list[str]:
    columns = width()
    left = min(max(len(row[0]) for row in rows), columns * 3 // 10)
    result: list[str] = []
    for name, text in rows:
        wrapped = _wrapped(text, columns - left - 4) or [""]
        if len(name) > left:
            result.append(f"  {name}")
        else:
            result.append(f"  {name:<{left}}  {wrapped.pop(0)}")
        result += [" " * (left + 4) + line for line in wrapped]
    return result


def _wrapped(text: str, columns: int) -> list[str]:
    from textwrap import wrap

    return wrap(text, columns, break_on_hyphens=False)
