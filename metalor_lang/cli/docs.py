"""Writes the generated reference pages: `python -m metalor_lang.cli.docs docs/reference`.

Invariant: cli.md, repl.md and diagnostics.md say what the tables of commands and of codes say; a test compares them.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from metalor_lang.cli.options import option_help, option_words, usage
from metalor_lang.cli.table import COMMANDS, EXIT_CODES
from metalor_lang.diagnostics.codes import CODES


def cli_page() -> str:
    """`docs/reference/cli.md`."""
    lines = [
        "# The command line",
        "",
        "Made from the command table by `make docs`; edit `metalor_lang/cli/table/`.",
        "",
        "| command | |",
        "| --- | --- |",
        *(f"| [`{command.name}`](#{command.name}) | {_cell(command.summary)} |" for command in COMMANDS),
    ]
    for command in COMMANDS:
        lines += ["", f"## {command.name}", "", "```console", f"$ {usage(command)}", "```", "", command.about]
        if command.operands:
            lines += ["", "| word | |", "| --- | --- |"]
            lines += [f"| `{operand.name}` | {_cell(operand.help)} |" for operand in command.operands]
        if command.options:
            lines += ["", "| option | |", "| --- | --- |"]
            lines += [
                f"| `{_cell(option_words(option))}` | {_cell(option_help(option))} |" for option in command.options
            ]
        if command.examples:
            lines += ["", "```sh"]
            for example in command.examples:
                lines += [f"# {example.about}", example.line]
            lines.append("```")
    lines += ["", "## Exit status", "", "| status | |", "| --- | --- |"]
    lines += [f"| {code} | {_cell(text)} |" for code, text in EXIT_CODES]
    lines += ["", "`metalor run` and `metalor shell` end with the status of the command they ran.", *_events()]
    return "\n".join(lines) + "\n"


def _events() -> list[str]:
    from metalor_lang.build.events import EVENT_NAMES, StepRef
    from metalor_lang.record import fields

    step = ", ".join(f"`{field.name}`" for field in fields(StepRef))
    lines = [
        "",
        "## Progress as JSON lines",
        "",
        "With `--progress json`, standard output is one JSON object a line. All have `event` and `time` (UTC, RFC 3339"
        f" with milliseconds). Events about a step also have {step}. Names and fields stay; new ones may come.",
        "",
        "| event | fields | |",
        "| --- | --- | --- |",
    ]
    for kind, name in EVENT_NAMES.items():
        names = ["…step" if field.name == "step" else f"`{field.name}`" for field in fields(kind)]
        names = ["`text`" if name == "`data`" else name for name in names]
        about = " ".join((kind.__doc__ or "").split("Args:")[0].split())
        lines.append(f"| `{name}` | {', '.join(names)} | {_cell(about)} |")
    return lines


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def diagnostics_page() -> str:
    """`docs/reference/diagnostics.md`."""
    lines = [
        "# Error codes",
        "",
        "Made from the table of codes by `make docs`. `metalor explain CODE` prints the same.",
    ]
    for code in sorted(CODES.values(), key=lambda code: code.id):
        lines += ["", f"## {code.id}: {code.title}", "", code.why.strip()]
        for title, recipe in (("Wrong:", code.wrong), ("Right:", code.right)):
            if recipe:
                lines += ["", title, "", "```text", recipe.rstrip("\n"), "```"]
    return "\n".join(lines) + "\n"


def repl_page() -> str:
    """`docs/reference/repl.md`."""
    from itertools import groupby

    from metalor_lang.repl.commands import COMMANDS as SESSION
    from metalor_lang.repl.commands import GROUPS

    lines = [
        "# Commands of the REPL",
        "",
        "Made from the table of commands by `make docs`; edit `metalor_lang/repl/commands.py`. `:help` says the same.",
        "What a session is and how time works in it: [the REPL](../explanation/repl.md). A first session:",
        "[tutorial](../tutorial/repl.md). The command line: [`metalor repl`](cli.md#repl).",
        "",
        "A line that begins with `:` is a command; all else is a statement of [the language](language.md), which is",
        "carried out and becomes part of the recipe. A `STEP` is a number of `:list`, or the name of a stage: its last",
        "statement.",
    ]
    for group, commands in groupby(SESSION, key=lambda command: command.group):
        lines += ["", f"## {GROUPS[group]}", "", "| command | |", "| --- | --- |"]
        for command in commands:
            written = f"{command.name} {command.arguments}".rstrip()
            about = " ".join([f"{command.help[0].upper()}{command.help[1:]}.", *command.more])
            lines.append(f"| `{_cell(written)}` | {_cell(about)} |")
    return "\n".join(lines) + "\n"


PAGES = {"cli.md": cli_page, "diagnostics.md": diagnostics_page, "repl.md": repl_page}


def main(words: Sequence[str]) -> int:
    """Write the pages into a folder."""
    folder = Path(words[0])
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
