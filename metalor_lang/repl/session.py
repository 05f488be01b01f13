"""A session: text in, outcomes out.

Invariant: the state is always the plan of the recipe made of the statements carried out, carried out up to the last
of them; a text that goes wrong leaves the state as it was before the statement that did.
"""

import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import takewhile

from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.diagnostics.suggest import nearest
from metalor_lang.errors import MetalorError, UsageError
from metalor_lang.guards import Closing
from metalor_lang.hints import Final
from metalor_lang.kernel.paths import Root
from metalor_lang.oci.fetch import references
from metalor_lang.plan.graph import ImageState
from metalor_lang.record import replace
from metalor_lang.repl.commands import BY_NAME
from metalor_lang.repl.core import Core
from metalor_lang.repl.faults import Failed, Typed, mistake, moved, went_wrong
from metalor_lang.repl.journal import Story
from metalor_lang.repl.outcome import WRONG, Done, Entry, Interruption, Left, Outcome, Result, Said, View
from metalor_lang.repl.pieces import needs_more, pieces
from metalor_lang.repl.planning import checked, joined
from metalor_lang.repl.timeline import chains, length
from metalor_lang.source import SourceFile
from metalor_lang.syntax import ast
from metalor_lang.syntax.document import Reread
from metalor_lang.syntax.statements import BY_WORD


