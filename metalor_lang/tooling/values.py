"""What a value can be, by what it stands for: the flags' kinds and the words of statements.

Invariant: every kind of flag value and every statement has a row; a row that lists nothing says that the text is free.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from metalor_lang.checker.flags import SIGNALS
from metalor_lang.checker.platforms import ARCHITECTURES, host_platform
from metalor_lang.hints import Final
from metalor_lang.record import dataclass
from metalor_lang.syntax.ast import UnsetKind
from metalor_lang.syntax.statements import ValueKind
from metalor_lang.tooling import paths
from metalor_lang.tooling.items import ItemKind, Place, Surroundings, Where
from metalor_lang.tooling.paths import Candidate
from metalor_lang.tooling.scope import Scope
from metalor_lang.tooling.slots import Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A value at the cursor: `written` is what stands of it, expanded; the rest is where it stands."""

    written: str
    slot: Slot
    scope: Scope
    around: Surroundings
    origin: str = ""
    """The value of `--from` of the statement."""


Source = Callable[[Asked], Iterable[Candidate]]


def _free(asked: Asked) -> Iterable[Candidate]:
    """Text of the user's own."""
    return ()


def _of(*rows: tuple[str, str], kind: ItemKind = ItemKind.VALUE) -> Source:
    candidates = tuple(Candidate(text=text, kind=kind, help=help) for text, help in rows)
    return lambda asked: candidates


def _platforms(asked: Asked) -> Iterator[Candidate]:
    here = str(host_platform())
    for arch in ARCHITECTURES:
        text = f"linux/{arch}"
        yield Candidate(text=text, kind=ItemKind.VALUE, help="this machine's" if here.startswith(text) else "")


def _stages(asked: Asked) -> Iterator[Candidate]:
    for name in asked.scope.stages:
        yield Candidate(text=name, kind=ItemKind.STAGE, help="an earlier stage")
    for name, folder in asked.around.contexts().items():
        yield Candidate(text=name, kind=ItemKind.CONTEXT, help=f"the context {folder}")


def _arguments(asked: Asked) -> Iterator[Candidate]:
    for name, value in asked.scope.arguments.items():
        yield Candidate(text=name, kind=ItemKind.ARGUMENT, help="" if value is None else value)


def _users(asked: Asked) -> Iterator[Candidate]:
    cut = asked.written.rfind(":") + 1
    for name, number in asked.around.users().items():
        yield Candidate(text=name, kind=ItemKind.USER, help=number, cut=cut)


def _bind(asked: Asked) -> Iterator[Candidate]:
    parts = asked.written.split(":")
    origins = (*asked.scope.stages, *asked.around.contexts())
    if len(parts) == 1:
        for each in _stages(asked):
            yield Candidate(text=each.text, kind=each.kind, help=each.help, suffix=":", open=True)
        yield from paths.candidates(asked.around, Place(where=Where.CONTEXT), parts[0], closed=":")
    elif len(parts) == 2 and parts[0] in origins:
        yield from paths.candidates(asked.around, origin_place(asked.scope, parts[0]), parts[1], asked.written, ":")
    else:
        yield from paths.candidates(asked.around, Place(where=Where.HERE), parts[-1], asked.written)


_CACHES: Final = (
    ("/var/cache/apt", "packages that apt has fetched"), ("/var/lib/apt/lists", "apt's lists of packages"),
    ("/root/.cache", "caches of many tools, for root"), ("/root/.npm", "packages that npm has fetched"),
    ("/root/go/pkg/mod", "modules that go has fetched"), ("/usr/local/cargo/registry", "crates that cargo has fetched"),
)  # fmt: skip


def _cache(asked: Asked) -> Iterator[Candidate]:
    head, comma, _ = asked.written.rpartition(",")
    if not comma:
        for path, help in _CACHES:
            yield Candidate(text=path, kind=ItemKind.VALUE, help=help)
        yield from _here(asked)
        return
    cut = len(head) + 1
    for text, help in (
        ("sharing=locked", "one step at a time"), ("sharing=shared", "several steps at once"),
        ("sharing=private", "each step its own while it runs"),
    ):  # fmt: skip
        yield Candidate(text=text, kind=ItemKind.VALUE, help=help, cut=cut)
    yield Candidate(text="id=", kind=ItemKind.VALUE, help="the name by which steps share it", cut=cut, open=True)


