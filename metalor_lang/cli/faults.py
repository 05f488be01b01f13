"""What is wrong with the words behind a subcommand: the word, the reason and one right example.

Invariant: knows no subcommand by name, and calls nothing wrong that the parser would take; what it does not know, the
parser says in its own words (`tests/property/test_words_agree.py`).
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from metalor_lang.cli.habits import CHOICES, OPTIONS, instead
from metalor_lang.cli.table.model import Command, Operand, Option
from metalor_lang.errors import UsageError

MANY = ("+", "*")


def fault(command: Command, words: Sequence[str]) -> UsageError | None:
    """The first thing that is wrong, in the order of the words; words that are missing or too many come last.

    Args:
        command: the subcommand.
        words: what stands after its name, without a command behind `--`.

    Returns:
        The error to raise, or None where nothing is known to be wrong.

    """
    options = {name: option for option in command.options for name in (option.short, option.name) if name}
    given: list[str] = []
    following = iter(words)
    for word in following:
        if word == "--":  # the parser has ways of its own with it
            return None
        if not _is_option(word, options):
            given.append(word)
        else:
            name, joined, value = word.partition("=")
            long = word.startswith("--")
            if not long and name not in options:
                name, joined, value = word[:2], word[2:], word[2:]
            option = options.get(name)
            if option is None:
                return _unknown(command, options, name if long else word, word)
            if not option.metavar:
                if joined and long:
                    return UsageError(f"{name} takes no value", help=f"write {name}")
                if joined:
                    return None
            elif (wrong := _value(options, name, value if joined else None, following)) is not None:
                return wrong
    return _operands(command, given)


def _is_option(word: str, options: Mapping[str, Option]) -> bool:
    """As the parser sees it: what is no option of the subcommand may be a negative number, or text with blanks."""
    if len(word) < 2 or word[0] != "-":
        return False
    if word.partition("=")[0] in options or word[:2] in options:
        return True
    return " " not in word and not word[1:].replace(".", "", 1).isdigit()


def _unknown(command: Command, options: Mapping[str, Option], name: str, word: str) -> UsageError:
    if os.path.exists(word):
        return UsageError(f"`metalor {command.name}` has no option {word}", help=f"for the file write ./{word}")
    habits = OPTIONS.get(command.name, {})
    close = get_close_matches(name, options, 1)
    text = (
        instead(habits, name)
        or (f"did you mean {close[0]}?" if close else "")
        or instead(habits, name[:2])
        or f"`metalor {command.name} --help` lists the options"
    )
    return UsageError(f"`metalor {command.name}` has no option {name}", help=text)


def _value(options: Mapping[str, Option], name: str, value: str | None, following: Iterator[str]) -> UsageError | None:
    option = options[name]
    if value is None:
        value = next(following, None)
        if value is None or value == "--" or _is_option(value, options):
            example = option.choices[0] if option.choices else "2" if option.integer else option.metavar
            return UsageError(f"{name} needs a value", help=f"write {name} {example}")
    if value == "--":  # behind `=` the parser takes it for the mark that ends options
        return None
    if option.integer and not (value.isascii() and value.isdigit() and int(value) >= 1):
        return UsageError(f"{name} must be a number from 1, not {value!r}", help=f"for example {name} 2")
    if option.choices and value not in option.choices:
        return UsageError(
            f"{value!r} is no value of {name}",
            help=_one_of([f"{name} {choice}" for choice in option.choices], f"{name} {value}"),
        )
    return None


def _operands(command: Command, given: Sequence[str]) -> UsageError | None:
    example = f"for example {command.examples[0].line}"
    for number, operand in enumerate(command.operands):
        own = given[number:] if operand.count in MANY else given[number : number + 1]
        if not own and operand.count in ("1", "+"):
            return UsageError(f"`metalor {command.name}` needs {_named(operand)}", help=example)
        for word in own:
            if operand.choices and word not in operand.choices:
                text = instead(CHOICES.get(command.name, {}), word)
                return UsageError(
                    f"`metalor {command.name}` does not know {word!r}", help=text or _one_of(operand.choices, word)
                )
    many = any(operand.count in MANY for operand in command.operands)
    if len(given) > len(command.operands) and not many:
        word = given[len(command.operands)]
        text = instead(OPTIONS.get(command.name, {}), word) or example
        if command.rest:
            text = f"a command stands behind --: metalor {' '.join((command.name, given[0], '--', *given[1:]))}"
        return UsageError(f"`metalor {command.name}` has no use for the word {word!r}", help=text)
    return None


def _named(operand: Operand) -> str:
    return f"one of {', '.join(operand.choices)}" if operand.choices else f"{operand.name}: {operand.help}"


def _one_of(known: Sequence[str], word: str) -> str:
    close = get_close_matches(word, known, 1)
    return f"did you mean {close[0]}?" if close else f"write one of {', '.join(known)}"