class Session(Closing):
    """A conversation with a build; use as a context.

    Args:
        core: what it works on.
        hear: told of each result as soon as it is there, before `feed` returns.

    """

    def __init__(self, core: Core, *, hear: Callable[[Result], None] | None = None) -> None:
        self._core = core
        self._hear = hear
        self._read = Reread()
        self._view: tuple[object, View] | None = None
        self._users: tuple[Sequence[str], Mapping[str, str]] | None = None

    @property
    def core(self) -> Core:
        """What commands work on."""
        return self._core

    def close(self) -> None:
        """Give everything back."""
        self._core.close()

    # --- what is typed ----------------------------------------------------------------------------------------------

    def feed(self, text: str) -> Outcome:
        """Do what a text says: statements, and commands, which start with `:`; stops at the first that goes wrong.

        A statement is checked as part of the whole recipe, planned, and only what is new in the plan runs. Never raises
        for what a person can do wrong.
        """
        found = pieces(text)
        source = SourceFile("typed", text)
        results: list[Result] = []
        at = 0
        while at < len(found) and not _over(results):
            if found[at].command:
                self._core.typed.append(found[at].text)
                results += self._heard(self._command(found[at].text))
                at += not _over(results)
                continue
            if (meant := _without_colon(found[at].text)) is not None:
                results += self._heard(iter([mistake(meant)]))
                continue
            group = tuple(takewhile(lambda piece: not piece.command and _without_colon(piece.text) is None, found[at:]))
            self._core.typed.extend(piece.text for piece in group)
            spots = [Typed(source=source, start=piece.start) for piece in group]
            new = self._heard(self._core.type([piece.text for piece in group], spots.__getitem__))
            at += sum(isinstance(each, Done) for each in new)
            results += new
        rest = text[found[at].start + len(found[at].text) :].strip("\n") if went_wrong(results) else ""
        return Outcome(results=tuple(results), unrun=rest)

    def begin(self, recipe: str, *, failed: Failed | None = None) -> Outcome:
        """Take a recipe and carry it out, up to the first statement that goes wrong, before which one stands then.

        Args:
            recipe: its file.
            failed: the statement that a build failed at: one stands before it, and it is not tried again.

        """
        from metalor_lang.repl.acts.steps import go_on, load

        try:
            found = [each for each in load(self._core, recipe) if not isinstance(each, Said)]
            if found or self._core.now.queue is None:
                results = self._heard(iter(found))
            elif failed is None:
                results = self._heard(go_on(self._core, ""))
            else:
                results = self._heard(self._core.up_to(failed))
        except (MetalorError, OSError) as error:
            results = self._heard(iter([mistake(error)]))
        return Outcome(results=tuple(results))

    def resume(self, story: Story) -> Outcome:
        """Take up what a journal tells."""
        return Outcome(results=tuple(self._heard(self._core.restore(story))))

    def _heard(self, results: Iterator[Result]) -> list[Result]:
        found: list[Result] = []
        try:
            for result in results:
                found.append(result)
                if self._hear is not None:
                    self._hear(result)
        except KeyboardInterrupt:  # between two steps
            found.append(Interruption(statement="what was typed"))
        return found

    def _command(self, text: str) -> Iterator[Result]:
        name, _, words = text.partition(" ")
        try:
            command = BY_NAME.get(name)
            if command is None:
                raise _unknown(name)
            module, _, function = command.handler.partition(":")
            handler = getattr(import_module(f"metalor_lang.repl.acts.{module}"), function)
            yield from handler(self._core, words.strip())
        except KeyboardInterrupt:
            yield Interruption(statement=text)
        except (MetalorError, OSError) as error:
            yield mistake(error)

    def needs_more(self, text: str) -> bool:
        r"""Whether a text ends inside a statement: behind a `\`, in an open array or block."""
        return needs_more(text)

    def check(self, text: str) -> tuple[Diagnostic, ...]:
        """What is wrong with a text if it were fed now, its places in the text; nothing runs, nothing is fetched."""
        statements = [piece for piece in pieces(text) if not piece.command]
        if not statements:
            return ()
        now = self._core.now
        before = [entry.text for entry in self._core.entries]
        start = len(joined(before, "")[0].text)
        source, starts = joined([*before, *(piece.text for piece in statements)], str(now.place.path))
        try:
            _, _, found = checked(source, now.args, now.place, read=self._read)
        except (MetalorError, OSError):
            return ()  # it is said when the text is fed
        out = []
        for each in found:
            # What a USE brings is wrong where its group is written; here it is the USE that is being typed.
            typed = each if each.span.start >= start else _used_behind(each, start)
            if typed is not None:
                index = sum(begin <= typed.span.start for begin in starts) - 1 - len(before)
                out.append(moved(typed, statements[index].start - starts[len(before) + index]))
        return tuple(out)

    def interrupt(self) -> bool:
        """End the running step (the second call kills it); from a signal handler or another thread.

        Returns:
            false when no step runs.

        """
        return self._core.stop()

    # --- where it stands --------------------------------------------------------------------------------------------

    @property
    def view(self) -> View:
        """Where one stands. Costs no look at any disk."""
        core, now = self._core, self._core.now
        key = (now, core.saved, core.timeline.undos, core.timeline.redos)
        if self._view is None or self._view[0] != key:
            last = now.line.entry if now.line is not None else None
            self._view = (
                key,
                View(
                    recipe=now.place.name,
                    position=length(now.line),
                    waiting=length(now.queue),
                    stage=last.title if last is not None else "",
                    base=last.base if last is not None else "",
                    platform=last.platform if last is not None else "",
                    state=last.state if last is not None else ImageState(),
                    chain=last.chain if last is not None else (),
                    last=last,
                    unsaved=sum(entry.serial not in core.saved for entry in core.entries),
                    undo=core.timeline.undos,
                    redo=core.timeline.redos,
                ),
            )
        return self._view[1]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The statements carried out, in order."""
        return self._core.entries

    @property
    def recipe(self) -> str:
        """The recipe of the statements carried out, as typed."""
        return joined([entry.text for entry in self.entries], "")[0].text

    def size(self) -> int:
        """Bytes of the files of the state, base and all; each snapshot is looked up once."""
        return sum(map(self._core.size_of, self.view.chain))

    # --- for completion ---------------------------------------------------------------------------------------------

    def names(self) -> tuple[str, ...]:
        """What `${` may be followed by here: arguments, then the stage's environment."""
        recipe, _, _ = checked(SourceFile("", self.recipe), self._core.now.args, self._core.now.place)
        arguments = [node.name for node in recipe.statements if isinstance(node, ast.Arg)]
        return tuple(dict.fromkeys([*arguments, *(name for name, _ in self.view.state.env)]))

    def stages(self) -> tuple[str, ...]:
        """Names of the stages so far."""
        return tuple(dict.fromkeys(part.title for entry in self.entries for part in entry.flat if part.stage >= 0))

    def contexts(self) -> tuple[str, ...]:
        """Names of the contexts that were given."""
        return tuple(sorted(self._core.now.place.names()))

    def image_names(self, path: str, *, stage: str | None = None) -> Sequence[str]:
        """The names in a directory of the current image (or of a stage), sorted; directories end in `/`."""
        chain = self.view.chain
        if stage is not None:
            numbers = {part.title: part.stage for entry in self.entries for part in entry.flat}
            chain = chains(self._core.now.line).get(numbers.get(stage, -2), ())
        try:
            with self._core.snapshotter.view(chain) as root:
                return _names(root, path)
        except (MetalorError, OSError):
            return ()

    def context_names(self, path: str, *, context: str = "") -> Sequence[str]:
        """The names in a directory of a context, sorted; directories end in `/`."""
        try:
            with Root.at(self._core.now.place.contexts.folder(context)) as root:
                return _names(root, path)
        except (KeyError, MetalorError, OSError):
            return ()

    def users(self) -> Mapping[str, str]:
        """Names and numbers of the users of the current image."""
        chain = self.view.chain
        if self._users is None or self._users[0] != chain:
            self._users = (chain, self._read_users(chain))
        return self._users[1]

    def _read_users(self, chain: Sequence[str]) -> Mapping[str, str]:
        try:
            with self._core.snapshotter.view(chain) as root:
                text = root.read_bytes("/etc/passwd", 1 << 20).decode("utf-8", "replace")
        except (MetalorError, OSError):
            return {}
        rows = (line.split(":") for line in text.splitlines())
        return {row[0]: row[2] for row in rows if len(row) > 2}

    def images(self) -> Sequence[str]:
        """References of the images that are in the store already."""
        return references(self._core.store.root / "images")


