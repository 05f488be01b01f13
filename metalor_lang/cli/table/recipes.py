"""Subcommands that read and write recipes: nothing is run, unless a conversion is to be proved."""

from metalor_lang.cli.table.model import Command, Example, Operand, Option, Value
from metalor_lang.cli.table.shared import (
    ARG,
    BASE,
    CONTEXT,
    EPOCH,
    LANGUAGE,
    LOCKED,
    PLATFORM,
    RECIPE,
    SECRET,
    STORE,
    TARGET,
)
from metalor_lang.hints import Final
from metalor_lang.record import replace

RECIPES = Operand(name="RECIPE", help="recipe files; `-` reads standard input", count="+", value=Value.RECIPE)
RECIPE_FILE = Operand(name="RECIPE", help="the recipe file", value=Value.RECIPE)
STDIN_FILENAME = Option(
    name="--stdin-filename",
    metavar="FILE",
    value=Value.RECIPE,
    help="the file that standard input is the (unsaved) text of: its name and folder are used, it is not read",
)
REPORTS = ("human", "short", "json", "sarif", "github", "gitlab", "junit")

CHECK: Final = Command(
    name="check",
    summary="find every error of a recipe without running it",
    about="Needs no root, no network and no store. Prints all errors of the file at once. Bases that are here"
    " already (oci: layouts, fetched images) are looked at, and those in the lock beside the recipe; names that only"
    " another base can settle are listed."
    " `human` and what --fix did go to standard error, every other format is one document on standard output for all"
    " files. Exit status 1 when errors are left, or when --diff shows a change.",
    operands=(RECIPES,),
    options=(
        *LANGUAGE,
        EPOCH,
        LOCKED,
        Option(
            name="--format",
            metavar="FORMAT",
            choices=REPORTS,
            default="human",
            help="`short` is a line an error for editors; the others are what CI servers and programs read",
        ),
        Option(name="--fix", help="put right what can be without asking (with `-`: print the text), then check"),
        Option(name="--diff", help="with --fix: change nothing; print what would change"),
        STDIN_FILENAME,
    ),
    examples=(
        Example(line="metalor check hello.metalor", about="for a person"),
        Example(line="metalor check --format json hello.metalor", about="for a program"),
        Example(line="metalor check --fix hello.metalor", about="put slips right: `from`, a comma before ]"),
        Example(line="metalor check --fix --diff *.metalor", about="see first what that would do"),
        Example(line="metalor check --format short --stdin-filename hello.metalor -", about="for an editor's buffer"),
    ),
)

LOCK: Final = Command(
    name="lock",
    summary="write down what bases, files and branches are now",
    about="Writes NAME.lock beside the recipe: the digest of each base and what must be known of it, the hash of what"
    " each unpinned FETCH brings, the commit of each branch of GIT; for every stage. Builds then go by it, and with"
    " --locked by nothing else. What is in it stays until --update asks for it anew, except what lies on this machine."
    " No layers are fetched, no steps run.",
    operands=(
        RECIPE_FILE,
        Operand(name="NAME", help="with --update: the reference or address to ask for (else all)", count="*"),
    ),
    options=(
        Option(name="--update", help="ask anew for what NAME names, or for everything"),
        Option(name="--check", help="write nothing and ask no server; exit 1 when the lock is not what it should be"),
        Option(name="--add", help="keep what the recipe does not name with these arguments"),
        ARG,
        CONTEXT,
        Option(
            name="--platform",
            metavar="P[,P]",
            help="platforms that the lock is for (else those it is for now, else this machine's)",
        ),
        EPOCH,
        STORE,
    ),
    examples=(
        Example(line="metalor lock app.metalor", about="write app.lock, or bring it up to date"),
        Example(line="metalor lock app.metalor --update", about="take what everything is now"),
        Example(line="metalor lock app.metalor --update debian:12", about="one base alone"),
        Example(line="metalor lock app.metalor --platform linux/amd64,linux/arm64", about="for two platforms"),
        Example(line="metalor lock app.metalor --check", about="in CI: is the lock up to date?"),
    ),
)

FMT: Final = Command(
    name="fmt",
    summary="rewrite recipes in the one layout",
    about="Changes white space and quoting, never the meaning. Comments stay. With `-` the text is printed.",
    operands=(RECIPES,),
    options=(
        Option(name="--check", help="change nothing; exit 1 when a file would change"),
        Option(name="--diff", help="change nothing; print what would change, in a form that `patch -p0` takes"),
        STDIN_FILENAME,
    ),
    examples=(
        Example(line="metalor fmt hello.metalor", about="rewrite in place"),
        Example(line="metalor fmt --diff hello.metalor", about="only look"),
        Example(line="metalor fmt --check --diff *.metalor", about="in CI"),
    ),
)

