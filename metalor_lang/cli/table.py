"""The table of subcommands: what help, the argument parser, the reference page and shell completion are made from.

Invariant: a subcommand, option or operand exists only here; its module is imported when it is called.
"""

from enum import StrEnum
from typing import Final

from metalor_lang.record import dataclass


class Value(StrEnum):
    """What a value is, for completion."""

    NONE = "none"
    FILE = "file"
    DIRECTORY = "directory"
    RECIPE = "recipe"
    CODE = "code"
    COMMAND = "command"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """`--name`, with a value when `metavar` is set."""

    name: str
    help: str
    short: str = ""
    metavar: str = ""
    repeat: bool = False
    choices: tuple[str, ...] = ()
    default: str | None = None
    integer: bool = False
    value: Value = Value.OTHER

    @property
    def dest(self) -> str:
        """Attribute of the parsed arguments."""
        return self.name.removeprefix("--").replace("-", "_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """A word that is no option. `count` is "1", "?" or "*"."""

    name: str
    help: str
    count: str = "1"
    value: Value = Value.OTHER
    choices: tuple[str, ...] = ()

    @property
    def dest(self) -> str:
        """Attribute of the parsed arguments."""
        return self.name.lower().replace("-", "_").replace(":", "_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One command line and what it is for."""

    line: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One subcommand.

    Args:
        name: the word after `metalor`.
        summary: one line, no full stop.
        about: a paragraph or two.
        rest: whether words after `--` are a command.

    """

    name: str
    summary: str
    about: str
    operands: tuple[Operand, ...] = ()
    options: tuple[Option, ...] = ()
    examples: tuple[Example, ...] = ()
    rest: bool = False


PROGRESS: Final = ("auto", "plain", "tty", "json")

RECIPE = Operand(name="RECIPE", help="the recipe file; `-` reads standard input", value=Value.RECIPE)
ARG = Option(
    name="--arg", metavar="NAME=VALUE", repeat=True, help="value of an ARG; NAME alone takes it from the environment"
)
CONTEXT = Option(
    name="--context",
    metavar="[NAME=]DIR",
    repeat=True,
    value=Value.DIRECTORY,
    help="folder that COPY reads; without NAME the default context (else the recipe's folder)",
)
TARGET = Option(name="--target", metavar="STAGE", help="build this stage (else the last one)")
PLATFORM = Option(name="--platform", metavar="OS/ARCH", help="platform of the image, such as linux/amd64")
EPOCH = Option(name="--epoch", metavar="SECONDS", help="newest time in the image, or `now` (else the base's creation)")
FORMAT = Option(name="--format", metavar="FORMAT", help="how to print", choices=("human", "json"), default="human")
LANGUAGE = (ARG, CONTEXT, TARGET, PLATFORM)
STORE = Option(
    name="--store",
    metavar="DIR",
    value=Value.DIRECTORY,
    help="the store (else $METALOR_STORE, else ~/.cache/metalor)",
)
PROGRESS_OPTION = Option(
    name="--progress", metavar="HOW", choices=PROGRESS, default="auto", help="live lines, plain lines, or JSON lines"
)
RAW = Option(name="--raw", help="pass control characters of a step's output through to the terminal")
UNPACKER = Option(
    name="--unpacker", metavar="NAME", choices=("own", "umoci"), default="own", help="who unpacks base images"
)
COMPRESSION = Option(
    name="--compression",
    metavar="NAME",
    choices=("gzip", "zstd", "none"),
    default="gzip",
    help="of the new layers",
)
BACKEND = Option(
    name="--backend",
    metavar="NAME",
    choices=("auto", "userns", "rootless", "privileged"),
    help="who steps are on this machine (else $METALOR_BACKEND, else the best: see `metalor doctor`)",
)
NETWORK_NOTE = "Registry references are fetched with skopeo; everything else is local."
PLATFORMS = Option(
    name="--platform",
    metavar="P[,P]",
    help="platforms of the image, such as linux/amd64,linux/arm64; several make one OCI index",
)
LIMITS = (
    Option(name="--memory", metavar="SIZE", help="what a step may use at the most, such as 2G (else no limit)"),
    Option(name="--processes", metavar="N", integer=True, help="how many processes a step may have at once"),
)
BUILDING = (
    EPOCH,
    Option(name="--no-cache", help="run every step anew"),
    Option(name="--expect-cached", help="fail at the first step that is not in the cache"),
    Option(name="--no-tests", help="leave TEST statements out and list them"),
    Option(name="--jobs", short="-j", metavar="N", integer=True, help="how many stages at once (else one a CPU)"),
    UNPACKER,
    PROGRESS_OPTION,
    RAW,
    *LIMITS,
    BACKEND,
    STORE,
)

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        name="build",
        summary="build a recipe into an image",
        about="Checks the recipe, runs the steps that are not in the cache, and writes the outputs. Without -o the"
        f" image stays in the store under the recipe's name. {NETWORK_NOTE}",
        operands=(RECIPE,),
        options=(
            Option(
                name="--output",
                short="-o",
                metavar="TYPE:DEST",
                repeat=True,
                help="oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE:NAME[:TAG], rootfs:DIR, tar:FILE or"
                " docker://REF",
            ),
            ARG,
            CONTEXT,
            TARGET,
            PLATFORMS,
            *BUILDING,
            COMPRESSION,
            Option(
                name="--on-failure",
                metavar="HOW",
                choices=("stop", "repl"),
                default="stop",
                help="what to do when a step fails; `repl` opens a session before it (`:shell --failed` has its files)",
            ),
        ),
        examples=(
            Example(line="metalor build hello.metalor", about="build, keep the image in the store"),
            Example(line="metalor build hello.metalor -o oci:out:1.0", about="write an OCI layout with a tag"),
            Example(line="metalor build app.metalor --arg VERSION=2 --target test", about="one stage, one argument"),
            Example(line="metalor build app.metalor --on-failure=repl", about="put a failing step right, and save"),
            Example(line="metalor build app.metalor --expect-cached", about="prove that nothing has to run"),
            Example(
                line="metalor build app.metalor --platform linux/amd64,linux/arm64 -o oci:out:1.0",
                about="one index for two platforms",
            ),
        ),
    ),
    Command(
        name="check",
        summary="find every error of a recipe without running it",
        about="Needs no root, no network and no store. Prints all errors of the file at once. Bases that are here"
        " already (oci: layouts, fetched images) are looked at; names that only another base can settle are listed.",
        operands=(
            Operand(name="RECIPE", help="recipe files; `-` reads standard input", count="+", value=Value.RECIPE),
        ),
        options=(*LANGUAGE, EPOCH, FORMAT),
        examples=(
            Example(line="metalor check hello.metalor", about="for a person"),
            Example(line="metalor check --format json hello.metalor", about="for a program"),
        ),
    ),
    Command(
        name="fmt",
        summary="rewrite recipes in the one layout",
        about="Changes white space and quoting, never the meaning. Comments stay.",
        operands=(
            Operand(name="RECIPE", help="recipe files; `-` reads standard input", count="+", value=Value.RECIPE),
        ),
        options=(
            Option(name="--check", help="change nothing; exit 1 when a file would change"),
            Option(name="--diff", help="change nothing; print what would change"),
        ),
        examples=(
            Example(line="metalor fmt hello.metalor", about="rewrite in place"),
            Example(line="metalor fmt --diff hello.metalor", about="only look"),
        ),
    ),
    Command(
        name="plan",
        summary="show the steps of a build and which are cached",
        about=f"Resolves everything, runs nothing. {NETWORK_NOTE}",
        operands=(RECIPE,),
        options=(*LANGUAGE, EPOCH, FORMAT, STORE),
        examples=(
            Example(line="metalor plan app.metalor", about="a tree of stages and steps"),
            Example(line="metalor plan app.metalor --format json", about="with keys and their parts"),
        ),
    ),
    Command(
        name="run",
        summary="run an image's command in a throw-away copy",
        about="Builds the recipe quietly, then runs ENTRYPOINT and CMD with the image's USER, WORKDIR and ENV. What"
        " the command writes is gone afterwards. The exit status is the command's.",
        operands=(
            Operand(
                name="RECIPE-or-REF",
                help="a recipe, an image (oci:DIR:TAG, docker://REF …) or the name of a built recipe",
                value=Value.RECIPE,
            ),
        ),
        options=(
            *LANGUAGE,
            *BUILDING,
            Option(name="--network", metavar="NET", choices=("host", "none"), default="host", help="network to run in"),
        ),
        examples=(
            Example(line="metalor run hello.metalor", about="build and run"),
            Example(line="metalor run oci:out:1.0 -- /bin/busybox ls /", about="another command in an image"),
        ),
        rest=True,
    ),
    Command(
        name="shell",
        summary="open a shell in a throw-away copy of an image",
        about="As `run`, with a terminal and the image's bash, else its /bin/sh (or the command after --).",
        operands=(
            Operand(
                name="RECIPE-or-REF",
                help="a recipe, an image (oci:DIR:TAG, docker://REF …) or the name of a built recipe",
                value=Value.RECIPE,
            ),
        ),
        options=(
            *LANGUAGE,
            *BUILDING,
            Option(name="--network", metavar="NET", choices=("host", "none"), default="host", help="network to run in"),
        ),
        examples=(Example(line="metalor shell hello.metalor", about="look around in what was built"),),
        rest=True,
    ),
    Command(
        name="repl",
        summary="talk to a build: each statement runs as it is typed, and everything can be undone",
        about="Opens a session. A statement becomes part of the recipe when it succeeds; `:undo` brings back the files"
        " and the configuration of the step before at once; `:save` writes the recipe, which builds to the same image;"
        " `:help` lists the commands. With a recipe, its statements are carried out first. Without a terminal the"
        " statements and commands come from -c or standard input: only what they print is printed, and the first error"
        f" ends it. {NETWORK_NOTE}",
        operands=(
            Operand(name="RECIPE", help="a recipe to begin with (else an empty one)", count="?", value=Value.RECIPE),
        ),
        options=(
            Option(
                name="--command",
                short="-c",
                metavar="TEXT",
                repeat=True,
                help="statements and commands, instead of a terminal",
            ),
            Option(name="--resume", help="take up the last session that ended without being saved"),
            ARG,
            CONTEXT,
            PLATFORM,
            EPOCH,
            UNPACKER,
            RAW,
            *LIMITS,
            BACKEND,
            STORE,
        ),
        examples=(
            Example(line="metalor repl", about="begin with nothing: FROM oci:base:1 …"),
            Example(line="metalor repl --resume", about="after a crash, or a `:quit` without `:save`"),
            Example(line="metalor repl app.metalor", about="carry a recipe out and go on from there"),
            Example(line="metalor repl -c ':run app.metalor' -c ':list'", about="without a terminal"),
        ),
    ),
    Command(
        name="export",
        summary="write an image that was built",
        about="Takes the image that `build` left in the store under a name (or a recipe's file name) to an output:"
        " the image of every platform that it was built for, or of those that --platform names.",
        operands=(
            Operand(name="NAME", help="name of a built recipe, or its file", value=Value.RECIPE),
            Operand(name="TYPE:DEST", help="an output as for `build -o`", count="+"),
        ),
        options=(PLATFORMS, COMPRESSION, STORE),
        examples=(
            Example(line="metalor export hello oci:out:1.0", about="an OCI layout"),
            Example(line="metalor export hello docker-archive:hello.tar:hello:1.0", about="for docker load"),
        ),
    ),
    Command(
        name="highlight",
        summary="show a recipe in colours",
        about="On a terminal in its own colours, or as a page or a picture on standard output. The text of SH is shown"
        " as shell, and what is wrong from where the parser refuses it.",
        operands=(RECIPE,),
        options=(
            Option(
                name="--format",
                metavar="FORMAT",
                help="what to write",
                choices=("terminal", "html", "svg"),
                default="terminal",
            ),
            Option(name="--title", metavar="TEXT", help="the title of a page or picture (the recipe's name)"),
        ),
        examples=(
            Example(line="metalor highlight hello.metalor", about="on the terminal"),
            Example(line="metalor highlight --format html hello.metalor > hello.html", about="a page"),
            Example(line="metalor highlight --format svg hello.metalor > hello.svg", about="a picture"),
        ),
    ),
    Command(
        name="explain",
        summary="say what an error code means",
        about="Prints why it is an error, a wrong recipe and a right one. Without a code, lists all.",
        operands=(Operand(name="CODE", help="such as E0101", count="?", value=Value.CODE),),
        examples=(Example(line="metalor explain E0101", about="one code"),),
    ),
    Command(
        name="cache",
        summary="look after the store",
        about="`ls` shows what there is, `gc` removes what no recent build needs, `verify` looks for damage,"
        " `path` prints where it is.",
        operands=(Operand(name="ACTION", help="what to do", choices=("ls", "gc", "verify", "path")),),
        options=(
            STORE,
            FORMAT,
            Option(name="--all", help="gc: keep nothing but what is in use now"),
            Option(name="--keep", metavar="SIZE", help="gc: keep this much, newest first (such as 10G)"),
            Option(name="--full", help="ls: list every step; verify: read and hash every file"),
        ),
        examples=(
            Example(line="metalor cache ls", about="each recipe, how many steps it has, and their size"),
            Example(line="metalor cache ls --full", about="every step"),
            Example(line="metalor cache gc --keep 5G", about="make room"),
            Example(line="metalor cache verify --full", about="find bit rot"),
        ),
    ),
    Command(
        name="doctor",
        summary="say whether this machine can build, in which way, and what to install",
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
    ),
    Command(
        name="selftest",
        summary="try on this machine what the project's own security and robustness tests try",
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
    ),
    Command(
        name="jupyter",
        summary="talk to a build in a notebook",
        about="`install` tells Jupyter of the kernel, for this user or with --prefix for one environment; front ends"
        " then start it by themselves with `kernel`. Cells hold what can be typed at `metalor repl`: statements and"
        " commands. Needs the extra metalor-lang[jupyter].",
        operands=(
            Operand(name="ACTION", help="what to do", choices=("install", "kernel")),
            Operand(name="CONNECTION", help="a front end's connection file", count="?", value=Value.FILE),
        ),
        options=(
            Option(
                name="--prefix",
                metavar="DIR",
                value=Value.DIRECTORY,
                help="root of the environment to install into (else this user's own folder)",
            ),
            ARG,
            CONTEXT,
            PLATFORM,
            EPOCH,
            UNPACKER,
            *LIMITS,
            BACKEND,
            STORE,
        ),
        examples=(
            Example(line="metalor jupyter install --prefix .venv", about="for one virtual environment"),
            Example(line="metalor jupyter install", about="for this user; then choose `metalor` in `jupyter lab`"),
        ),
    ),
    Command(
        name="completion",
        summary="print a completion script for a shell",
        about="Source it, or put it where the shell looks for completions.",
        operands=(Operand(name="SHELL", help="which shell", choices=("bash", "zsh", "fish")),),
        examples=(
            Example(line="metalor completion bash > ~/.local/share/bash-completion/completions/metalor", about="bash"),
            Example(line="metalor completion fish > ~/.config/fish/completions/metalor.fish", about="fish"),
        ),
    ),
)

BY_NAME: Final = {command.name: command for command in COMMANDS}

EXIT_CODES: Final = (
    (0, "done"),
    (1, "the recipe is refused, or a step failed"),
    (2, "the command line is wrong"),
    (3, "this machine cannot do it; the message says what to install or to change"),
    (4, "a bug of metalor; the message says where the report is"),
    (130, "interrupted with Ctrl-C or SIGTERM"),
)
