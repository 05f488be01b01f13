"""Subcommands that read and write recipes: nothing is run."""

from metalor_lang.cli.table.model import Command, Example, Operand, Option, Value
from metalor_lang.cli.table.shared import EPOCH, FORMAT, LANGUAGE
from metalor_lang.hints import Final

CHECK: Final = Command(
    name="check",
    summary="find every error of a recipe without running it",
    about="Needs no root, no network and no store. Prints all errors of the file at once. Bases that are here"
    " already (oci: layouts, fetched images) are looked at; names that only another base can settle are listed.",
    operands=(Operand(name="RECIPE", help="recipe files; `-` reads standard input", count="+", value=Value.RECIPE),),
    options=(*LANGUAGE, EPOCH, FORMAT),
    examples=(
        Example(line="metalor check hello.metalor", about="for a person"),
        Example(line="metalor check --format json hello.metalor", about="for a program"),
    ),
)

FMT: Final = Command(
    name="fmt",
    summary="rewrite recipes in the one layout",
    about="Changes white space and quoting, never the meaning. Comments stay.",
    operands=(Operand(name="RECIPE", help="recipe files; `-` reads standard input", count="+", value=Value.RECIPE),),
    options=(
        Option(name="--check", help="change nothing; exit 1 when a file would change"),
        Option(name="--diff", help="change nothing; print what would change"),
    ),
    examples=(
        Example(line="metalor fmt hello.metalor", about="rewrite in place"),
        Example(line="metalor fmt --diff hello.metalor", about="only look"),
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
