"""The table of subcommands: what help, the argument parser, the reference page and shell completion are made from.

Invariant: a subcommand, option or operand exists only here; its module is imported when it is called.
"""

from metalor_lang.cli.table.images import BUILD, EXPORT, JUPYTER, PLAN, REPL, RUN, SHELL, WHY
from metalor_lang.cli.table.machine import CACHE, COMPLETION, DOCTOR, SELFTEST
from metalor_lang.cli.table.model import Command
from metalor_lang.cli.table.recipes import CHECK, CONVERT, EDITORS, EXPLAIN, FMT, HIGHLIGHT, LOCK, LSP
from metalor_lang.hints import Final

COMMANDS: Final[tuple[Command, ...]] = (
    BUILD,
    CHECK,
    FMT,
    LOCK,
    PLAN,
    WHY,
    RUN,
    SHELL,
    REPL,
    EXPORT,
    HIGHLIGHT,
    CONVERT,
    EXPLAIN,
    CACHE,
    DOCTOR,
    SELFTEST,
    JUPYTER,
    LSP,
    EDITORS,
    COMPLETION,
)
"""In the order of the help."""

BY_NAME: Final = {command.name: command for command in COMMANDS}

EXIT_CODES: Final = (
    (0, "done"),
    (1, "the recipe is refused, or a step failed"),
    (2, "the command line is wrong"),
    (3, "this machine cannot do it; the message says what to install or to change"),
    (4, "a bug of metalor; the message says where the report is"),
    (130, "interrupted with Ctrl-C or SIGTERM"),
)
