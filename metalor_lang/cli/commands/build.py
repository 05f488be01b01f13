"""`metalor build`: a recipe into an image and its outputs.

Invariant: outputs are written only when every needed stage is built; the store is left clean however it ends.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from metalor_lang.build.api import Session
from metalor_lang.build.early import likely, started
from metalor_lang.build.foreign import emulators
from metalor_lang.build.model import BuildResult, Options
from metalor_lang.build.reading import recipe_name, several_platforms
from metalor_lang.build.sketch import remember, sketch
from metalor_lang.cli.common import ShownFailure, build_in, build_options, machine, open_store, recipe_options
from metalor_lang.errors import Exit
from metalor_lang.hints import TYPE_CHECKING, Final
from metalor_lang.oci.media import Compression
from metalor_lang.screen.console import console
from metalor_lang.screen.text import with_values
from metalor_lang.source import SourceFile
from metalor_lang.store.store import Store

if TYPE_CHECKING:
    import argparse

    from metalor_lang.cli.aftermath import Aftermath


_PLAIN: Final = {ord(char): "x" for char in "-_./:"}
"""What means nothing to a shell, beside letters and digits."""


def run(arguments: "argparse.Namespace") -> int:
    """Build; exit status 1 when the recipe is refused or a step fails."""
    options = recipe_options(arguments)
    how = build_options(arguments)
    compression = Compression(arguments.compression)
    outputs = []
    if arguments.output:
        from metalor_lang.oci.output import parse_output

        outputs = [parse_output(text) for text in arguments.output]
    if options.platform is not None:
        platforms = [str(each) for each in several_platforms(options.platform)]
        if outputs:
            from metalor_lang.oci.output import check_platforms

            check_platforms(outputs, platforms)
    after = _aftermath(arguments)
    screen = console(arguments.progress, raw=arguments.raw)
    report = None
    if arguments.test_report is not None:
        from metalor_lang.cli.testing import Reporting

        screen = report = Reporting(Path(arguments.test_report), arguments.recipe, screen)
    try:
        with (
            open_store(arguments, screen) as (store, world),
            started(world, _runs_soon(arguments, how, store)) as early,
            Session(
                arguments.recipe,
                options,
                store=store,
                events=screen,
                unpacker=arguments.unpacker,
                owner=world.owner,
                ahead=not how.expect_cached,
            ) as session,
            store.lease(),
        ):
            plans = session.plans()
            if report is not None:
                report.expect(plans)
            if outputs:
                from metalor_lang.build.export import check_outputs

                check_outputs(plans, outputs, session.source)
            needed = emulators(plans, tests=not how.no_tests)
            with machine(store, world, screen, emulators=needed, early=early) as (runtime, snapshotter):
                try:
                    keep = after.keep if after is not None else None
                    results = build_in(session, plans, runtime, snapshotter, how, keep, screen=screen)
                except ShownFailure as failure:
                    if after is None:
                        raise
                    screen.close()
                    return after.talk(failure, store, world)
                made = [sketch(result, session.bases, session.name) for result in results]
                before = remember(store, made)
                image = None
                if outputs:
                    from metalor_lang.build.export import Exporter

                    exporter = Exporter(store, snapshotter, screen, owner=world.owner)
                    image = exporter.export(made, outputs, compression)
                    if exporter.made and before:
                        from metalor_lang.cli.advising import advise

                        advise(store, snapshotter, screen, compression, results, before, exporter.made)
    finally:
        screen.close()
        if after is not None:
            after.close()
    done = Exit.MACHINE if report is not None and report.failed else Exit.DONE
    if arguments.progress == "json":
        return done
    _list_skipped(results, session.source)
    if image is not None:
        print(image.digest)
    elif not outputs:
        print(in_store(session.name, arguments.recipe))
    return done


def in_store(name: str, recipe: str) -> str:
    """What can be done with an image that was not written; the commands can be pasted."""
    from metalor_lang.screen.text import visible

    again = recipe if recipe != "-" else name
    known = again if name.startswith("-") else name
    text = f"{name} is in the store; run it: metalor run {_pasted(again)}\n"
    text += f"write it as an image: metalor export {_pasted(known)} {_pasted(f'oci:{name}-image:latest')}"
    return "\n".join(visible(line) for line in text.split("\n"))


def _pasted(word: str) -> str:
    """A word as a shell takes it."""
    if word.isascii() and word.translate(_PLAIN).isalnum():
        return word
    from shlex import quote  # rarely needed

    return quote(word)


def _list_skipped(results: Sequence[BuildResult], source: SourceFile) -> None:
    # Once each: a TEST is left out for every platform.
    skipped: dict[object, str] = {}
    for step in sorted((step for result in results for step in result.skipped), key=lambda step: step.span.start):
        origin = step.origin
        text = step.text.splitlines()[0] + (with_values(origin.values) if origin is not None else "")
        place = (origin.path, origin.line, origin.via) if origin is not None else ()
        skipped[step.span.start, text, place] = f"line {source.position(step.span.start).line}: {text}"
    if skipped:
        print(f"left out {len(skipped)} {'test' if len(skipped) == 1 else 'tests'} (--no-tests):", file=sys.stderr)
    for line in skipped.values():
        print(f"  {line}", file=sys.stderr)


def _runs_soon(arguments: "argparse.Namespace", how: Options, store: Store) -> bool:
    name = recipe_name(Path(arguments.recipe))
    return not how.expect_cached and likely(store, arguments.recipe, name, anew=how.no_cache)


def _aftermath(arguments: "argparse.Namespace") -> "Aftermath | None":
    if arguments.on_failure != "repl":
        return None
    from metalor_lang.cli.aftermath import Aftermath  # most builds do without a session

    return Aftermath(arguments)
