"""`metalor check`: every error of a recipe, nothing run.

Invariant: writes nothing, and touches no network and no namespace; images that are here already are looked at.
"""

import sys

from metalor_lang.build.api import check_source, open_contexts, read_recipe
from metalor_lang.build.failures import Refused
from metalor_lang.build.known import settle
from metalor_lang.cli.common import frame, recipe_options
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.diagnostics.suggest import nearest
from metalor_lang.errors import Exit
from metalor_lang.hints import TYPE_CHECKING
from metalor_lang.source import SourceFile
from metalor_lang.store.store import default_path

if TYPE_CHECKING:
    import argparse


def run(arguments: "argparse.Namespace") -> int:
    """Check each recipe; 1 when one of them has errors."""
    options = recipe_options(arguments)
    status = Exit.DONE
    for path in arguments.recipe:
        where, source, early = read_recipe(path)
        found: tuple[Diagnostic, ...] = ()
        pending: tuple[str, ...] = ()
        with open_contexts(where, options) as contexts:
            try:
                checked = check_source(where, source, early, options, contexts)
                settled = settle(checked.program, where.parent, default_path())
                if settled.wrong:
                    raise Refused(settled.wrong, source)
                arguments_known = tuple(checked.program.arguments)
                pending = tuple(
                    _waiting(name, arguments_known) for name in sorted({each.name for each in settled.pending})
                )
            except Refused as refused:
                found = refused.diagnostics
                status = Exit.REFUSED
        if arguments.format == "json":
            from metalor_lang.diagnostics.render import render_json

            print(render_json(found, source))
        else:
            _show(found, source, pending)
    return status


def _waiting(name: str, known: tuple[str, ...]) -> str:
    """A name that waits, and the argument that it is perhaps a misspelling of."""
    near = nearest(name, known)
    return f"{name} (or did you mean {near}?)" if near else name


def _show(found: tuple[Diagnostic, ...], source: SourceFile, pending: tuple[str, ...]) -> None:
    if found:
        from metalor_lang.screen.color import color

        sys.stderr.write(frame(found, source, color=color(sys.stderr)))
        return
    waiting = ""
    if pending:
        count = f"{len(pending)} name waits" if len(pending) == 1 else f"{len(pending)} names wait"
        waiting = f"; {count} for the base's environment: {', '.join(pending)}"
    print(f"{source.path}: right{waiting}")
