"""Every version of a session on the disk, so that nothing acknowledged is lost when the process is.

Invariant: a line that was cut short ends what counts; what is appended names only what stands above it. A journal whose
lock is free belongs to a session that ended without leaving.
"""

import contextlib
import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from metalor_lang.errors import UsageError
from metalor_lang.hints import Any, Final, Self
from metalor_lang.kernel.whole import write_all
from metalor_lang.plan.graph import ImageState
from metalor_lang.record import dataclass
from metalor_lang.repl.outcome import Entry
from metalor_lang.repl.timeline import Cell, Line, Queue, Waiting
from metalor_lang.store.errors import guarded
from metalor_lang.store.files import make_directory, open_private, sync_directory

FORMAT: Final = 1
FOLDER: Final = "sessions"
_KEPT: Final = 20
"""Journals of ended sessions that are kept; older ones go when a new session begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a session was opened with.

    Args:
        path: of the recipe.
        contexts: folders by name.
        platform, epoch: as given.
        began: seconds since 1970.

    """

    path: str
    contexts: Mapping[str, str]
    platform: str | None
    epoch: int | None
    began: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A version as the journal has it: `place` is the path of its recipe, `loaded` whether it was read from there."""

    line: Line
    queue: Queue
    args: Mapping[str, str]
    place: str
    loaded: bool


@dataclass(slots=True, kw_only=True)
class Story:
    """What a journal tells: versions in order, the one that counts, and which statements were saved."""

    header: Header
    versions: list[Written]
    at: int
    saved: frozenset[int]


class Journal:
    """An open journal, locked; use `create` or `resume`."""

    def __init__(self, path: Path, fd: int, root: Path) -> None:
        self.path = path
        self._fd = fd
        self._root = root
        self._numbers: dict[Cell | Waiting, int] = {}

    @classmethod
    def create(cls, root: Path, header: Header) -> Self:
        """A new journal in the store at `root`; errors as of a store that cannot be written."""
        folder = root / FOLDER
        with guarded(root):
            make_directory(folder)
            _prune(folder)
            path = folder / f"{time.time_ns():020d}-{secrets.token_hex(4)}.jsonl"
            fd = open_private(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND)
        journal = cls(path, fd, root)
        fcntl.flock(fd, fcntl.LOCK_EX)
        journal._append([["session", FORMAT, _body(header)]], durable=True)
        with guarded(root):
            sync_directory(folder)
        return journal

    @classmethod
    def resume(cls, root: Path) -> tuple[Self, Story]:
        """The journal that was written to last of those that nobody holds, and what it tells.

        Raises:
            UsageError: there is none.

        """
        for path in sorted((root / FOLDER).glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns, reverse=True):
            fd = open_private(path, os.O_RDWR | os.O_APPEND)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                journal = cls(path, fd, root)
                story = journal._read()
            except (BlockingIOError, ValueError, KeyError, TypeError):
                os.close(fd)
                continue
            if any(version.line is not None for version in story.versions):
                return journal, story
            journal.close(keep=False)
        raise UsageError("there is no session to resume", help="begin one: metalor repl")

    # --- writing ----------------------------------------------------------------------------------------------------

    def push(self, version: Written, *, afresh: bool = False) -> None:
        """A version; it is on the disk when this returns. `afresh` forgets those before it."""
        lines: list[list[Any]] = [["forget"]] if afresh else []
        cell = self._cell(version.line, lines)
        wait = self._wait(version.queue, lines)
        self._append(
            [*lines, ["version", cell, wait, dict(version.args), version.place, version.loaded]], durable=True
        )  # fmt: skip

    def move(self, by: int) -> None:
        """Another version counts; that alone survives a kill, and need not survive a power cut."""
        self._append([["move", by]], durable=False)

    def saved(self, serials: frozenset[int]) -> None:
        """The recipe was saved."""
        self._append([["saved", sorted(serials)]], durable=False)

    def close(self, *, keep: bool) -> None:
        """Give it up; kept, it can be resumed."""
        if self._fd < 0:
            return
        if not keep:
            self.path.unlink(missing_ok=True)
        os.close(self._fd)
        self._fd = -1

    def _cell(self, line: Line, lines: list[list[Any]]) -> int:
        todo = []
        while line is not None and line not in self._numbers:
            todo.append(line)
            line = line.before
        for cell in reversed(todo):
            before = self._numbers[cell.before] if cell.before is not None else 0
            lines.append(["cell", self._number(cell), before, _body(cell.entry)])
        return self._numbers[todo[0]] if todo else self._numbers[line] if line is not None else 0

    def _wait(self, queue: Queue, lines: list[list[Any]]) -> int:
        todo = []
        while queue is not None and queue not in self._numbers:
            todo.append(queue)
            queue = queue.rest
        for item in reversed(todo):
            cell = self._cell(item.cell, lines)
            rest = self._numbers[item.rest] if item.rest is not None else 0
            lines.append(["wait", self._number(item), item.serial, item.text, cell, rest])
        return self._numbers[todo[0]] if todo else self._numbers[queue] if queue is not None else 0

    def _number(self, thing: Cell | Waiting) -> int:
        self._numbers[thing] = len(self._numbers) + 1
        return self._numbers[thing]

    def _append(self, lines: list[list[Any]], *, durable: bool) -> None:
        data = "".join(json.dumps(line, ensure_ascii=True) + "\n" for line in lines).encode()
        with guarded(self._root):
            start = os.fstat(self._fd).st_size
            try:
                write_all(self._fd, data)
                if durable:
                    os.fdatasync(self._fd)
            except OSError:
                with contextlib.suppress(OSError):  # what is half there would hide what comes after it
                    os.ftruncate(self._fd, start)
                raise

    # --- reading ----------------------------------------------------------------------------------------------------

    def _read(self) -> Story:
        size = os.fstat(self._fd).st_size
        data = os.pread(self._fd, size, 0)
        good = 0
        things: dict[int, Any] = {0: None}
        story: Story | None = None
        for line in data.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            try:
                said = json.loads(line)
            except ValueError:
                break
            story = self._take(said, things, story)
            good += len(line)
        if story is None:
            raise ValueError("no header")
        if good < size:
            os.ftruncate(self._fd, good)
        return story

    def _take(self, said: list[Any], things: dict[int, Any], story: Story | None) -> Story:
        match said:
            case ["session", int(format), dict(header)] if format == FORMAT and story is None:
                return Story(header=Header(**header), versions=[], at=-1, saved=frozenset())
            case _ if story is None:
                raise ValueError("another format")
            case ["cell", int(number), int(before), dict(entry)]:
                line = things[before]
                things[number] = Cell(
                    entry=entry_of(entry), before=line, count=(line.count if line is not None else 0) + 1
                )  # fmt: skip
                self._numbers[things[number]] = number
            case ["wait", int(number), int(serial), str(text), int(cell), int(rest)]:
                queue = things[rest]
                things[number] = Waiting(
                    serial=serial,
                    text=text,
                    cell=things[cell],
                    rest=queue,
                    count=(queue.count if queue is not None else 0) + 1,
                )
                self._numbers[things[number]] = number
            case ["version", int(cell), int(wait), dict(args), str(place), bool(loaded)]:
                del story.versions[story.at + 1 :]
                story.versions.append(
                    Written(line=things[cell], queue=things[wait], args=args, place=place, loaded=loaded)
                )
                story.at += 1
            case ["forget"]:
                story.versions, story.at = [], -1
            case ["move", int(by)]:
                story.at += by
            case ["saved", list(serials)]:
                story.saved = frozenset(serials)
            case _:
                raise ValueError(f"not a line of a journal: {said}")
        return story


def entry_of(body: Mapping[str, Any]) -> Entry:
    """An entry as the journal has it."""
    values = {name: _value(value) for name, value in body.items() if name in Entry.__slots__ and name != "parts"}
    state = ImageState(**{key: _value(value) for key, value in body["state"].items()})
    return Entry(**{**values, "state": state, "parts": tuple(map(entry_of, body.get("parts", ())))})


def _body(record: Header | Entry | ImageState) -> dict[str, Any]:
    return {name: _plain(getattr(record, name)) for name in record.__slots__}


def _plain(value: Any) -> Any:
    if isinstance(value, ImageState | Entry):
        return _body(value)
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _value(value: Any) -> Any:
    return tuple(_value(each) for each in value) if isinstance(value, list) else value


def _prune(folder: Path) -> None:
    """Let the oldest journals of ended sessions go."""
    for path in _old(folder):
        fd = open_private(path, os.O_RDWR)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        except BlockingIOError:
            pass
        finally:
            os.close(fd)


def _old(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.glob("*.jsonl"))[: -(_KEPT - 1)]
