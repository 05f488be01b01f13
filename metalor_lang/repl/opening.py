"""Open a session on this machine.

Invariant: the helper that runs steps is started before memory grows and threads exist; the first step waits for it.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

from metalor_lang.build.events import EventSink, Notice
from metalor_lang.build.late import LateMachine
from metalor_lang.build.perform import Machine
from metalor_lang.build.reading import RecipeOptions
from metalor_lang.build.secrets import NONE
from metalor_lang.kernel.signals import handled
from metalor_lang.plan.graph import Plan
from metalor_lang.repl.core import Core
from metalor_lang.repl.ground import Ground
from metalor_lang.repl.journal import Header, Journal, Story
from metalor_lang.repl.outcome import Person, Result
from metalor_lang.repl.session import Session
from metalor_lang.runtime.guests import GuestRuntimes
from metalor_lang.runtime.limits import Limits
from metalor_lang.runtime.rootfs import choose_snapshotter
from metalor_lang.runtime.world import World
from metalor_lang.store.store import Store


@contextmanager
def open_session(
    path: Path,
    options: RecipeOptions,
    *,
    store: Store,
    world: World,
    events: EventSink,
    person: Person | None = None,
    hear: Callable[[Result], None] | None = None,
    limits: Limits = Limits(),  # noqa: B008 - immutable
    unpacker: str = "own",
    journal: Journal | None = None,
    story: Story | None = None,
) -> Iterator[Session]:
    """A session on an open store, with a helper of its own.

    Args:
        path: the recipe's file; nothing is read from it.
        options: arguments, contexts, platform and epoch.
        store: stays the caller's.
        world: what this process has entered.
        events: hears of steps, from the thread that feeds.
        person: who can be asked; None for nobody.
        hear: told of each result as soon as it is there.
        limits: what a step may use.
        unpacker: who unpacks images.
        journal: where versions are written; closed with the session.
        story: what the journal told, when the session is resumed.

    Raises:
        MachineError: this machine cannot run steps.
        UsageError: a context is no directory.

    """

    def notice(line: str) -> None:
        events.emit(Notice(text=line))

    runtime = GuestRuntimes(world, {}, on_notice=notice)
    try:
        snapshotter = choose_snapshotter(store, on_notice=notice)

        def machine(plan: Plan, ground: Ground) -> Machine:
            return Machine(
                store=store,
                runtime=runtime,
                snapshotter=snapshotter,
                bases=ground.bases,
                contexts=lambda: ground.contexts,
                events=events,
                titles={index: stage.title for index, stage in plan.stages.items()},
                limits=limits,
                keep_failed=core.attempts.keep,
                secrets=ground.options.secrets or NONE,
            )

        def performer(plan: Plan, ground: Ground) -> LateMachine:
            return LateMachine(ground.bases, runtime, partial(machine, plan, ground))

        core = Core(
            path,
            options,
            store=store,
            runtime=runtime,
            snapshotter=snapshotter,
            performers=performer,
            events=events,
            person=person,
            limits=limits,
            unpacker=unpacker,
            owner=world.owner,
            journal=journal,
        )
        with Session(core, hear=hear) as session:
            if story is None:
                core.begin()
            else:
                session.resume(story)
            yield session
    finally:
        runtime.close()


@contextmanager
def interrupts_to(session: Session, told: Callable[[], None] | None = None) -> Iterator[None]:
    """While a text is fed, Ctrl-C is for the step that runs; where none runs it ends the feeding (signal(3)).

    Args:
        session: whose step it is.
        told: called in the signal handler when a step was asked to end.

    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        if not session.interrupt():
            raise KeyboardInterrupt
        if told is not None:
            told()

    with handled((signal.SIGINT, signal.SIGTERM), interrupt):
        yield


def header_of(path: Path, options: RecipeOptions) -> Header:
    """What a journal says of how its session was opened."""
    return Header(
        path=str(path.absolute()),
        contexts={name: str(folder.absolute()) for name, folder in options.contexts.items()},
        platform=options.platform,
        epoch=options.epoch,
        began=int(time.time()),
    )


def options_of(header: Header) -> tuple[Path, RecipeOptions]:
    """The other way."""
    contexts = {name: Path(folder) for name, folder in header.contexts.items()}
    return Path(header.path), RecipeOptions(contexts=contexts, platform=header.platform, epoch=header.epoch)
