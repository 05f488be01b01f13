"""What several subcommands share: options to API values, the frame of a failure, an open machine.

Invariant: no subcommand reads an option of the table in its own way.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from metalor_lang.build.events import Event, EventSink, Notice
from metalor_lang.build.failures import BuildFailed, Refused
from metalor_lang.build.late import LateRuntime, LateSnapshotter
from metalor_lang.build.model import BuildResult, Chain, Options
from metalor_lang.build.reading import STANDARD_INPUT, RecipeOptions, parse_epoch
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.errors import ToldInterrupt, UsageError
from metalor_lang.hints import TYPE_CHECKING, Final
from metalor_lang.plan.graph import Plan, Step
from metalor_lang.primitives import valid_identifier
from metalor_lang.runtime.limits import Limits
from metalor_lang.source import SourceFile
from metalor_lang.store.store import Store, default_path

if TYPE_CHECKING:
    import argparse

    from metalor_lang.build.api import Session
    from metalor_lang.build.early import EarlyHelper
    from metalor_lang.build.secrets import Secrets
    from metalor_lang.runtime.client import Runtime
    from metalor_lang.runtime.rootfs import Snapshotter
    from metalor_lang.runtime.world import World
    from metalor_lang.screen.console import Console

_NARROW: Final = 40


def recipe_options(arguments: "argparse.Namespace") -> RecipeOptions:
    """The recipe's options of a command line.

    Raises:
        UsageError: an option has a wrong form or stands twice.

    """
    epoch = getattr(arguments, "epoch", None)
    return RecipeOptions(
        args=parse_args(arguments.arg),
        contexts=parse_contexts(arguments.context),
        target=getattr(arguments, "target", None),
        platform=arguments.platform,
        epoch=parse_epoch(epoch) if epoch is not None else None,
        builds=hasattr(arguments, "secret"),
        secrets=_secrets(getattr(arguments, "secret", ())),
        locked=getattr(arguments, "locked", False),
    )


def _secrets(words: Sequence[str]) -> "Secrets | None":
    if not words:
        return None
    from metalor_lang.build.secrets import parse_secrets

    return parse_secrets(words)


def named_input(arguments: "argparse.Namespace") -> None:
    """Refuse `--stdin-filename` where no standard input is read; raises UsageError."""
    if arguments.stdin_filename is not None and STANDARD_INPUT not in arguments.recipe:
        raise UsageError("--stdin-filename names standard input, which is not read", help="add `-` to the recipes")


def parse_args(words: Sequence[str]) -> dict[str, str]:
    """`--arg NAME=VALUE` and `--arg NAME` (from the environment)."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not valid_identifier(name):
            raise UsageError(f"--arg {word!r}: {name!r} is no name", help="write --arg NAME=VALUE")
        if name in found:
            raise UsageError(f"--arg {name} is given twice", help="give each argument once")
        if not equals:
            if name not in os.environ:
                raise UsageError(
                    f"--arg {name}: the environment has no {name}", help=f"write --arg {name}=VALUE, or export {name}"
                )
            value = os.environ[name]
        found[name] = value
    return found


def parse_contexts(words: Sequence[str]) -> dict[str, Path]:
    """`--context DIR` and `--context NAME=DIR`."""
    found: dict[str, Path] = {}
    for word in words:
        name, equals, folder = word.partition("=")
        if not equals:
            name, folder = "", word
        if name in found:
            what = f"the context {name}" if name else "the default context"
            raise UsageError(f"{what} is given twice", help="give each context once")
        if not folder:
            raise UsageError(f"--context {word!r}: the folder is missing", help="write --context [NAME=]DIR")
        found[name] = Path(folder)
    return found


def limits_of(arguments: "argparse.Namespace") -> Limits:
    """`--memory` and `--processes`."""
    memory = None
    if arguments.memory is not None:
        from metalor_lang.runtime.validate import LEAST_MEMORY
        from metalor_lang.screen.text import parse_size

        memory = parse_size(arguments.memory)
        if memory < LEAST_MEMORY:
            raise UsageError(
                f"--memory {arguments.memory} is too little for any step",
                help="write at least 16M, such as --memory 2G",
            )
    if arguments.processes is not None and arguments.processes < 1:
        raise UsageError("--processes must be at least 1", help="write --processes 500")
    return Limits(memory=memory, processes=arguments.processes)


def build_options(arguments: "argparse.Namespace") -> Options:
    """How to build, of a command line."""
    if arguments.no_cache and arguments.expect_cached:
        raise UsageError("--no-cache and --expect-cached exclude each other", help="leave one of them out")
    return Options(
        jobs=arguments.jobs or 0,
        no_cache=arguments.no_cache,
        expect_cached=arguments.expect_cached,
        no_tests=arguments.no_tests,
        limits=limits_of(arguments),
    )


