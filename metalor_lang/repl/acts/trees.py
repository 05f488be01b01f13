"""`:diff :files :cat`: into the image, without running anything in it.

Invariant: every path is looked up beneath the root of the view; nothing of the image can lead out of it.
"""

import posixpath
import stat
from collections.abc import Iterator, Sequence

from metalor_lang.build.lookup import Chain
from metalor_lang.errors import MetalorError, UsageError
from metalor_lang.kernel.paths import Root
from metalor_lang.oci.diff import Candidates, Change, ChangeKind, candidates, diff
from metalor_lang.plan.graph import ImageState
from metalor_lang.repl.acts.words import one_word, step_of
from metalor_lang.repl.core import Core
from metalor_lang.repl.outcome import Mistake, Result, Said, Table
from metalor_lang.screen.text import one_line, size, visible

_MOST_ROWS = 1000
_MOST_BYTES = 1 << 20
_MARKS = {
    ChangeKind.ADD: "added",
    ChangeKind.LINK: "added",
    ChangeKind.MODIFY: "changed",
    ChangeKind.DELETE: "deleted",
}


def changes(core: Core, words: str) -> Iterator[Result]:
    """What a statement changed."""
    done = core.entries
    number = step_of(core, words, ":diff") if words else len(done)
    if not number:
        yield Mistake(message="there is no statement yet", help="begin with a base: FROM debian:12")
        return
    entry = done[number - 1]
    before = done[number - 2] if number > 1 and done[number - 2].stage == entry.stage else None
    notes = tuple(_config(before.state if before is not None else ImageState(), entry.state))
    if entry.kind == "from":
        total = size(sum(map(core.size_of, entry.chain)))
        yield Said(lines=(f"{number}: {one_line(entry.statement)}", f"the stage begins with {total} of files", *notes))
        return
    lower = before.chain if before is not None else entry.start if entry.block else ()
    rows, more = differences(core, lower, entry.chain)
    yield Table(
        head=("", "mode", "size", "path"),
        rows=rows,
        notes=(
            *(more or (("no file was changed",) if not rows else ())),
            *(notes or ("the configuration is the same",)),
        ),
    )


def differences(core: Core, lower: Chain, upper: Chain) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
    """Rows for what is different in the files of two chains, and notes."""
    if lower == upper:
        return (), ()
    with core.snapshotter.view(lower) as old, core.snapshotter.view(upper) as new:
        return described(diff(old, new, _where(core, lower, upper)), old)


def _where(core: Core, lower: Chain, upper: Chain) -> Candidates | None:
    """Where two chains can differ, when one stands on the other."""
    count = len(lower)
    if not count or upper[:count] != lower:
        return None
    if any(core.store.snapshots.info(identity).kind != "overlay" for identity in upper[count:]):
        return None
    return candidates([core.store.snapshots.fs_path(identity) for identity in upper[count:]])


def described(found: Iterator[Change], old: Root) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
    """Rows for changes, and notes."""
    rows: list[tuple[str, ...]] = []
    count = 0
    for change in found:
        if change.kind is ChangeKind.PARENT or _only_its_time(change, old):
            continue
        count += 1
        if len(rows) < _MOST_ROWS:
            rows.append(_row(change, old))
    return tuple(rows), ((f"and {count - len(rows)} more",) if count > len(rows) else ())


def _only_its_time(change: Change, old: Root) -> bool:
    """Whether a directory is listed only because something in it came or went."""
    if change.kind is not ChangeKind.MODIFY or change.node is None or not change.node.is_dir:
        return False
    before = old.stat("/" + change.path)
    node = change.node
    return before is not None and (stat.S_IMODE(before.st_mode), before.st_uid, before.st_gid) == (
        node.mode, node.uid, node.gid,
    )  # fmt: skip


def _row(change: Change, old: Root) -> tuple[str, ...]:
    path = "/" + visible(change.path)
    before = old.stat("/" + change.path) if change.kind is not ChangeKind.ADD else None
    was = size(before.st_size) if before is not None and stat.S_ISREG(before.st_mode) else ""
    if change.node is None:
        return _MARKS[change.kind], "", was, path
    node = change.node
    mode = f"{node.mode:04o}"
    if before is not None and stat.S_IMODE(before.st_mode) != node.mode:
        mode = f"{stat.S_IMODE(before.st_mode):04o} → {mode}"
    now = size(node.size) if node.kind.name == "FILE" else ""
    shown = f"{was} → {now}" if was and was != now else now
    ending = "/" if node.is_dir else f" → {visible(node.target)}" if node.target else ""
    return _MARKS[change.kind], mode, shown, path + ending


