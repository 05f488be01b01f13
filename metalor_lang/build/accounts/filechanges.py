"""Which files of a context are others than in an older build.

Invariant: two listings are compared directory by directory, by the digests of directories first; what came or went
with a whole directory is told by the directory.
"""

import os
from collections.abc import Iterator, Mapping, Sequence

from metalor_lang.build.contexts import Listing, LocalContexts
from metalor_lang.build.ignore import Rules
from metalor_lang.build.ignorefile import IGNORE_FILE
from metalor_lang.build.listings import Kept, Listings
from metalor_lang.build.pieces import Piece, Pieces
from metalor_lang.checker.program import SourceProblem
from metalor_lang.errors import MetalorError
from metalor_lang.hints import Final
from metalor_lang.plan.graph import Action, BindMount, CopyFiles, Exec, Plan
from metalor_lang.plan.why.account import Place
from metalor_lang.plan.why.causes import Cause, Change, Code
from metalor_lang.record import replace

_TOLD: Final = 20
"""Files that are told one by one."""
_KINDS: Final = {"f": "file", "x": "file", "l": "link", "d": "directory"}
_MODES: Final = {"f": "644", "x": "755"}
_NOTHING: Final = Piece("")


class FileChanges:
    """Compares what contexts hold with what they held; implements `plan.why.differences.Files`.

    Args:
        plan: whose steps are asked about.
        contexts: as they are now.
        listings: of earlier builds.
        ignores: the text of the rules of each context, as they were.

    """

    def __init__(self, plan: Plan, contexts: LocalContexts, listings: Listings, ignores: Mapping[str, str]) -> None:
        self._plan = plan
        self._contexts = contexts
        self._listings = listings
        self._ignores = ignores

    def changes(self, old: str, place: Place, at: str) -> Sequence[Cause]:
        """What differs from an older content, given its digest; nothing where that is not known any more."""
        before = self._listings.recall(old)
        now = self._listing(self._plan.stages[place[0]].steps[place[1] - 1].action, at)
        if before is None or now is None:
            return ()
        context, listing = now
        found = [self._told(cause, context) for cause in file_changes(before, listing)]
        if len(found) <= _TOLD:
            return found
        return (*found[: _TOLD - 1], replace(found[_TOLD - 1], more=len(found) - _TOLD))

    def _listing(self, action: Action, at: str) -> tuple[str, Listing] | None:
        try:
            match action:
                case CopyFiles(stage=None):
                    return action.context, self._contexts.listing(action)
                case Exec(mounts=mounts):
                    for mount in mounts:
                        if isinstance(mount, BindMount) and mount.destination == at:
                            return mount.context, self._contexts.bound_listing(mount)
                case _:
                    pass
        except MetalorError:
            pass  # it changed under our eyes
        return None

    def _told(self, cause: Cause, context: str) -> Cause:
        """What came or went, with the rule of an ignore file that did it."""
        try:
            rules = self._contexts.rules(context)
        except MetalorError:
            return cause
        if rules == self._ignores.get(context, ""):
            return cause
        path = cause.name
        if cause.change is Change.GONE:
            miss = self._contexts.find(context, path, glob=False, excludes=())
            if miss is not None and miss.problem is SourceProblem.IGNORED:
                return replace(cause, change=Change.IGNORED, via=miss.detail)
        elif cause.change is Change.NEW:
            old = Rules(self._ignores.get(context, "").split("\n"), IGNORE_FILE)
            if (rule := old.hidden_by(path, directory=cause.new == "directory")) is not None:
                via = f"as it was by line {rule.line} of {IGNORE_FILE} (`{rule.text}`)"
                return replace(cause, change=Change.NOT_IGNORED, via=via)
        return cause


def file_changes(before: Kept, now: Listing) -> Iterator[Cause]:
    """What differs between two listings, by path."""
    names = [each.name for each in now.found]
    if list(before.names) == names:
        for each, old, new in zip(now.found, before.pieces, now.pieces):
            yield from _between(each.origin, old, new)
        return
    then, today = dict(zip(before.names, before.pieces)), dict(zip(names, zip(now.found, now.pieces)))
    folders = {os.path.dirname(each.origin) for each in now.found}
    for name in sorted({**then, **today}):
        if name not in today:
            path = os.path.join(*folders, name) if len(folders) == 1 else name
            yield _cause(path, Change.GONE, old=_kind(then[name]))
        elif name not in then:
            yield _cause(today[name][0].origin, Change.NEW, new=_kind(today[name][1]))
        else:
            yield from _between(today[name][0].origin, then[name], today[name][1])


def _kind(pieces: Pieces) -> str:
    (item,) = pieces["/"].items("").values()
    return _KINDS[item[0]]


def _between(origin: str, old: Pieces, new: Pieces) -> Iterator[Cause]:
    found: dict[str, tuple[tuple[str, str] | None, tuple[str, str] | None]] = {}
    for folder in {**old, **new}:
        was, now = old.get(folder, _NOTHING), new.get(folder, _NOTHING)
        if was.head == now.head:
            continue
        prefix = "" if folder == "/" else folder
        then, today = was.items(prefix), now.items(prefix)
        for path in {**then, **today}:
            if then.get(path) != today.get(path):
                found[path] = then.get(path), today.get(path)
    whole: dict[Change, str] = {}
    for path in sorted(found, key=lambda path: path + "/"):
        for cause in _entry(f"{origin}/{path}" if origin and path else origin or path, *found[path]):
            if cause.change in (Change.NEW, Change.GONE):
                above = whole.get(cause.change)
                if above is not None and cause.name.startswith(above):
                    continue
                if "directory" in (cause.old, cause.new):
                    whole[cause.change] = cause.name + "/"
            yield cause


def _entry(path: str, then: tuple[str, str] | None, today: tuple[str, str] | None) -> Iterator[Cause]:
    if then is None or today is None:
        change = Change.NEW if then is None else Change.GONE
        kinds = (None if each is None else _KINDS[each[0]] for each in (then, today))
        yield _cause(path, change, *kinds)
    elif _KINDS[then[0]] != _KINDS[today[0]]:
        yield _cause(path, Change.KIND, _KINDS[then[0]], _KINDS[today[0]])
    elif then[0] == "l":
        yield _cause(path, Change.TARGET, then[1], today[1])
    else:
        if then[1] != today[1]:
            yield _cause(path, Change.CONTENT, f"sha256:{then[1]}", f"sha256:{today[1]}")
        if then[0] != today[0]:
            yield _cause(path, Change.MODE, _MODES[then[0]], _MODES[today[0]])


def _cause(path: str, change: Change, old: str | None = None, new: str | None = None) -> Cause:
    return Cause(code=Code.FILE, name=path or ".", change=change, old=old, new=new)
