"""`metalor completion`: scripts for bash, zsh and fish, made from the command table.

Invariant: every subcommand, option and fixed choice of the table is in every script, and nothing else.
"""

import argparse
from collections.abc import Callable

from metalor_lang.cli.table import COMMANDS
from metalor_lang.cli.table.model import Command, Operand, Option, Value
from metalor_lang.errors import Exit


def run(arguments: argparse.Namespace) -> int:
    """Print the script of a shell."""
    print(SCRIPTS[arguments.shell](), end="")
    return Exit.DONE


def _choices(command: Command) -> tuple[str, ...]:
    return tuple(choice for operand in command.operands for choice in operand.choices)


def _names(option: Option) -> tuple[str, ...]:
    return (option.short, option.name) if option.short else (option.name,)


def bash() -> str:
    """The script for bash; needs no bash-completion package."""
    lines = [
        "# completion of metalor for bash",
        "_metalor() {",
        '    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"',
        '    local command="${COMP_WORDS[1]}" words=""',
        "    COMPREPLY=()",
        '    if [ "$COMP_CWORD" -eq 1 ]; then',
        f'        words="{" ".join(command.name for command in COMMANDS)} --help --version"',
        '        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")',
        "        return",
        "    fi",
        '    case "$command $previous" in',
    ]
    for command in COMMANDS:
        for option in command.options:
            if not option.metavar:
                continue
            pattern = "|".join(f'"{command.name} {name}"' for name in _names(option))
            if option.choices:
                action = f'mapfile -t COMPREPLY < <(compgen -W "{" ".join(option.choices)}" -- "$current")'
            elif option.value is Value.DIRECTORY:
                action = 'mapfile -t COMPREPLY < <(compgen -d -- "$current")'
            else:
                action = 'mapfile -t COMPREPLY < <(compgen -f -- "$current")'
            lines.append(f"    {pattern}) {action}; return ;;")
    lines += ["    esac", '    case "$command" in']
    for command in COMMANDS:
        words = [name for option in command.options for name in _names(option)] + ["--help", *_choices(command)]
        lines.append(f'    {command.name}) words="{" ".join(words)}" ;;')
    lines += [
        "    esac",
        '    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current"; compgen -f -- "$current")',
        "}",
        "complete -o filenames -o bashdefault -F _metalor metalor",
    ]
    return "\n".join(lines) + "\n"


def _zsh_quote(text: str) -> str:
    for old, new in (("\\", "\\\\"), ("[", "\\["), ("]", "\\]"), (":", "\\:"), ("'", "'\\''"), ("`", "\\`")):
        text = text.replace(old, new)
    return text


def _zsh_value(value: Value, choices: tuple[str, ...]) -> str:
    if choices:
        return f"({' '.join(choices)})"
    match value:
        case Value.DIRECTORY:
            return "_files -/"
        case Value.RECIPE | Value.FILE:
            return "_files"
        case _:
            return " "


def _zsh_option(option: Option) -> list[str]:
    star = "*" if option.repeat else ""
    result = []
    for name in _names(option):
        spec = f"{star}{name}[{_zsh_quote(option.help)}]"
        if option.metavar:
            spec += f":{_zsh_quote(option.metavar)}:{_zsh_value(option.value, option.choices)}"
        result.append(f"'{spec}'")
    return result


def _zsh_operand(operand: Operand) -> str:
    head = "*" if operand.count in ("+", "*") else "" if operand.count == "1" else ":"
    return f"'{head}:{_zsh_quote(operand.name)}:{_zsh_value(operand.value, operand.choices)}'"


def zsh() -> str:
    """The script for zsh."""
    lines = [
        "#compdef metalor",
        "# completion of metalor for zsh",
        "_metalor() {",
        "    local -a commands",
        "    commands=(",
    ]
    lines += [f"        '{command.name}:{_zsh_quote(command.summary)}'" for command in COMMANDS]
    lines += [
        "    )",
        "    if (( CURRENT == 2 )); then",
        "        _describe command commands",
        "        return",
        "    fi",
        "    local name=$words[2]",
        "    shift words",
        "    (( CURRENT-- ))",
        "    case $name in",
    ]
    for command in COMMANDS:
        specs = [spec for option in command.options for spec in _zsh_option(option)]
        specs += ["'--help[show help]'", *(_zsh_operand(operand) for operand in command.operands)]
        lines.append(f"    {command.name}) _arguments {' '.join(specs)} ;;")
    lines += [
        "    esac",
        "}",
        'if [ "$funcstack[1]" = "_metalor" ]; then _metalor "$@"; else compdef _metalor metalor; fi',
    ]
    return "\n".join(lines) + "\n"


def _fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def fish() -> str:
    """The script for fish."""
    lines = ["# completion of metalor for fish"]
    for command in COMMANDS:
        lines.append(
            f"complete -c metalor -n __fish_use_subcommand -f -a {command.name} -d {_fish_quote(command.summary)}"
        )
    for command in COMMANDS:
        inside = f"complete -c metalor -n '__fish_seen_subcommand_from {command.name}'"
        for choice in _choices(command):
            lines.append(f"{inside} -f -a {choice}")
        for option in command.options:
            words = [inside, "-l", option.name.removeprefix("--")]
            if option.short:
                words += ["-s", option.short.removeprefix("-")]
            if option.metavar:
                words.append("-r")
            if option.choices:
                words += ["-f", "-a", _fish_quote(" ".join(option.choices))]
            lines.append(" ".join([*words, "-d", _fish_quote(option.help)]))
    return "\n".join(lines) + "\n"


SCRIPTS: dict[str, Callable[[], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
