"""The words for why a step runs: a few for the progress of a build, whole lines for `metalor why` and the prompt.

Invariant: the only place where causes become words; no text holds a line break or a control character, and values whose
names look like secrets' are hidden already.
"""

from collections.abc import Sequence

from metalor_lang.digest import Json
from metalor_lang.hints import Final
from metalor_lang.plan.why.causes import Cause, Change, Code, Reason

CONFIGURES: Final = "only changes the configuration: it never runs"
IN_STORE: Final = "its result is in the store: it would not run"
WAS_IN_STORE: Final = "its result was in the store: it did not run"
AS_ASKED: Final = "as was asked for: nothing was taken from the store"

_DIGEST: Final = 12
_LONG: Final = 60
"""Characters of a value that are shown."""
_FEW: Final = 28
"""Characters of a value where only a few words have room."""

_PLAIN: Final = {
    Code.NEVER_BUILT: "never built",
    Code.NEW_STATEMENT: "new statement",
    Code.NO_CACHE: "--no-cache",
    Code.RECORD_GONE: "its result is gone from the store",
    Code.SNAPSHOTS_GONE: "files of its result are gone from the store",
    Code.DAMAGED: "its result was damaged",
    Code.UNFINISHED: "the last build has no result of it",
    Code.MADE_ANEW: "what it stands on was made anew",
    Code.BEHIND: "a step above ran again",
}
_FILE: Final = {
    Change.CONTENT: "{} changed",
    Change.MODE: "{} changed its mode",
    Change.KIND: "{} became something else",
    Change.TARGET: "{} points elsewhere",
    Change.OWNER: "{} belongs to another",
    Change.TIME: "{} has another time",
    Change.NEW: "{} is new",
    Change.GONE: "{} is gone",
    Change.IGNORED: "{} is ignored now",
    Change.NOT_IGNORED: "{} is not ignored any more",
}


def few_words(reason: Reason, place: tuple[int, int], name: str = "") -> str:
    """Why a step runs, in the few words that a line of progress has room for.

    Args:
        reason: why.
        place: of the step.
        name: what the step where it began is called, where steps have other names than their numbers.

    """
    if not reason.causes:
        if not reason.root[1]:
            return _first_of(reason.first)
        return f"{name or _called(reason, place)} {'changed' if reason.changed else 'ran again'}"
    return _first_of(reason.causes)


def _first_of(causes: Sequence[Cause]) -> str:
    """The first cause, and how many there are; of a base that is a tree, the first of its files that is known."""
    if causes[0].code is Code.BASE and any(each.code is Code.FILE for each in causes):
        causes = causes[1:]
    others = len(causes) - 1 + sum(each.more for each in causes)
    if len(causes) == 2 and causes[1].code is Code.FILES:
        others = 0  # says only why no file is named
    return _few(causes[0]) + (f", and {others} more" if others else "")


def _called(reason: Reason, place: tuple[int, int]) -> str:
    step = f"step {reason.root[1]}"
    return step if reason.root[0] == place[0] else f"{step} of {reason.title}"


def _few(cause: Cause) -> str:
    match cause.code:
        case Code.STATEMENT:
            return "the statement changed"
        case Code.REMOVED_STATEMENT:
            return f"a statement above was removed: {_cut(cause.name, _FEW)}"
        case Code.MOVED_STATEMENT:
            return "statements changed their order"
        case Code.ARGUMENT:
            return f"argument {cause.name} {_values(cause, _FEW)}"
        case Code.ENVIRONMENT:
            return f"variable {cause.name} {_values(cause, _FEW)}"
        case Code.USER | Code.WORKDIR | Code.PLATFORM | Code.EPOCH:
            return f"{_TITLES[cause.code]} {_values(cause, _FEW)}"
        case Code.SHELL:
            return "SHELL changed"
        case Code.BASE:
            return f"the base {cause.name} changed"
        case Code.BASE_GONE:
            return f"the base {cause.name} is not unpacked in this store"
        case Code.FORMAT:
            return "another version of metalor"
        case Code.FILE:
            return _FILE[cause.change or Change.CONTENT].format(_cut(cause.name, _LONG, end=True))
        case Code.FILES:
            return "files changed"
        case Code.FETCHED:
            return f"{_cut(cause.name, _LONG)} gives something else"
        case Code.EXPIRED:
            return f"older than {_span(int(cause.new or 0))}"
        case Code.PART:
            return f"{cause.name} changed"
        case _:
            return _PLAIN[cause.code]


_TITLES: Final = {
    Code.USER: "user",
    Code.WORKDIR: "working directory",
    Code.PLATFORM: "platform",
    Code.EPOCH: "epoch",
}


def told(reason: Reason, root: str, *, again: str, first: bool = True) -> list[str]:
    """Why a step runs, in whole lines; what belongs to a line above begins with two spaces.

    Args:
        reason: why.
        root: what the step where it began is called.
        again: what is said of that one where it is what it was, as `ran again`.
        first: whether to say what happened there, too.

    """
    if reason.causes:
        return [line for cause in reason.causes for line in whole(cause)]
    because = f"because {root} {'changed' if reason.changed else again}"
    if not first:
        return [because]
    return [f"{because}:", *(f"  {line}" for cause in reason.first for line in whole(cause))]


