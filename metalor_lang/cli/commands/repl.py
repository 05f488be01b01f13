"""`metalor repl`: talk to a build.

Invariant: with a terminal on both sides a person is there; else the text comes from `-c` or standard input, and the
first error ends it.
"""

import argparse
import os
import sys
from pathlib import Path

from metalor_lang.cli.common import limits_of, open_store, recipe_options
from metalor_lang.repl.opening import interrupts_to, open_session
from metalor_lang.repl.outcome import Interruption
from metalor_lang.repl.plain import INTERRUPTED, Hearer, PlainEvents
from metalor_lang.repl.terminal import Terminal

UNNAMED = "session.metalor"


def run(arguments: argparse.Namespace) -> int:
    """Open a session; the exit status is that of the first error, else 0."""
    if not arguments.command and sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        return _terminal(arguments)
    text = "\n".join(arguments.command)
    if not arguments.command:
        text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    return _plain(arguments, text)


def _plain(arguments: argparse.Namespace, text: str) -> int:
    events = PlainEvents(raw=arguments.raw)
    path = Path(arguments.recipe) if arguments.recipe else Path.cwd() / UNNAMED
    with (
        open_store(arguments, events) as (store, world),
        open_session(
            path,
            recipe_options(arguments),
            store=store,
            world=world,
            events=events,
            hear=Hearer(events),
            limits=limits_of(arguments),
            unpacker=arguments.unpacker,
        ) as session,
        interrupts_to(session),
    ):
        outcome = session.begin(arguments.recipe) if arguments.recipe else None
        if outcome is None or outcome.ok:
            outcome = session.feed(text)
        if any(isinstance(each, Interruption) for each in outcome.results):
            return INTERRUPTED
        return int(outcome.status)


def _terminal(arguments: argparse.Namespace) -> int:
    path = Path(arguments.recipe) if arguments.recipe else Path.cwd() / UNNAMED
    # First, while this process is the user's own in the user's own namespaces: his history is his file.
    terminal = Terminal.open()
    try:
        with (
            open_store(arguments, terminal.events) as (store, world),
            open_session(
                path,
                recipe_options(arguments),
                store=store,
                world=world,
                events=terminal.events,
                person=terminal,
                hear=terminal.hear,
                limits=limits_of(arguments),
                unpacker=arguments.unpacker,
            ) as session,
        ):
            return terminal.run(session, owner=world.owner, recipe=arguments.recipe)
    finally:
        terminal.close()
