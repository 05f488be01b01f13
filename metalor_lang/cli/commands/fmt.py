"""`metalor fmt`: recipes in the one layout.

Invariant: a file is replaced only when its text changes; a recipe with errors is refused, and the others go on.
"""

import argparse
import sys
from pathlib import Path

from metalor_lang.build.failures import Refused
from metalor_lang.build.reading import STANDARD_INPUT, read_recipe
from metalor_lang.cli.common import complain, named_input, render_refused
from metalor_lang.cli.rewriting import difference, replace_file
from metalor_lang.errors import Exit
from metalor_lang.screen.color import color
from metalor_lang.source import SourceFile
from metalor_lang.syntax.formatter import format_recipe
from metalor_lang.syntax.parser import parse


def run(arguments: argparse.Namespace) -> int:
    """Format each recipe; with --check or --diff 1 when one would change."""
    named_input(arguments)
    status = Exit.DONE
    for path in arguments.recipe:
        try:
            source, text = _formatted(path, arguments.stdin_filename)
        except Refused as refused:
            complain(render_refused(refused, color=color(sys.stderr)))
            status = Exit.REFUSED
            continue
        if arguments.diff:
            sys.stdout.writelines(difference(source, text, color=color(sys.stdout)))
        if path == STANDARD_INPUT and not (arguments.check or arguments.diff):
            sys.stdout.write(text)
            continue
        if text == source.text:
            continue
        if arguments.check or arguments.diff:
            status = Exit.REFUSED
            if arguments.check and not arguments.diff:
                print(f"{source.path} would change")
        else:
            replace_file(Path(path), text)
            print(f"{source.path} formatted")
    return status


def _formatted(path: str, stdin_name: str | None) -> tuple[SourceFile, str]:
    _, source, early = read_recipe(path, stdin_name)
    found = (*early, *parse(source)[1])
    if found:
        raise Refused(found, source)
    return source, format_recipe(source)