def _here(asked: Asked) -> Iterable[Candidate]:
    return paths.candidates(asked.around, Place(where=Where.HERE), asked.written)


def _folders_here(asked: Asked) -> Iterable[Candidate]:
    return (each for each in _here(asked) if each.kind is ItemKind.FOLDER)


_DURATIONS = _of(
    ("30s", "half a minute"), ("10m", "ten minutes"), ("1h", "an hour"), ("24h", "a day"), ("7d", "a week")
)
_MODES = _of(
    ("755", "everybody may read and run it"), ("644", "everybody may read it"), ("600", "for its owner alone"),
    ("u=rwX,go=rX", "as 755 for folders and programs, 644 for other files"),
)  # fmt: skip

FLAG_VALUES: Final[Mapping[ValueKind, Source]] = {
    ValueKind.NONE: _free,
    ValueKind.PLATFORM: _platforms,
    ValueKind.CACHE: _cache,
    ValueKind.SECRET: _free,
    ValueKind.BIND: _bind,
    ValueKind.PATH: _folders_here,
    ValueKind.NETWORK: _of(("none", "loopback only"), ("host", "the host's network")),
    ValueKind.DURATION: _DURATIONS,
    ValueKind.NAME: _arguments,
    ValueKind.USER: _users,
    ValueKind.STAGE: _stages,
    ValueKind.MODE: _MODES,
    ValueKind.GLOB: _of(("*.md", "files of that name, at any depth"), (".git", "the repository"),
                        ("/docs", "the one at the top")),
    ValueKind.SHA256: _free,
    ValueKind.COMMIT: _free,
    ValueKind.BRANCH: _of(("main", "the usual branch")),
}  # fmt: skip


# ---- words of statements -----------------------------------------------------------------------------------------

_LOCAL: Final = (
    ("oci:", "an OCI layout: a folder"), ("oci-archive:", "an OCI layout in a tar file"),
    ("docker-archive:", "what `docker save` writes"), ("rootfs:", "a folder or tar file with a whole tree"),
)  # fmt: skip


def _bases(asked: Asked) -> Iterator[Candidate]:
    for transport, _ in _LOCAL:
        if asked.written.startswith(transport):
            path = asked.written[len(transport) :]
            if ":" not in path:
                for each in paths.candidates(asked.around, Place(where=Where.MACHINE), path, asked.written):
                    if transport != "oci:" or each.kind is ItemKind.FOLDER:
                        yield each
            return
    earlier = (*asked.scope.stages, asked.scope.current) if asked.scope.current else asked.scope.stages
    for name in reversed(earlier):
        yield Candidate(text=name, kind=ItemKind.STAGE, help="an earlier stage")
    for name, note in asked.around.images().items():
        yield Candidate(text=name, kind=ItemKind.IMAGE, help=note)
    yield Candidate(text="scratch", kind=ItemKind.IMAGE, help="the empty base")
    for text, help in _LOCAL:
        yield Candidate(text=text, kind=ItemKind.VALUE, help=help, open=True)


def origin_place(scope: Scope, name: str) -> Place:
    """The tree that a name behind `--from` means."""
    return Place(where=Where.STAGE if name in scope.stages else Where.CONTEXT, name=name)


def _copy(asked: Asked) -> Iterator[Candidate]:
    yield from paths.candidates(asked.around, origin_place(asked.scope, asked.origin), asked.written, globs=True)
    if asked.slot.index:
        yield from _here(asked)


def _programs(asked: Asked) -> Iterator[Candidate]:
    if asked.slot.index == 0 and "/" not in asked.written:
        yield from programs(asked.scope, asked.around)
    elif "/" in asked.written or asked.slot.index == 0:
        yield from _here(asked)


