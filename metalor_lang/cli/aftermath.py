"""`metalor build --on-failure=repl`: a session before the step that failed.

Invariant: the files of the failed step live as long as the lease of the build's store, inside which the session runs;
the exit status is that of the failed build, whatever the session did.
"""

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path

from metalor_lang.build.model import Chain
from metalor_lang.cli.commands.repl import at_a_terminal
from metalor_lang.cli.common import ShownFailure, limits_of, recipe_options
from metalor_lang.errors import UsageError
from metalor_lang.plan.graph import Step
from metalor_lang.repl.faults import Failed
from metalor_lang.repl.journal import Journal
from metalor_lang.repl.opening import header_of, interrupts_to, open_session
from metalor_lang.repl.plain import Hearer, PlainEvents
from metalor_lang.repl.terminal import Terminal
from metalor_lang.runtime.world import World
from metalor_lang.screen.color import color
from metalor_lang.store.store import Store


class Aftermath:
    """What is kept for the session; make one before the store is opened, and close it.

    Args:
        arguments: of `build`.

    Raises:
        UsageError: the recipe comes from standard input, where the session would listen.

    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        if arguments.recipe == "-":
            raise UsageError("--on-failure=repl needs standard input for the session", help="write the recipe's file")
        self._arguments = arguments
        self._left: dict[int, Chain] = {}
        # First, while this process is the user's own: his history is his file.
        self._terminal = Terminal.open() if at_a_terminal() else None

    def keep(self, step: Step, chain: Chain) -> None:
        """Take the files as a failed command left them."""
        self._left[step.span.start] = chain

    def close(self) -> None:
        """Give the terminal back."""
        if self._terminal is not None:
            self._terminal.close()

    def talk(self, failure: ShownFailure, store: Store, world: World) -> int:
        """Show the failure, and talk until the person leaves or standard input ends; gives the build's exit status."""
        sys.stderr.write(failure.render(color=color(sys.stderr)))
        sys.stderr.flush()
        arguments, terminal = self._arguments, self._terminal
        path, options = Path(arguments.recipe), recipe_options(arguments)
        offset = failure.diagnostic.span.start
        failed = Failed(offset=offset, chain=self._left.get(offset))
        plain = PlainEvents(raw=arguments.raw)
        with open_session(
            path,
            options,
            store=store,
            world=world,
            events=terminal.events if terminal is not None else plain,
            person=terminal,
            hear=terminal.hear if terminal is not None else Hearer(plain),
            limits=limits_of(arguments),
            unpacker=arguments.unpacker,
            journal=Journal.create(store.root, header_of(path, options)) if terminal is not None else None,
        ) as session:
            with interrupts_to(session):
                session.begin(arguments.recipe, failed=failed)
            if terminal is not None:
                terminal.run(lambda: nullcontext(session), at_once=True)
            else:
                with interrupts_to(session):
                    session.feed(sys.stdin.buffer.read().decode("utf-8", "surrogateescape"))
        return int(failure.exit)
