"""Subcommands about this machine: its store, what it can do, its shells."""

from metalor_lang.cli.table.model import Command, Example, Operand, Option
from metalor_lang.cli.table.shared import BACKEND, FORMAT, STORE
from metalor_lang.hints import Final

CACHE: Final = Command(
    name="cache",
    summary="look after the store",
    about="`ls` shows what there is, `gc` removes what no recent build needs, `verify` looks for damage,"
    " `path` prints where it is. `export` writes a directory of `--cache` into a tar, `import` puts one in its place:"
    " so a cache goes to another machine.",
    operands=(
        Operand(name="ACTION", help="what to do", choices=("ls", "gc", "verify", "path", "export", "import")),
        Operand(name="ID", help="export, import: the cache's id (most often its path, as `ls` shows it)", count="?"),
        Operand(name="TAR", help="export, import: the file", count="?"),
    ),
    options=(
        STORE,
        FORMAT,
        Option(name="--all", help="gc: keep nothing but what is in use now"),
        Option(name="--keep", metavar="SIZE", help="gc: keep this much, newest first (such as 10G)"),
        Option(name="--full", help="ls: list every step; verify: read and hash every file"),
        Option(name="--user", metavar="UID", help="export, import: of the steps that use it (0)", integer=True),
        Option(name="--platform", metavar="PLATFORM", help="export, import: of those steps (this machine's)"),
        Option(
            name="--secret",
            metavar="NAME=FILE",
            repeat=True,
            help="export: refuse a cache in which this secret is left (a file, or NAME=env:VARIABLE)",
        ),
    ),
    examples=(
        Example(line="metalor cache ls", about="each recipe, how many steps it has, and their size"),
        Example(line="metalor cache ls --full", about="every step"),
        Example(line="metalor cache gc --keep 5G", about="make room"),
        Example(line="metalor cache verify --full", about="find bit rot"),
        Example(line="metalor cache export /root/.cache pip.tar", about="take a cache to another machine"),
    ),
)

DOCTOR: Final = Command(
    name="doctor",
    summary="say whether this machine can build, how, and what is missing",
    about="Checks the kernel, namespaces, ids, the store and the tools, runs a trial step, and says which backend"
    " builds would use and why not a better one. Exit status 3 when a build cannot run, with the commands that"
    " change it. With --security, a step measures what it is and what it can do to the machine, and the answer is"
    " printed as JSON: the same at every run, to be compared between releases and machines.",
    options=(
        Option(name="--security", help="print what a step can and cannot do, measured inside one, as JSON"),
        BACKEND,
        STORE,
        FORMAT,
    ),
    examples=(
        Example(line="metalor doctor", about="before the first build"),
        Example(line="metalor doctor --security > step.json", about="what a step can do, to compare later"),
    ),
)

SELFTEST: Final = Command(
    name="selftest",
    summary="try the security and robustness tests on this machine",
    about="In under a minute, in a temporary store beside the store: what a step can do to the machine, layers that"
    " want out of their directory, look-ups under attack, builds that are killed, and whether two builds give one"
    " image. Exit status 1 when something does not hold (please report it), 3 when this machine cannot run"
    " steps.",
    options=(
        Option(name="--quick", help="fewer kills and a shorter attack"),
        BACKEND,
        STORE,
        FORMAT,
    ),
    examples=(
        Example(line="metalor selftest", about="everything"),
        Example(line="metalor selftest --quick --format json", about="for a program"),
    ),
)

COMPLETION: Final = Command(
    name="completion",
    summary="print a completion script for a shell",
    about="Source it, or put it where the shell looks for completions.",
    operands=(Operand(name="SHELL", help="which shell", choices=("bash", "zsh", "fish")),),
    examples=(
        Example(line="metalor completion bash > ~/.local/share/bash-completion/completions/metalor", about="bash"),
        Example(line="metalor completion fish > ~/.config/fish/completions/metalor.fish", about="fish"),
    ),
)