CONVERT: Final = Command(
    name="convert",
    summary="turn a Dockerfile into a recipe, and say of each line how well",
    about="Nothing is lost in silence: each instruction is exact, carried over with a note, or refused with the reason"
    " and what to write by hand; a comment stands in its place then. The recipe goes to -o or to standard output,"
    " the report to standard error (`--report json`: one document on standard output that holds both). Comments"
    " stay. A .dockerignore becomes .metalorignore beside it. What COPY and ADD mean depends on the files, so the"
    " context is looked at; nothing is fetched. Exit status 1 when something was refused.",
    operands=(Operand(name="DOCKERFILE", help="the Dockerfile; `-` reads standard input", value=Value.FILE),),
    options=(
        Option(
            name="--output",
            short="-o",
            metavar="RECIPE",
            value=Value.FILE,
            help="write the recipe here, and .metalorignore into the context",
        ),
        Option(name="--force", help="with -o: replace files that are there"),
        replace(CONTEXT, help=CONTEXT.help.replace("recipe's", "Dockerfile's")),
        Option(
            name="--arg",
            metavar="NAME=VALUE",
            repeat=True,
            help="value of an ARG, for what must be worked out here, such as `${NAME#v}`, and for --prove",
        ),
        PLATFORM,
        Option(
            name="--strict-shell",
            help="leave SH its own shell, which stops at the first failure, instead of Docker's /bin/sh -c",
        ),
        Option(name="--every-arg", help="give each step every ARG as Docker does, not just those that it names"),
        Option(name="--report", metavar="FORMAT", choices=("human", "json"), default="human", help="how to report"),
        Option(
            name="--prove",
            help="build the Dockerfile with Buildah and the recipe with metalor, and compare the two images: 0 only"
            " when every path and every field of the configuration is equal",
        ),
        BASE,
        SECRET,
        TARGET,
        STORE,
    ),
    examples=(
        Example(line="metalor convert Dockerfile", about="look at the recipe and the report"),
        Example(line="metalor convert Dockerfile -o app.metalor", about="write it, and .metalorignore"),
        Example(line="metalor convert docker/Dockerfile --context . -o app.metalor", about="with another context"),
        Example(line="metalor convert Dockerfile --report json", about="for a program"),
        Example(line="metalor convert Dockerfile --prove", about="build it both ways, and compare"),
    ),
)

EXPLAIN: Final = Command(
    name="explain",
    summary="say what an error code means",
    about="Prints why it is an error, a wrong recipe and a right one. Without a code, lists all.",
    operands=(Operand(name="CODE", help="such as E0101", count="?", value=Value.CODE),),
    examples=(Example(line="metalor explain E0101", about="one code"),),
)

LSP: Final = Command(
    name="lsp",
    summary="the language server, for editors",
    about="Speaks the Language Server Protocol on standard input and output; editors start it by themselves."
    " Checks recipes as they are typed and runs nothing. Needs the extra metalor-lang[lsp].",
    options=(
        Option(name="--log", metavar="FILE", value=Value.FILE, help="write what is sent and received to a file"),
        Option(name="--stdio", help="standard input and output, as without it; some editors always say so"),
    ),
    examples=(Example(line="metalor lsp", about="what an editor runs"),),
)

HIGHLIGHT: Final = Command(
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
)

EDITORS: Final = Command(
    name="editors",
    summary="make an editor know recipes",
    about="Colours that are equal to the parser's, indentation, folding, `:make` and more for Vim, Neovim, Emacs and"
    " Visual Studio Code. Without an editor, lists where each looks; with one, lists its files; --install writes them."
    " What they show beyond colours comes from `metalor lsp` and `metalor check`.",
    operands=(Operand(name="EDITOR", help="which editor", count="?", choices=("vim", "neovim", "emacs", "vscode")),),
    options=(
        Option(name="--install", help="write the files to where the editor looks for them"),
        Option(name="--path", metavar="DIR", value=Value.DIRECTORY, help="write the files into this folder instead"),
    ),
    examples=(
        Example(line="metalor editors vim --install", about="Vim: open a recipe, it is coloured"),
        Example(line="metalor editors vscode --path metalor-vscode", about="a folder to make an extension of"),
    ),
)
