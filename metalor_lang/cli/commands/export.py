"""`metalor export`: what was built, to outputs; or, with --dockerfile, a recipe as a Dockerfile.

Invariant: builds nothing; what is not in the store any more is refused.
"""

import argparse
from pathlib import Path

from metalor_lang.build.export import Exporter
from metalor_lang.build.reading import recipe_name, several_platforms
from metalor_lang.build.sketch import choose, recall
from metalor_lang.cli.common import open_store
from metalor_lang.errors import Exit, UsageError
from metalor_lang.oci.media import Compression
from metalor_lang.oci.output import parse_output
from metalor_lang.runtime.rootfs import choose_snapshotter
from metalor_lang.screen.console import console


def run(arguments: argparse.Namespace) -> int:
    """Write what was built under NAME: an index when it was built for several platforms."""
    if arguments.dockerfile:
        if arguments.type_dest:
            raise UsageError("--dockerfile writes a text, not an image", help="name its file with -o FILE")
        from metalor_lang.cli.handing import hand_over

        return hand_over(arguments)
    if given := _for_dockerfiles(arguments):
        raise UsageError(f"{given} goes with --dockerfile", help="metalor export --dockerfile RECIPE -o Dockerfile")
    if not arguments.type_dest:
        raise UsageError("where to is missing", help="metalor export NAME oci:DIR:TAG")
    outputs = [parse_output(text) for text in arguments.type_dest]
    screen = console("plain")
    with open_store(arguments, screen, runs=False) as (store, world), store.lease():
        made = recall(store, recipe_name(Path(arguments.name)))
        if arguments.platform is not None:
            made = choose(made, several_platforms(arguments.platform))
        compression = Compression(arguments.compression)
        exporter = Exporter(store, choose_snapshotter(store), screen, owner=world.owner)
        image = exporter.export(made, outputs, compression)
    if image is not None:
        print(image.digest)
    return Exit.DONE


def _for_dockerfiles(arguments: argparse.Namespace) -> str:
    """An option that only --dockerfile has a use for, "" when there is none."""
    given = {
        "-o": arguments.output, "--force": arguments.force, "--arg": arguments.arg, "--context": arguments.context,
        "--target": arguments.target, "--base": arguments.base, "--locked": arguments.locked,
    }  # fmt: skip
    return next((name for name, value in given.items() if value), "")
