"""What a session gives back, as data: entries, the state one stands in, and the results of what was typed.

Invariant: plain values only; how any of it looks is decided in `repl.render`.
"""

from collections.abc import Mapping

from metalor_lang.build.lookup import Chain
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.errors import Exit
from metalor_lang.hints import Final, Protocol
from metalor_lang.plan.graph import ImageState
from metalor_lang.record import dataclass, field
from metalor_lang.source import SourceFile

BLOCKS: Final = frozenset({"if", "for", "define", "use", "import"})
"""Kinds of entries that stand for others, or for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A statement that was carried out, or a block of them.

    Args:
        text: as it was typed, with the comment lines above it.
        statement: its canonical text.
        kind: a value of `plan.graph.Kind`, or "from", "arg", "recipe"; of a block its first word.
        stage: index of its stage; -1 above the first FROM.
        title: how its stage is called.
        key: of the step, or of the base for FROM; "" where nothing is looked up.
        start: the files that its stage begins with.
        chain: the files after it.
        state: the configuration after it.
        cached: its result was in the store.
        duration_ms: how long it took when it ran.
        answers: digests of what it took from contexts, in order; what it will be planned with from now on.
        base, platform: of its stage.
        outside: what it may have changed that no snapshot holds, in words.
        values: of the loop variables and parameters that it names.
        why: it ran, in a few words; "" where that is no news.
        causes: why it ran, in whole lines.
        serial: number of the statement in the order of typing; it stays when the statement is carried out again.
        parts: what a block stands for, one entry each (their texts are empty), if it is one; the block's own fields
            are those of the last part, its key is "".

    """

    text: str
    statement: str
    kind: str
    stage: int = -1
    title: str = ""
    key: str = ""
    start: Chain = ()
    chain: Chain = ()
    state: ImageState = ImageState()
    cached: bool = False
    duration_ms: int = 0
    answers: tuple[str, ...] = ()
    base: str = ""
    platform: str = ""
    outside: tuple[str, ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    why: str = ""
    causes: tuple[str, ...] = ()
    serial: int = 0
    parts: "tuple[Entry, ...]" = ()

    @property
    def block(self) -> bool:
        """Whether it is one."""
        return self.kind in BLOCKS

    @property
    def flat(self) -> "tuple[Entry, ...]":
        """What was carried out: the parts of a block, which may be none, or the entry itself."""
        return self.parts if self.block else (self,)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Where a session stands; what a toolbar shows.

    Args:
        recipe: name of the recipe.
        position, waiting: statements carried out, and those behind that are not (`:next`, `:continue`).
        stage: title of the stage one stands in, "" above the first FROM.
        base: its base as the recipe names it.
        platform: as `linux/amd64`.
        state: the configuration (user, workdir, env …).
        chain: the files.
        last: the last statement carried out, or None.
        unsaved: how many steps `:save` has not seen.
        undo, redo: how many steps back and forward there are.

    """

    recipe: str
    position: int
    waiting: int
    stage: str = ""
    base: str = ""
    platform: str = ""
    state: ImageState = ImageState()
    chain: Chain = ()
    last: Entry | None = None
    unsaved: int = 0
    undo: int = 0
    redo: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A statement was carried out and is kept, or one that waited is there again.

    Args:
        entry: what it gave.
        number: of the statement in the recipe, from 1.
        logs: where the output of steps lies that were taken from the store; of those that ran just now there is none.
        above: it stands on the screen just above, where it was typed.
        again: it was carried out earlier, on the very same statements; nothing ran.

    """

    entry: Entry
    number: int
    logs: tuple[str, ...] = ()
    above: bool = False
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A statement was refused before anything ran.

    Args:
        diagnostics: at least one; spans lie in `source`.
        source: the typed text, or the whole recipe when something lies outside it.

    """

    diagnostics: tuple[Diagnostic, ...]
    source: SourceFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A statement ran and failed; nothing of it is kept.

    Args:
        diagnostic, source: as in Refusal.
        reason: in words.
        status: exit status of the command, None where none ran.
        tail: its last lines of output.
        log: path of the whole output, "" if there is none.
        exit: the exit status of a process that ends with it.

    """

    diagnostic: Diagnostic
    source: SourceFile
    reason: str
    status: int | None
    tail: tuple[bytes, ...]
    log: str
    exit: Exit = Exit.REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruption:
    """Ctrl-C ended the running statement; nothing of it is kept."""

    statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A command cannot do what it was asked for.

    Args:
        exit: the exit status of a process that ends with it.

    """

    message: str
    help: str = ""
    exit: Exit = Exit.REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """`:undo`, `:redo`, `:goto`: another state; nothing ran.

    Args:
        position: how many statements are carried out now.
        waiting: how many wait behind them.
        entry: the statement one stands behind, None at the very start.
        notes: what could not be brought back, and the like.

    """

    position: int
    waiting: int
    entry: Entry | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Lines for the person."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows for the person.

    Args:
        head: names of the columns.
        rows: cells; the last column may be long.
        notes: lines below.

    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The person leaves."""


Result = Done | Refusal | Failure | Interruption | Mistake | Moved | Said | Table | Left
"""What one statement or one command gave."""

WRONG = (Refusal, Failure, Interruption, Mistake)
"""Results after which nothing more of a text is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a text gave.

    Args:
        results: one for each statement and command that was tried, in order.
        unrun: the text behind the one that went wrong.

    """

    results: tuple[Result, ...]
    unrun: str = ""

    @property
    def ok(self) -> bool:
        """Whether everything went well."""
        return not any(isinstance(each, WRONG) for each in self.results)

    @property
    def leave(self) -> bool:
        """Whether the person leaves."""
        return any(isinstance(each, Left) for each in self.results)

    @property
    def status(self) -> Exit:
        """The exit status of a process that ends with it."""
        wrong = next((each for each in self.results if isinstance(each, WRONG)), None)
        if wrong is None:
            return Exit.DONE
        return wrong.exit if isinstance(wrong, Failure | Mistake) else Exit.REFUSED


# --- the person ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something only a person can decide.

    Args:
        text: the question.
        choices: what may be answered: one word each, with what it means.
        default: what is answered for nobody.
        detail: lines to show above it, such as a diff.

    """

    text: str
    choices: Mapping[str, str]
    default: str
    detail: tuple[str, ...] = field(default=())


class Person(Protocol):
    """Who sits in front of the session; called in the thread that called `feed`."""

    def ask(self, question: Question) -> str:
        """One of the question's choices."""
        ...

    def edit(self, text: str, *, suffix: str) -> str | None:
        """The text after an editor; None when nothing is to be done."""
        ...

    def terminal(self) -> int | None:
        """The descriptor of a terminal that a shell may have for a while; None when there is none."""
        ...


class Nobody:
    """Answers every question with its default: programs and pipes."""

    def ask(self, question: Question) -> str:
        """The default."""
        return question.default

    def edit(self, text: str, *, suffix: str) -> str | None:
        """Nothing is edited."""
        return None

    def terminal(self) -> int | None:
        """There is none."""
        return None
