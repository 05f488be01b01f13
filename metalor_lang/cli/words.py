"""The words of a usual command line, read without argparse.

Invariant: what is read here, argparse would read the same (`tests/property/test_words_agree.py`); for everything else,
and so for every error, argparse is asked. Its import and its parser of all options take as long as checking a recipe.
"""

from collections.abc import Sequence
from types import SimpleNamespace

from metalor_lang.cli.table.model import Command, Operand, Option
from metalor_lang.hints import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import argparse


def parse(command: Command, words: Sequence[str], rest: Sequence[str] | None = None) -> "argparse.Namespace":
    """The arguments of a subcommand; as `options.parse`, which says what they are and what it raises."""
    found = quick(command, words, rest)
    if found is not None:
        return cast("argparse.Namespace", found)
    from metalor_lang.cli import options

    return options.parse(command, words, rest)


def quick(command: Command, words: Sequence[str], rest: Sequence[str] | None = None) -> SimpleNamespace | None:
    """The arguments, or None where only argparse says what they mean."""
    options = {name: option for option in command.options for name in (option.short, option.name) if name}
    found: dict[str, object] = {option.dest: _default(option) for option in command.options}
    given: list[str] = []
    following = iter(words)
    for word in following:
        if not word or (word[0] == "-" and len(word) > 1):
            name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
            option = options.get(name)
            if option is None or (equals and not option.metavar):
                return None
            if option.metavar and not equals:
                value = next(following, "-")
                if value.startswith("-"):
                    return None
            if not _take(found, option, value):
                return None
        else:
            given.append(word)
    if not _operands(found, command.operands, given):
        return None
    return SimpleNamespace(**found, rest=tuple(rest or ()))


def _default(option: Option) -> object:
    if not option.metavar:
        return False
    return [] if option.repeat else None if option.integer else option.default


def _take(found: dict[str, object], option: Option, value: str) -> bool:
    if not option.metavar:
        found[option.dest] = True
    elif value in ("", "--"):
        return False
    elif option.repeat:
        cast("list[str]", found[option.dest]).append(value)
    elif option.integer:
        if not value.isascii() or not value.isdigit() or int(value) < 1:
            return False
        found[option.dest] = int(value)
    elif option.choices and value not in option.choices:
        return False
    else:
        found[option.dest] = value
    return True


def _operands(found: dict[str, object], operands: Sequence[Operand], given: Sequence[str]) -> bool:
    """Deal the words out: one to each operand, and to the last one what it takes."""
    for number, operand in enumerate(operands):
        last = operand is operands[-1]
        own = given[number:] if last else given[number : number + 1]
        if any(operand.choices and word not in operand.choices for word in own):
            return False
        if operand.count == "1" and len(own) == 1:
            found[operand.dest] = own[0]
        elif operand.count == "?" and (not own or (last and len(own) == 1)):
            found[operand.dest] = own[0] if own else None
        elif operand.count == "+" and last and own:
            found[operand.dest] = list(own)
        else:
            return False
    return len(given) <= len(operands) or bool(operands and operands[-1].count == "+")
