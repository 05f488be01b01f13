"""`metalor highlight`: a recipe in colours.

Invariant: the text itself is never changed, and a recipe with errors is shown too, with what is wrong in its colour.
"""

import argparse
import sys

from metalor_lang.build.reading import read_recipe
from metalor_lang.errors import Exit
from metalor_lang.screen.color import color


def run(arguments: argparse.Namespace) -> int:
    """Write the recipe to standard output."""
    from metalor_lang.editors import render

    _, source, _ = read_recipe(arguments.recipe)
    title = arguments.title if arguments.title is not None else source.path
    match arguments.format:
        case "html":
            out = render.html(source.text, title)
        case "svg":
            out = render.svg(source.text, title)
        case _:
            out = render.terminal(source.text, colours=color(sys.stdout))
    sys.stdout.write(out)
    return Exit.DONE