def _config(before: ImageState, now: ImageState) -> Iterator[str]:
    """In words, what of the configuration is different."""
    for name in ImageState.__slots__:
        old, new = getattr(before, name), getattr(now, name)
        if old == new:
            continue
        if name in ("env", "labels", "annotations"):
            one, two = dict(old), dict(new)
            word = {"env": "ENV", "labels": "LABEL", "annotations": "ANNOTATE"}[name]
            for key in sorted({*one, *two}):
                if one.get(key) != two.get(key):
                    yield f"{word} {key}: {_said(one.get(key))} → {_said(two.get(key))}"
        else:
            yield f"{name.replace('_', ' ').upper()}: {_said(old)} → {_said(new)}"


def _said(value: object) -> str:
    if value is None or value in ("", ()):
        return "nothing"
    if isinstance(value, tuple):
        return " ".join(visible(str(each)) for each in value)
    return visible(str(value))


# --- looking around ---------------------------------------------------------------------------------------------------


def files(core: Core, words: str) -> Iterator[Result]:
    """List a directory of the image."""
    path = _path(core, words)
    with core.snapshotter.view(_chain(core)) as view:
        status = view.stat(path, follow=True)
        if status is None:
            raise _absent(view, path)
        names = view.listdir(path) if stat.S_ISDIR(status.st_mode) else [""]
        rows = tuple(_file(view, posixpath.join(path, name) if name else path, name or path) for name in names)
    yield Table(
        head=("mode", "owner", "size", "name"),
        rows=rows[:_MOST_ROWS],
        notes=(f"and {len(rows) - _MOST_ROWS} more",) if len(rows) > _MOST_ROWS else (),
    )


def _file(view: Root, path: str, name: str) -> tuple[str, ...]:
    status = view.stat(path)
    assert status is not None
    shown = visible(name)
    if stat.S_ISDIR(status.st_mode):
        shown += "/"
    elif stat.S_ISLNK(status.st_mode):
        shown += f" → {visible(view.readlink(path))}"
    bytes_ = size(status.st_size) if stat.S_ISREG(status.st_mode) else ""
    return stat.filemode(status.st_mode), f"{status.st_uid}:{status.st_gid}", bytes_, shown


def content(core: Core, words: str) -> Iterator[Result]:
    """Print a file of the image."""
    path = _path(core, one_word(words, ":cat", ":cat /etc/passwd"))
    with core.snapshotter.view(_chain(core)) as view:
        status = view.stat(path, follow=True)
        if status is None:
            raise _absent(view, path)
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f":cat {path}: it is no file", help=f"write :files {path}")
        if status.st_size > _MOST_BYTES:
            raise UsageError(f":cat {path}: it has {size(status.st_size)}", help="look at it in :shell")
        data = view.read_bytes(path, _MOST_BYTES)
    if b"\0" in data:
        raise UsageError(f":cat {path}: it is no text ({size(len(data))})", help="look at it in :shell")
    lines = data.decode("utf-8", "backslashreplace").split("\n")
    if lines[-1] == "":
        lines.pop()
    yield Said(lines=tuple(map(visible, lines)))


def _chain(core: Core) -> Sequence[str]:
    line = core.now.line
    if line is None or line.entry.stage < 0:
        raise UsageError("there is no image yet", help="begin one: FROM debian:12")
    return line.entry.chain


def _path(core: Core, words: str) -> str:
    line = core.now.line
    workdir = line.entry.state.workdir if line is not None else "/"
    return posixpath.join(workdir or "/", words)


def _absent(view: Root, path: str) -> MetalorError:
    above = posixpath.dirname(path.rstrip("/")) or "/"
    hint = f"see :files {above}" if view.stat(above, follow=True) is not None else "see :files /"
    return UsageError(f"the image has no {path}", help=hint)
