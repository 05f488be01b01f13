"""The text of a lock: JSON that is read in diffs and merged, one fact a line.

Invariant: read(write(lock)) == lock, and equal locks are equal bytes; what is not understood whole is refused with its
place, because a fact that is passed over is a fact that is not kept.
"""

import json
from collections.abc import Mapping

from metalor_lang.checker.platforms import PlatformError, parse_platform
from metalor_lang.checker.program import Platform
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.digest import Json, valid_digest
from metalor_lang.hints import Final, NoReturn
from metalor_lang.pattern import pattern
from metalor_lang.plan.graph import BaseInfo, ImageState
from metalor_lang.plan.lock import VERSION, Lock, settled_info
from metalor_lang.record import dataclass
from metalor_lang.source import SourceFile, Span

_DAMAGED: Final = "E0701"
_CONFLICT: Final = "E0702"
_NEWER: Final = "E0703"
SECTIONS: Final = ("version", "platforms", "bases", "fetch", "git", "imports")
FACTS: Final = (
    "digest", "platform", "created", "user", "workdir", "env", "entrypoint", "cmd", "labels", "exposed", "volumes",
    "stop_signal", "onbuild",
)  # fmt: skip

_UNSEEN = pattern("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
"""Characters that a person who reads a diff would not see, or would see others in their place."""

# --- writing ------------------------------------------------------------------------------------------------------


def write_lock(lock: Lock) -> str:
    """The text of a lock."""
    value: dict[str, Json] = {"version": VERSION, "platforms": sorted(str(each) for each in lock.platforms)}
    if lock.bases:
        value["bases"] = {
            name: {
                str(platform): _facts(info) for platform, info in sorted(found.items(), key=lambda each: str(each[0]))
            }
            for name, found in sorted(lock.bases.items())
        }
    if lock.fetched:
        value["fetch"] = {url: f"sha256:{digest}" for url, digest in sorted(lock.fetched.items())}
    if lock.commits:
        value["git"] = {url: dict(sorted(found.items())) for url, found in sorted(lock.commits.items())}
    if lock.imports:
        value["imports"] = {path: f"sha256:{digest}" for path, digest in sorted(lock.imports.items())}
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return _UNSEEN.sub(lambda match: f"\\u{ord(match.group()):04x}", text) + "\n"


def _facts(info: BaseInfo) -> dict[str, Json]:
    info = settled_info(info)
    state = info.state
    found: dict[str, Json] = {
        "digest": info.digest,
        "platform": None if info.platform is None else str(info.platform),
        "created": info.created,
        "user": state.user or None,
        "workdir": None if state.workdir in ("", "/") else state.workdir,
        "env": [f"{name}={value}" for name, value in state.env] or None,
        "entrypoint": None if state.entrypoint is None else list(state.entrypoint),
        "cmd": None if state.cmd is None else list(state.cmd),
        "labels": dict(state.labels) or None,
        "exposed": list(state.exposed) or None,
        "volumes": list(state.volumes) or None,
        "stop_signal": state.stop_signal or None,
        "onbuild": list(info.onbuild) or None,
    }
    return {name: value for name, value in found.items() if value is not None}


# --- reading ------------------------------------------------------------------------------------------------------

_MARK = pattern(r"(?m)^(?:<<<<<<<|=======|>>>>>>>|\|\|\|\|\|\|\|)(?: .*)?$")
_COMMIT = pattern(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_OF_OTHERS: Final = "this is no lock of a recipe"
_Path = tuple[str | int, ...]


class _Wrong(Exception):
    """What is wrong at a place of the document."""

    def __init__(self, path: _Path, message: str, code: str = _DAMAGED) -> None:
        super().__init__(message)
        self.path = path
        self.message = message
        self.code = code


def read_lock(source: SourceFile, again: str) -> tuple[Lock | None, tuple[Diagnostic, ...]]:
    """Read a lock.

    Args:
        source: its text.
        again: the command that writes it, for help.

    Returns:
        the lock, or None with one error whose span lies in `source`.

    """
    remedy = f"bring back the file as it was, or remove it and write it anew: {again}"
    try:
        value = json.loads(source.text, object_pairs_hook=_Object)
    except json.JSONDecodeError as error:
        mark = _MARK.search(source.text)
        if mark is not None:
            help = f"keep the lines of either side and remove the marks, then let it be put right: {again}"
            return None, (_at(_CONFLICT, "two sides of a merge stand here", Span(*mark.span()), help),)
        if not source.text.strip():
            return None, (_at(_DAMAGED, "the lock is empty", Span(0, 0), remedy),)
        if not source.text.lstrip().startswith("{"):
            return None, (_at(_DAMAGED, _OF_OTHERS, Span(0, 0), _rename(source, again)),)
        end = min(error.pos + 1, len(source.text))
        message = f"this is no JSON: {error.msg.removesuffix(' starting at')}"
        return None, (_at(_DAMAGED, message, Span(min(error.pos, end), end), remedy),)
    except RecursionError:
        return None, (_at(_DAMAGED, "this is no lock: too deep", Span(0, 0), remedy),)
    if not isinstance(value, dict) or (value.keys() - {*SECTIONS} and not value.keys() & {*SECTIONS[1:]}):
        return None, (_at(_DAMAGED, _OF_OTHERS, Span(0, 0), _rename(source, again)),)
    try:
        return _Reader(value).lock(), ()
    except _Wrong as wrong:
        help = (
            "take a newer metalor, or remove the file and write it anew: " + again if wrong.code == _NEWER else remedy
        )
        return None, (_at(wrong.code, wrong.message, place(source.text, wrong.path), help),)


def _rename(source: SourceFile, again: str) -> str:
    name = source.path.rpartition("/")[2]
    return f"if {name} is another program's, give the recipe another name; else remove it and write it anew: {again}"


def _at(code: str, message: str, span: Span, help: str) -> Diagnostic:
    return Diagnostic(code=code, message=message, span=span, help=help)


class _Object(dict[str, object]):
    """A JSON object that remembers a name that stands twice: the rest of a merge that went wrong."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        seen: set[str] = set()
        self.twice: str | None = None
        for name, _ in pairs:
            if name in seen:
                self.twice = name
            seen.add(name)


_EMPTY: Final = _Object([])


@dataclass(frozen=True, slots=True)
class _Reader:
    """Walks the document; every method raises _Wrong with the place."""

    value: object

    def lock(self) -> Lock:
        top = self._object(self.value, (), None)
        version = top.get("version")
        if type(version) is not int:
            self._refuse(("version",) if "version" in top else (), "a lock begins with its version, a number")
        if version != VERSION:
            self._refuse(
                ("version",),
                f"this lock has the version {version}, and this metalor reads {VERSION}",
                _NEWER if version > VERSION else _DAMAGED,
            )
        self._object(self.value, (), SECTIONS)
        return Lock(
            platforms=tuple(
                self._platform(each, ("platforms", number))
                for number, each in enumerate(self._list(top.get("platforms"), ("platforms",)))
            ),
            bases={
                name: {
                    self._platform(platform, ("bases", name, platform)): self._base(facts, ("bases", name, platform))
                    for platform, facts in self._object(found, ("bases", name), None).items()
                }
                for name, found in self._object(top.get("bases", _EMPTY), ("bases",), None).items()
            },
            fetched=self._hashes(top, "fetch"),
            commits={
                url: {
                    branch: self._commit(commit, ("git", url, branch))
                    for branch, commit in self._object(found, ("git", url), None).items()
                }
                for url, found in self._object(top.get("git", _EMPTY), ("git",), None).items()
            },
            imports=self._hashes(top, "imports"),
        )

    def _hashes(self, top: Mapping[str, object], section: str) -> dict[str, str]:
        return {
            name: self._digest(digest, (section, name)).removeprefix("sha256:")
            for name, digest in self._object(top.get(section, _EMPTY), (section,), None).items()
        }

    def _base(self, value: object, path: _Path) -> BaseInfo:
        facts = self._object(value, path, FACTS)

        def text(name: str, default: str = "") -> str:
            return self._text(facts[name], (*path, name)) if name in facts else default

        def texts(name: str) -> tuple[str, ...]:
            return self._texts(facts[name], (*path, name)) if name in facts else ()

        created = facts.get("created")
        if created is not None and type(created) is not int:
            self._refuse((*path, "created"), "a time is a number of seconds since 1970")
        env = []
        for number, item in enumerate(texts("env")):
            name, equals, setting = item.partition("=")
            if not equals or not name:
                self._refuse((*path, "env", number), "a variable is written NAME=value")
            env.append((name, setting))
        labels = self._object(facts.get("labels", _EMPTY), (*path, "labels"), None)
        state = ImageState(
            env=tuple(env),
            user=text("user"),
            workdir=text("workdir", "/"),
            entrypoint=texts("entrypoint") if "entrypoint" in facts else None,
            cmd=texts("cmd") if "cmd" in facts else None,
            labels=tuple((name, self._text(each, (*path, "labels", name))) for name, each in labels.items()),
            exposed=texts("exposed"),
            volumes=texts("volumes"),
            stop_signal=text("stop_signal"),
        )
        return settled_info(
            BaseInfo(
                digest=self._digest(facts.get("digest"), (*path, "digest") if "digest" in facts else path),
                state=state,
                platform=_any_platform(text("platform")) if "platform" in facts else None,
                created=created,
                onbuild=texts("onbuild"),
            )
        )

    def _refuse(self, path: _Path, message: str, code: str = _DAMAGED) -> NoReturn:
        raise _Wrong(path, message, code)

    def _object(self, value: object, path: _Path, names: tuple[str, ...] | None) -> Mapping[str, object]:
        if not isinstance(value, _Object):
            self._refuse(path, "here must stand an object: { … }")
        if value.twice is not None:
            self._refuse((*path, value.twice), f"`{value.twice}` stands here twice")
        if names is not None:
            for name in value:
                if name not in names:
                    self._refuse((*path, name), f"a lock has no `{name}` here")
        return value

    def _list(self, value: object, path: _Path) -> list[object]:
        if not isinstance(value, list):
            self._refuse(path, "here must stand a list: [ … ]")
        return value

    def _text(self, value: object, path: _Path) -> str:
        if not isinstance(value, str):
            self._refuse(path, "here must stand a text, in double quotes")
        if not value.isascii() and not value.isprintable() and any("\ud800" <= each <= "\udfff" for each in value):
            self._refuse(path, "half a surrogate pair is no character")
        return value

    def _texts(self, value: object, path: _Path) -> tuple[str, ...]:
        return tuple(self._text(each, (*path, number)) for number, each in enumerate(self._list(value, path)))

    def _digest(self, value: object, path: _Path) -> str:
        if not isinstance(value, str) or not valid_digest(value):
            self._refuse(path, "here must stand a digest: sha256: and 64 digits of 0-9a-f")
        return value

    def _commit(self, value: object, path: _Path) -> str:
        if not isinstance(value, str) or not _COMMIT.fullmatch(value):
            self._refuse(path, "here must stand the hash of a commit: 40 or 64 digits of 0-9a-f")
        return value

    def _platform(self, value: object, path: _Path) -> Platform:
        text = self._text(value, path)
        try:
            return parse_platform(text)
        except PlatformError as error:
            self._refuse(path, error.args[0])


def _any_platform(text: str) -> Platform:
    """The platform that an image says it is for, which may be one that nothing is built for."""
    system, _, rest = text.partition("/")
    arch, _, variant = rest.partition("/")
    return Platform(os=system, arch=arch, variant=variant)


# --- places -------------------------------------------------------------------------------------------------------

_TOKEN = pattern(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


def place(text: str, path: _Path) -> Span:
    """Where the value at a path stands in a JSON text, with its name; of a name that stands twice, the second."""
    tokens = [(match.group(), Span(*match.span())) for match in _TOKEN.finditer(text)]
    try:
        return _find(tokens, 0, path)[1] or Span(0, 0)
    except RecursionError:
        return Span(0, 0)


def _find(tokens: list[tuple[str, Span]], at: int, path: _Path | None) -> tuple[int, Span | None]:
    """The token behind the value that begins at one, and where a path into that value leads (None leads nowhere)."""
    opener, span = tokens[at]
    found = span if path == () else None
    at += 1
    if opener not in ("{", "["):
        return at, found
    number = 0
    while tokens[at][0] not in ("}", "]"):
        name: str | int = number
        begins = tokens[at][1]
        if opener == "{":
            name = json.loads(tokens[at][0])
            at += 2  # the name and its colon
        meant = path[1:] if path and path[0] == name else None
        simple = tokens[at][0] not in ("{", "[")
        at, inner = _find(tokens, at, meant)
        if inner is not None:
            found = inner if meant else begins.to(inner) if simple else begins
        number += 1
        at += tokens[at][0] == ","
    return at + 1, found