def _used_behind(wrong: Diagnostic, start: int) -> Diagnostic | None:
    """What is wrong before an offset because of what stands behind it, as if it were wrong there."""
    spans = [label.span for label in wrong.labels if label.source is None and label.span.start >= start]
    return replace(wrong, span=spans[0], labels=(), edits=()) if spans else None


def _names(root: Root, path: str) -> tuple[str, ...]:
    found = []
    for name in root.listdir(path):
        status = root.stat(f"{path}/{name}", follow=True)
        found.append(f"{name}/" if status is not None and stat.S_ISDIR(status.st_mode) else name)
    return tuple(found)


_OTHERS: Final = {"exit": ":quit", "q": ":quit", "?": ":help", "h": ":help"}


def _without_colon(text: str) -> UsageError | None:
    """A command that is written as other programs have theirs, which no statement looks like."""
    word = text.split(None, 1)[0]
    name = _OTHERS.get(word, f":{word}")
    if name not in BY_NAME:
        return None
    return UsageError(f"{word} is no statement, and commands begin with a colon", help=f"write {name}")


def _unknown(name: str) -> UsageError:
    near = nearest(name, BY_NAME)
    word = name.removeprefix(":").upper()
    if near is None and word in BY_WORD:
        return UsageError(f"there is no command {name}", help=f"a statement has no colon: {BY_WORD[word].example}")
    return UsageError(f"there is no command {name}", help=f"did you mean {near}?" if near else "see :help")


def _over(results: Sequence[Result]) -> bool:
    return bool(results) and isinstance(results[-1], (*WRONG, Left))
