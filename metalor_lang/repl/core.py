"""The heart of a session: versions, and statements carried out one by one.

Invariant: a version is pushed only when everything in it was carried out and is durable in the store; what goes wrong
pushes nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from metalor_lang.build.events import EventSink
from metalor_lang.build.reading import RecipeOptions
from metalor_lang.record import replace
from metalor_lang.repl.attempts import Attempts
from metalor_lang.repl.carry import Ahead, Carrier, Performers
from metalor_lang.repl.faults import Failed, Stumble, Typed
from metalor_lang.repl.ground import Ground
from metalor_lang.repl.journal import Journal, Story, Written
from metalor_lang.repl.outcome import (
    WRONG,
    Done,
    Entry,
    Nobody,
    Person,
    Result,
    Said,
)
from metalor_lang.repl.pieces import Piece
from metalor_lang.repl.timeline import (
    Queue,
    Timeline,
    Version,
    Waiting,
    after,
    cells,
    entries,
    first_of,
    last_serial,
    length,
    queued,
    waiting,
)
from metalor_lang.runtime.cancel import Cancel
from metalor_lang.runtime.client import Runtime
from metalor_lang.runtime.limits import Limits
from metalor_lang.runtime.rootfs import Snapshotter
from metalor_lang.source import SourceFile
from metalor_lang.store.store import Store

Here = Version[Ground]


class Core:
    """Everything commands work on.

    Args:
        path: the recipe's file, which need not exist.
        options: arguments, contexts, platform and epoch.
        store, runtime, snapshotter: stay the caller's; the latter two are for looking around.
        performers: makes who carries steps out.
        events: hears of the steps.
        person: who can be asked.
        limits: what a step may use.
        unpacker, owner: as for `build.api.Session`.
        journal: where versions are written before they are acknowledged; closed with the session.

    """

    def __init__(
        self,
        path: Path,
        options: RecipeOptions,
        *,
        store: Store,
        runtime: Runtime,
        snapshotter: Snapshotter,
        performers: Performers,
        events: EventSink,
        person: Person | None = None,
        limits: Limits = Limits(),  # noqa: B008 - immutable
        unpacker: str = "own",
        owner: tuple[int, int] | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.store = store
        self.runtime = runtime
        self.snapshotter = snapshotter
        self.events = events
        self.person: Person = person or Nobody()
        self.limits = limits
        self.unpacker = unpacker
        self.owner = owner
        self.attempts = Attempts(Carrier(store=store, performers=performers, events=events))
        self.breaks: set[int] = set()
        self.saved: frozenset[int] = frozenset()
        self.typed: list[str] = []
        self.said_network = False
        self._options = options
        self._serial = 0
        self._cancel: Cancel | None = None
        self._pushing = False
        self._sizes: dict[str, int] = {}
        self._stack = ExitStack()
        self._stack.enter_context(store.lease())
        self._journal = journal
        self.timeline: Timeline[Ground] = Timeline(
            Version(place=self.ground(path, loaded=False), args=dict(options.args))
        )

    def begin(self) -> None:
        """Write the first version down; a session that was resumed has it."""
        if self._journal is not None:
            self._journal.push(_written(self.now))

    def close(self) -> None:
        """Give back folders, the lease and the journal, which is kept when something in it was not saved."""
        self.close_journal(keep=any(entry.serial not in self.saved for entry in self.entries))
        self._stack.close()

    def close_journal(self, *, keep: bool) -> None:
        """Write nothing down any more; a second call does nothing."""
        if self._journal is not None:
            self._journal.close(keep=keep)
            self._journal = None

    def ground(self, path: Path, *, loaded: bool = True) -> Ground:
        """The folder of a recipe, open as long as the session; raises UsageError."""
        ground = Ground(
            path,
            self._options,
            store=self.store,
            events=self.events,
            unpacker=self.unpacker,
            owner=self.owner,
            loaded=loaded,
        )
        self._stack.callback(ground.close)
        return ground

    def save(self, serials: Iterable[int]) -> None:
        """Note that statements are in a file."""
        self.saved = self.saved | frozenset(serials)
        if self._journal is not None:
            self._journal.saved(self.saved)

    def restore(self, story: Story) -> Iterator[Result]:
        """Take up what a journal tells; what is no longer in the store is carried out again."""
        self.saved = story.saved
        grounds: dict[tuple[str, bool], Ground] = {}
        versions = []
        for each in story.versions:
            where = (each.place, each.loaded)
            if where not in grounds:
                grounds[where] = self.ground(Path(each.place), loaded=each.loaded)
            versions.append(Version(line=each.line, queue=each.queue, args=each.args, place=grounds[where]))
        self._serial = max((last_serial(version) for version in versions), default=0)
        here = versions[story.at]
        chains = {cell.entry.chain for version in versions for cell in cells(version.line)}
        if self.store.snapshots.hold(identity for chain in chains for identity in chain):
            self.timeline = Timeline(versions[0])
            for version in versions[1:]:
                self.timeline.push(version)
            self.timeline.move(story.at + 1 - len(versions))
            return
        line, queue = here.line, here.queue
        while line is not None and not self.store.snapshots.hold(line.entry.chain):
            queue = queued(line.entry.serial, line.entry.text, queue)
            line = line.before
        gone = length(here.line) - length(line)
        start = replace(here, line=line, queue=queue)
        self.timeline = Timeline(start)
        if self._journal is not None:
            self._journal.push(_written(start), afresh=True)
        yield Said(lines=(f"{gone} of its statements are not in the store any more, and are carried out again",))
        yield from self.rework(start, gone)

    # --- where one stands -------------------------------------------------------------------------------------------

    @property
    def now(self) -> Here:
        """The version that counts."""
        return self.timeline.now

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The statements carried out."""
        return entries(self.now.line)

    def size_of(self, identity: str) -> int:
        """Bytes of a snapshot; looked up once."""
        if identity not in self._sizes:
            self._sizes[identity] = self.store.snapshots.info(identity).size
        return self._sizes[identity]

    def serial(self) -> int:
        """A number for a new statement."""
        self._serial += 1
        return self._serial

    def queue_of(self, texts: Sequence[str], rest: Queue = None) -> Queue:
        """Statements that are to be carried out before `rest`."""
        numbers = [self.serial() for _ in texts]
        for number, text in zip(reversed(numbers), reversed(texts)):
            rest = queued(number, text, rest)
        return rest

    def push(self, version: Here) -> None:
        """Acknowledge a version; what interrupts has no effect meanwhile."""
        self._pushing = True
        try:
            if self._journal is not None:
                self._journal.push(_written(version))
            self.timeline.push(version)
        finally:
            self._pushing = False

    def move(self, by: int) -> None:
        """Go to another version; raises IndexError."""
        self.timeline.move(by)
        if self._journal is not None:
            self._journal.move(by)

    def known(self) -> tuple[str, ...]:
        """What contexts answered for the statements carried out."""
        return tuple(answer for entry in self.entries for answer in entry.answers)

    def stop(self) -> bool:
        """End what runs; the second call kills it. False when nothing runs."""
        if self._cancel is not None:
            self._cancel.fire()
            return True
        return self._pushing or self.attempts.stop()

    @contextmanager
    def running(self) -> Iterator[Cancel]:
        """While something runs that is no step: what ends it."""
        self._cancel = Cancel()
        try:
            yield self._cancel
        finally:
            self._cancel = None

    # --- carrying out -----------------------------------------------------------------------------------------------

    def type(self, texts: Sequence[str], typed: Callable[[int], Typed]) -> Iterator[Result]:
        """Carry typed statements out where one stands; what waits there goes on waiting.

        Args:
            texts: the statements.
            typed: where the statement of an index stands in what was typed.

        """
        queue = self.now.queue
        todo = first_of(self.queue_of(texts), len(texts))
        yield from self._advance(todo, lambda index: queue, typed=typed)

    def up_to(self, failed: Failed) -> Iterator[Result]:
        """Carry out what waits before a statement at which a build failed, and stand there."""
        at = 0
        for count, item in enumerate(waiting(self.now.queue)):
            at += len(item.text) + 1
            if failed.offset < at:
                yield from self.proceed(count, breaks=False)
                if self.now.queue is item:
                    self.attempts.stumble = Stumble(text=item.text, line=self.now.line, chain=failed.chain)
                return

    def places(self, text: str, cut: Sequence[Piece]) -> Callable[[int], Typed]:
        """Where the statements of a typed text stand in it."""
        source = SourceFile("typed", text)
        return lambda index: Typed(source=source, start=cut[index].start)

    def proceed(self, count: int, *, breaks: bool = True, anew: bool = False) -> Iterator[Result]:
        """Carry out statements that wait, each into a version of its own; stops before those with a break."""
        todo = first_of(self.now.queue, count)
        yield from self._advance(todo, lambda index: todo[index].rest, breaks=breaks, anew=anew)

    def rework(self, version: Here, count: int, *, anew: bool = False, keep_failed: bool = True) -> Iterator[Result]:
        """Go to a version and carry out `count` of what waits in it, all as one step back for `:undo`.

        Args:
            version: where to start.
            count: how many.
            anew: take nothing from the store.
            keep_failed: when one goes wrong, stand before it; else stay in the version that counted before.

        """
        todo = first_of(version.queue, count)
        made = [version]
        results = self._advance(
            todo, lambda index: todo[index].rest, start=version, keep=made.append, breaks=False, anew=anew
        )
        for result in results:
            yield result
            if isinstance(result, WRONG) and not keep_failed:
                return
        self.push(made[-1])

    def _advance(
        self,
        todo: Sequence[Waiting],
        queue: Callable[[int], Queue],
        *,
        start: Here | None = None,
        keep: Callable[[Here], None] | None = None,
        typed: Callable[[int], Typed] | None = None,
        breaks: bool = False,
        anew: bool = False,
    ) -> Iterator[Result]:
        version = start or self.now
        ahead: Ahead | None = None
        first = 0
        for index, item in enumerate(todo):
            if breaks and index and item.serial in self.breaks:
                return
            if item.cell is not None and item.cell.before is version.line and not anew:
                ahead, again = None, True
                line = item.cell
                logs: tuple[str, ...] = ()
            else:
                if ahead is None:
                    ahead, first = (
                        self.attempts.ahead(version, [each.text for each in todo[index:]], queue(len(todo) - 1)),
                        index,
                    )
                result = self.attempts.carry(ahead, index - first, version, item, typed and typed(index), anew=anew)
                if not isinstance(result, Entry):
                    yield result
                    return
                line, again = after(version.line, result), False
                self.attempts.carried(
                    ahead, index - first, version.line, line, version.place, last=queue(index) is None
                )
                logs = self._logs(result)
            version = replace(version, line=line, queue=queue(index))
            (keep or self.push)(version)
            self.attempts.stumble = None
            above = typed is not None and len(todo) == 1
            yield Done(entry=line.entry, number=line.count, logs=logs, above=above, again=again)

    def _logs(self, entry: Entry) -> tuple[str, ...]:
        cached = [part for part in entry.flat if part.cached and part.kind in ("run", "sh", "test")]
        paths = [self.store.logs_path(part.key) for part in cached]
        return tuple(str(path) for path in paths if path.exists())


def _written(version: Here) -> Written:
    place = version.place
    return Written(
        line=version.line, queue=version.queue, args=version.args, place=str(place.path), loaded=place.loaded
    )  # fmt: skip
