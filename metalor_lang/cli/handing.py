"""`metalor export --dockerfile`: a recipe as a Dockerfile, and the ignore file that goes with it.

Invariant: builds nothing; what has no way to be said is refused with its line, and nothing is written then.
"""

import sys
from pathlib import Path

from metalor_lang.build.api import Session
from metalor_lang.build.recipefolder import RecipeFolder
from metalor_lang.cli.common import Notices, complain, open_store, recipe_options
from metalor_lang.cli.writing import write_files
from metalor_lang.convert.back import Handed, dockerfile
from metalor_lang.errors import Exit
from metalor_lang.hints import TYPE_CHECKING
from metalor_lang.proving.standing import parse_bases
from metalor_lang.source import SourceFile
from metalor_lang.store.store import default_path

if TYPE_CHECKING:
    import argparse


def hand_over(arguments: "argparse.Namespace") -> int:
    """Print or write the Dockerfile; 1 when something was refused."""
    recipe = Path(arguments.name)
    options = recipe_options(arguments)
    context = options.contexts.get("", recipe.parent)
    output = Path(arguments.output) if arguments.output is not None else None
    bases = {place: name for name, place in parse_bases(arguments.base).items()}
    store_path = Path(arguments.store) if arguments.store is not None else default_path()
    with (
        open_store(arguments, runs=False) as (store, world),
        Session(str(recipe), options, store=store, events=Notices(), owner=world.owner) as session,
        store.lease(),
    ):
        plan = session.plan()
        folder = RecipeFolder(context, recipe, store_path)
        where = recipe.parent.absolute()
        made = dockerfile(plan, name=recipe.name, world=folder, folder=where, bases=bases, pinned=options.locked)
        if made.refused:
            complain(_refusals(made, session.source))
            return Exit.REFUSED
        ignored = folder.dockerignore()
    if output is None:
        sys.stdout.write(made.text)
        if ignored:
            complain("a .dockerignore goes with it: name a file with -o, and it is written beside it\n")
    else:
        beside = ((output.with_name(f"{output.name}.dockerignore"), ignored),) if ignored else ()
        write_files(((output, made.text), *beside), force=arguments.force)
    for note in made.notes:
        complain(f"{recipe}: {note}\n")
    for name in made.contexts:
        complain(f"{recipe}: build it with --build-context {name}=DIR\n")
    for name in made.secrets:
        complain(f"{recipe}: build it with --secret id={name},src=FILE\n")
    return Exit.DONE


def _refusals(made: Handed, source: SourceFile) -> str:
    lines = [
        f"{source.path}:{source.position(each.start).line}: {each.text}: no Dockerfile can say this: {each.why}\n"
        for each in made.refused
    ]
    return "".join(lines)