@contextmanager
def open_store(
    arguments: "argparse.Namespace", events: EventSink | None = None, *, runs: bool = True
) -> Iterator[tuple[Store, "World"]]:
    """The store of a command line, in the world where this process can use it.

    Args:
        arguments: with `store`, and `backend` where the command has it.
        events: who hears what was repaired; else standard error.
        runs: steps will run; without it, an ordinary user who cannot run any has a store all the same.

    """
    from metalor_lang.runtime.world import enter

    path = Path(arguments.store) if arguments.store else default_path()
    world = enter(path, getattr(arguments, "backend", None), runs=runs)

    def notice(line: str) -> None:
        if events is not None:
            events.emit(Notice(text=line))
        else:
            print(f"metalor: {line}", file=sys.stderr)

    with Store.open(path, on_notice=notice) as store:
        yield store, world


class Notices:
    """Hears of a build what a person must know who wants to see nothing of it."""

    def emit(self, event: Event) -> None:
        """Print a notice on standard error; everything else is dropped."""
        if isinstance(event, Notice):
            print(f"metalor: {event.text}", file=sys.stderr)


@contextmanager
def machine(
    store: Store,
    world: "World",
    events: EventSink | None = None,
    *,
    emulators: Mapping[str, str] | None = None,
    early: "EarlyHelper | None" = None,
) -> Iterator[tuple["Runtime", "Snapshotter"]]:
    """A runtime and a snapshotter, each made when it is first needed.

    Args:
        store: an open one.
        world: what this process has entered.
        events: who hears what is noteworthy; else standard error.
        emulators: as `build.foreign` finds them.
        early: a helper that may be started already.

    """

    def notice(line: str) -> None:
        if events is not None:
            events.emit(Notice(text=line))
        else:
            print(f"metalor: {line}", file=sys.stderr)

    def start() -> "Runtime":
        from metalor_lang.runtime.guests import GuestRuntimes

        if world.host_map is not None:
            world.host_map.fd()  # made by a process that is small still
        native = early.take() if early is not None else None
        return GuestRuntimes(world, emulators or {}, on_notice=notice, native=native)

    def choose() -> "Snapshotter":
        from metalor_lang.runtime.rootfs import choose_snapshotter

        return choose_snapshotter(store, on_notice=notice)

    runtime = LateRuntime(start)
    try:
        yield runtime, LateSnapshotter(choose)
    finally:
        runtime.close()


def build_in(
    session: "Session",
    plans: Sequence[Plan],
    runtime: "Runtime",
    snapshotter: "Snapshotter",
    options: Options,
    keep_failed: Callable[[Step, Chain], None] | None = None,
    *,
    screen: "Console | None" = None,
) -> tuple[BuildResult, ...]:
    """Build; a failure carries the recipe, so that it can be shown in its frame.

    Raises:
        ShownFailure: a step failed.
        ToldInterrupt: somebody ended the build, and `screen` has said so; else KeyboardInterrupt.

    """
    try:
        return session.build_all(
            plans, runtime=runtime, snapshotter=snapshotter, options=options, keep_failed=keep_failed
        )
    except BuildFailed as failure:
        raise ShownFailure(failure, session.source) from failure
    except KeyboardInterrupt:
        if screen is not None and screen.interrupted:
            raise ToldInterrupt from None
        raise


class ShownFailure(BuildFailed):
    """A failed step with the recipe's text."""

    def __init__(self, failure: BuildFailed, source: SourceFile) -> None:
        super().__init__(
            failure.diagnostic,
            reason=failure.reason,
            tail=failure.tail,
            log=failure.log,
            status=failure.command_status,
            exit=failure.exit,
        )
        self.source = source

    def render(self, *, color: bool) -> str:
        """The statement with its place, the last lines of output, the log, what to do next."""
        from metalor_lang.diagnostics.render import render_human
        from metalor_lang.screen.text import output_line

        text = render_human((self.diagnostic,), self.source, color=color, width=_width())
        if self.tail:
            text += "\nits last lines:\n" + "".join(f"  | {output_line(line)}\n" for line in self.tail)
            text += f"the whole output: {self.log}\n" if self.log else ""
        return f"{text}\n`metalor explain {self.diagnostic.code}` says more\n"


def frame(diagnostics: Sequence[Diagnostic], source: SourceFile, *, color: bool) -> str:
    """Diagnostics for a person, and how to learn more."""
    import shlex

    from metalor_lang.build.nearby import is_dockerfile
    from metalor_lang.diagnostics.render import render_human

    text = render_human(diagnostics, source, color=color, width=_width())
    codes = list(dict.fromkeys(each.code for each in diagnostics))
    count = len(diagnostics)
    more = f"{count} errors; " if count > 1 else ""
    text += f"\n{more}`metalor explain {codes[0]}` says more\n"
    if is_dockerfile(source.path):
        text += f"a Dockerfile becomes a recipe with `metalor convert {shlex.quote(source.path)} -o app.metalor`\n"
    return text


def _width() -> int:
    import shutil

    return max(shutil.get_terminal_size((100, 24)).columns, _NARROW)


def render_refused(error: Refused, *, color: bool) -> str:
    """All errors of a recipe in their frame."""
    return frame(error.diagnostics, error.source, color=color)


def complain(text: str) -> None:
    """Write to standard error, behind what standard output has been given: both may be one file."""
    sys.stdout.flush()
    sys.stderr.write(text)
