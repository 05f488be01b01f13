"""`metalor repl`: talk to a build.

Invariant: with a terminal on both sides a person is there; else the text comes from `-c` or standard input, and the
first error ends it. At a terminal the prompt is drawn before what runs a recipe is imported: none of it is at the top.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from metalor_lang.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from metalor_lang.build.events import EventSink
    from metalor_lang.repl.outcome import Person, Result
    from metalor_lang.repl.session import Session

UNNAMED = "session.metalor"


def run(arguments: argparse.Namespace) -> int:
    """Open a session; the exit status is that of the first error, else 0."""
    if not arguments.command and at_a_terminal():
        return _terminal(arguments)
    text = "\n".join(arguments.command)
    if not arguments.command:
        text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    return _plain(arguments, text)


def at_a_terminal() -> bool:
    """Whether a person can be talked to."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _plain(arguments: argparse.Namespace, text: str) -> int:
    from metalor_lang.errors import INTERRUPTED
    from metalor_lang.repl.opening import interrupts_to
    from metalor_lang.repl.outcome import Interruption
    from metalor_lang.repl.plain import Hearer, PlainEvents

    events = PlainEvents(raw=arguments.raw)
    with opened(arguments, events, hear=Hearer(events), journaled=False) as session, interrupts_to(session):
        outcome = session.begin(arguments.recipe) if arguments.recipe else None
        if outcome is None or outcome.ok:
            outcome = session.feed(text)
        if any(isinstance(each, Interruption) for each in outcome.results):
            return INTERRUPTED
        return int(outcome.status)


def _terminal(arguments: argparse.Namespace) -> int:
    from metalor_lang.repl.terminal import Terminal

    # First, while this process is the user's own in the user's own namespaces: his history is his file.
    terminal = Terminal.open()
    try:
        return terminal.run(
            lambda: opened(arguments, terminal.events, person=terminal, hear=terminal.hear),
            recipe=arguments.recipe,
            at_once=arguments.resume,
        )
    finally:
        terminal.close()


@contextmanager
def opened(
    arguments: argparse.Namespace,
    events: "EventSink",
    *,
    person: "Person | None" = None,
    hear: "Callable[[Result], None] | None" = None,
    journaled: bool = True,
) -> "Iterator[Session]":
    """The session of a command line.

    Args:
        arguments: of `repl`.
        events: hears of steps.
        person: who can be asked.
        hear: told of results.
        journaled: a new session is written down, so that `--resume` has it after a crash.

    """
    from metalor_lang.cli.common import limits_of, open_store, recipe_options
    from metalor_lang.errors import UsageError
    from metalor_lang.record import replace
    from metalor_lang.repl.journal import Journal
    from metalor_lang.repl.opening import header_of, open_session, options_of

    with open_store(arguments, events) as (store, world):
        journal, story = None, None
        if arguments.resume:
            if arguments.recipe or arguments.arg or arguments.context or arguments.platform or arguments.epoch:
                raise UsageError("--resume takes a session as it was", help="leave recipe, --arg and the like out")
            journal, story = Journal.resume(store.root)
            path, options = options_of(story.header)
            again = recipe_options(arguments)  # secrets are in no journal
            options = replace(options, builds=again.builds, secrets=again.secrets)
        else:
            path = Path(arguments.recipe) if arguments.recipe else Path.cwd() / UNNAMED
            options = recipe_options(arguments)
            journal = Journal.create(store.root, header_of(path, options)) if journaled else None
        with open_session(
            path,
            options,
            store=store,
            world=world,
            events=events,
            person=person,
            hear=hear,
            limits=limits_of(arguments),
            unpacker=arguments.unpacker,
            journal=journal,
            story=story,
        ) as session:
            yield session
