"""What `run` and `shell` share: find or build what to run, run it, pass its status on.

Invariant: while the command runs, Ctrl-C and SIGTERM are for it; afterwards the terminal is as it was.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from metalor_lang.build.api import Session
from metalor_lang.build.launch import PREFIXES, Launch, from_reference, launch
from metalor_lang.build.model import Options
from metalor_lang.build.reading import one_platform, recipe_name
from metalor_lang.build.sketch import choose_one, recall, remember, sketch
from metalor_lang.cli.common import Notices, build_in, build_options, limits_of, machine, open_store, recipe_options
from metalor_lang.errors import UsageError
from metalor_lang.plan.graph import ImageState
from metalor_lang.runtime.cancel import Cancel, signals_to
from metalor_lang.runtime.client import Runtime
from metalor_lang.runtime.rootfs import Snapshotter
from metalor_lang.runtime.terminal import own_streams
from metalor_lang.runtime.world import World
from metalor_lang.screen.console import console
from metalor_lang.store.store import Store


def run_image(arguments: argparse.Namespace, command: Callable[[ImageState], tuple[str, ...]]) -> int:
    """Find or build the image, run a command in it, give the command's exit status."""
    with (
        open_store(arguments) as (store, world),
        store.lease(),
        machine(store, world) as (runtime, snapshotter),
    ):
        what = _find(arguments, store, world, runtime, snapshotter)
        argv = command(what.state)
        streams = own_streams()
        environment = [("TERM", os.environ["TERM"])] if streams.terminal is not None and "TERM" in os.environ else []
        cancel = Cancel()
        with signals_to(cancel):
            status = launch(
                what,
                argv,
                runtime=runtime,
                snapshotter=snapshotter,
                network=arguments.network,
                streams=streams,
                cancel=cancel,
                environment=environment,
                limits=limits_of(arguments),
            )
        if status.message:
            print(f"metalor: {status.message}", file=sys.stderr)
        return status.code


def _find(
    arguments: argparse.Namespace, store: Store, world: World, runtime: Runtime, snapshotter: Snapshotter
) -> Launch:
    word: str = arguments.recipe_or_ref
    wanted = one_platform(arguments.platform)
    if word.startswith(PREFIXES):
        return from_reference(word, store, wanted, arguments.unpacker, world.owner)
    if word != "-" and not Path(word).exists():
        if "/" in word or word.endswith(".metalor"):
            raise UsageError(f"there is no recipe {word}", help="name a recipe file, or an image as oci:DIR:TAG")
        made = choose_one(recall(store, recipe_name(Path(word))), wanted)
        return Launch(chain=made.chain, state=made.state, platform=made.platform)
    quiet = arguments.progress == "auto" and not sys.stderr.isatty()
    screen = None if quiet else console(arguments.progress, raw=arguments.raw, out=sys.stderr)
    try:
        events = screen or Notices()
        options: Options = build_options(arguments)
        with Session(
            word,
            recipe_options(arguments),
            store=store,
            events=events,
            unpacker=arguments.unpacker,
            owner=world.owner,
        ) as session:
            (result,) = build_in(session, (session.plan(),), runtime, snapshotter, options, screen=screen)
            remember(store, (sketch(result, session.bases, session.name),))
    finally:
        if screen is not None:
            screen.close()
    target = result.target
    return Launch(chain=target.chain, state=target.stage.final, platform=target.stage.platform)