def programs(scope: Scope, around: Surroundings) -> Iterator[Candidate]:
    """The programs on the PATH of the state at the cursor."""
    path = scope.environment.get("PATH") or around.environment().get("PATH") or "/usr/bin:/bin"
    seen = set()
    for folder in path.split(":"):
        for entry in around.entries(Place(where=Where.HERE), folder):
            if not entry.folder and entry.name not in seen:
                seen.add(entry.name)
                yield Candidate(text=entry.name, kind=ItemKind.PROGRAM, help=folder)


def _shells(asked: Asked) -> Iterator[Candidate]:
    if asked.slot.index == 0:
        yield from _here(asked)
    elif asked.slot.index == 1:
        yield from _of(("-euc", "stop at the first failure"), ("-c", "the text comes next"))(asked)


def _unset(asked: Asked) -> Iterator[Candidate]:
    kind = UnsetKind(asked.slot.what)
    for name in asked.scope.set.get(kind, ()):
        yield Candidate(text=name, kind=ItemKind.KEY, help="set in this stage")
    if kind is UnsetKind.ENV:
        for name, value in asked.around.environment().items():
            yield Candidate(text=name, kind=ItemKind.VARIABLE, help=value)


def _ports(asked: Asked) -> Iterator[Candidate]:
    digits = asked.written.partition("/")[0]
    rows = ((f"{digits}/tcp", "TCP, as without it"), (f"{digits}/udp", "UDP")) if digits.isdigit() else (
        ("80/tcp", "web"), ("443/tcp", "web, encrypted"), ("8080/tcp", "web, for a user"))  # fmt: skip
    yield from _of(*rows)(asked)


WORDS: Final[Mapping[str, Source]] = {
    "RECIPE": _of(("1", "the version of the language")),
    "ARG": _free,
    "FROM": _bases,
    "ENV": _free,
    "LABEL": _free,
    "ANNOTATE": _free,
    "UNSET": _unset,
    "WORKDIR": _folders_here,
    "USER": _users,
    "EXPOSE": _ports,
    "VOLUME": _folders_here,
    "STOPSIGNAL": _of(*((name, "") for name in SIGNALS)),
    "SHELL": _shells,
    "RUN": _programs,
    "SH": _free,  # what it holds belongs to the shell: see `shell`
    "COPY": _copy,
    "FILE": _here,
    "FETCH": lambda asked: _here(asked) if asked.slot.index else _of(("https://", "where it is fetched from"))(asked),
    "GIT": lambda asked: _here(asked) if asked.slot.index else _of(("https://", "the repository"))(asked),
    "TEST": _free,  # its step's row counts
    "LAYER": _free,
    "ENTRYPOINT": _programs,
    "CMD": _programs,
    "IF": _free,
    "ELSE": _free,
    "FOR": _free,
    "DEFINE": _free,
    "END": _free,
    "USE": _free,
    "IMPORT": lambda asked: paths.candidates(asked.around, Place(where=Where.MACHINE), asked.written),
}

KEYS: Final = (
    ("org.opencontainers.image.title", "its name for people"), ("org.opencontainers.image.description", "a sentence"),
    ("org.opencontainers.image.version", "of what is packaged"), ("org.opencontainers.image.revision", "of the source"),
    ("org.opencontainers.image.source", "where the source is"), ("org.opencontainers.image.url", "to know more"),
    ("org.opencontainers.image.documentation", "where it is documented"),
    ("org.opencontainers.image.licenses", "an SPDX expression"), ("org.opencontainers.image.authors", "who answers"),
    ("org.opencontainers.image.vendor", "who gives it out"), ("org.opencontainers.image.created", "RFC 3339"),
    ("org.opencontainers.image.ref.name", "a reference"), ("org.opencontainers.image.base.name", "of the base"),
    ("org.opencontainers.image.base.digest", "of the base's manifest"),
)  # fmt: skip
"""The keys that the OCI image specification defines (annotations.md)."""