def whole(cause: Cause) -> list[str]:
    """A cause in whole lines; what belongs to a line above begins with two spaces."""
    lines = _whole(cause)
    if cause.more:
        lines.append(f"and {cause.more} more files")
    return lines


def _whole(cause: Cause) -> list[str]:
    through = [f"  through line {cause.line}: {_cut(cause.via, _LONG)}"] if cause.line else []
    lock = [f"  {cause.via}"] if cause.via else []
    if cause.via and not cause.line:
        through = [f"  by a statement that is gone: {_cut(cause.via, _LONG)}"]
    match cause.code:
        case Code.STATEMENT:
            was, now = _differing(cause.old or "", cause.new or "")
            return ["the statement changed", f"  was: {was}", f"  now: {now}"]
        case Code.REMOVED_STATEMENT:
            return [f"a statement above was removed: {_cut(cause.name, _LONG)}"]
        case Code.MOVED_STATEMENT:
            return [f"statements changed their order: {_cut(cause.name, _LONG)}"]
        case Code.ARGUMENT:
            return [f"argument {cause.name}: {_values(cause)}", *through]
        case Code.ENVIRONMENT:
            return [f"environment variable {cause.name}: {_values(cause)}", *through]
        case Code.USER | Code.WORKDIR | Code.SHELL:
            title = _TITLES.get(cause.code, "SHELL")
            return [f"{title}: {_values(cause)}", *through]
        case Code.PLATFORM | Code.EPOCH:
            return [f"{_TITLES[cause.code]}: {_values(cause)}"]
        case Code.BASE:
            return [f"the base {cause.name}: {_values(cause)}", *lock]
        case Code.FORMAT:
            return [f"this version of metalor makes keys in another way: {_values(cause)}"]
        case Code.FILE:
            return [_FILE[cause.change or Change.CONTENT].format(_safe(cause.name)) + _file_values(cause)]
        case Code.FILES:
            return [cause.via or "files changed; which ones is not known any more"]
        case Code.FETCHED:
            return [f"{cause.name} gives something else: {_values(cause)}", *lock]
        case Code.EXPIRED:
            age, limit = int(cause.old or 0), int(cause.new or 0)
            return [f"its result is {_span(age)} old, and --fresh={_span(limit)} allows no more"]
        case Code.PART:
            return [f"{cause.name}: {_values(cause)}" if cause.old or cause.new else f"{cause.name} changed"]
        case _:
            return [_few(cause)]


def _file_values(cause: Cause) -> str:
    match cause.change:
        case Change.CONTENT | Change.MODE | Change.KIND | Change.TARGET | Change.OWNER:
            return f": {_values(cause)}" if cause.old or cause.new else ""
        case Change.IGNORED | Change.NOT_IGNORED:
            return f": {cause.via}" if cause.via else ""
        case _:
            return ""


def _values(cause: Cause, room: int = _LONG) -> str:
    was, now = (_value(each, room) for each in (cause.old, cause.new))
    if was == now and cause.old != cause.new:
        was, now = (_value(each, 1 << 20) for each in (cause.old, cause.new))
    return f"{was} → {now}"


def _value(text: str | None, room: int) -> str:
    if text is None:
        return "not set"
    if text.startswith("sha256:") and len(text) == 71:
        return text[: 7 + _DIGEST]
    return _cut(text, room) or '""'


def _differing(old: str, new: str) -> tuple[str, str]:
    """The first line of two texts that differs."""
    was, now = old.split("\n"), new.split("\n")
    at = next((at for at, (a, b) in enumerate(zip(was, now)) if a != b), min(len(was), len(now)))
    return (_cut(was[at].strip(), 2 * _LONG) if at < len(was) else "(ends)"), (
        _cut(now[at].strip(), 2 * _LONG) if at < len(now) else "(ends)"
    )


def _cut(text: str, room: int, end: bool = False) -> str:
    text = _safe(text.partition("\n")[0] + (" …" if "\n" in text else ""))
    if len(text) <= room:
        return text
    return "…" + text[1 - room :] if end else text[: room - 1] + "…"


def _safe(text: str) -> str:
    """A text without control characters, and what is no UTF-8 spelled out."""
    if text.isascii() and text.isprintable():
        return text
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else f"<U+{ord(char):04X}>" for char in text)


def _span(seconds: int) -> str:
    """`45s`, `10m`, `24h`, `3d4h`: the two largest units that there are."""
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2]) or "0s"


def cause_json(cause: Cause) -> Json:
    """A cause as `metalor why --format json` gives it: fields that hold nothing are left out."""
    found: dict[str, Json] = {"code": str(cause.code), "words": _few(cause)}
    for name in ("name", "old", "new", "via", "line", "more"):
        value = getattr(cause, name)
        if value not in ("", 0, None):
            found[name] = _sayable(value) if isinstance(value, str) else value
    if cause.change is not None:
        found["change"] = str(cause.change)
    return found


def causes_json(causes: Sequence[Cause]) -> list[Json]:
    """Several of them."""
    return [cause_json(cause) for cause in causes]


def _sayable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
