"""Typed values of flags and statements: paths, users, modes, durations, ports, signals, mounts.

Invariant: the checker and the evaluator read a value with the same function, so what `check` accepts is what runs.
"""

import posixpath
import re
from collections.abc import Callable

from metalor_lang.checker.platforms import PlatformError, parse_platform
from metalor_lang.diagnostics.suggest import nearest
from metalor_lang.hints import Final
from metalor_lang.pattern import pattern
from metalor_lang.record import dataclass
from metalor_lang.source import Span
from metalor_lang.syntax.statements import BY_WORD, ValueKind


class ValueProblem(ValueError):
    """A value is refused.

    `code`, `message` and `help` are as in a diagnostic, `span` is where it stands if that is known; those with the same
    `cause` are one mistake.

    """

    def __init__(self, code: str, message: str, help: str, span: Span | None = None, *, cause: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help
        self.span = span
        self.cause = cause


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheValue:
    """`PATH[,id=NAME][,sharing=…]`."""

    path: str
    id: str
    sharing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretValue:
    """`NAME[:PATH]`."""

    name: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BindValue:
    """`[origin:]SRC:DST`; `origin` is "" for the default context."""

    origin: str
    source: str
    destination: str


# --- plain values -------------------------------------------------------------------------------------------------


def absolute_path(text: str) -> str:
    """An absolute path, `.` and doubled slashes folded; `..` is refused, because a link may lie before it."""
    if text == "~" or text.startswith("~/"):
        help = f"write the home of the user it is for: /root{text[1:]}"
        raise ValueProblem("E0340", f"`{text}` is shell: `~` is a name like any other here", help)
    if not text.startswith("/"):
        raise ValueProblem("E0340", f"`{text}` is not an absolute path", f"write /{text.removeprefix('./')}")
    if ".." in text.split("/"):
        clean = posixpath.normpath("/" + text.lstrip("/"))
        raise ValueProblem("E0340", f"`{text}` has a `..` in it", f"write where it leads: {clean}")
    return posixpath.normpath("/" + text.lstrip("/"))


_GIVEN: Final = ("/dev", "/proc", "/sys")
_GIVEN_BELOW: Final = ("/proc/", "/sys/", "/dev/pts/", "/dev/fd/")


def mount_path(text: str) -> str:
    """An absolute path that is neither the root nor a place that every step is given by itself."""
    path = absolute_path(text)
    if path == "/":
        raise ValueProblem("E0340", "nothing can be mounted on `/`", "name a folder, such as /tmp")
    if path in _GIVEN or path.startswith(_GIVEN_BELOW):
        message = f"`{path}` belongs to the step itself: nothing else can be mounted there"
        raise ValueProblem("E0340", message, "name another folder, such as /tmp")
    return path


_USER = pattern(r"(?:[0-9]{1,10}|[A-Za-z_][A-Za-z0-9_.-]*\$?)")
_ID_LIMIT: Final = 2**32 - 2


def user(text: str) -> str:
    """`name-or-id[:group-or-id]`, as written."""
    name, colon, group = text.partition(":")
    for part, what in ((name, "user"), (group, "group")) if colon else ((name, "user"),):
        if not _USER.fullmatch(part):
            shown = f"`{part}` is no name or number of a {what}" if part else f"the {what} is missing"
            raise ValueProblem("E0341", shown, "write name-or-id[:group-or-id]: nobody, 1000 or 1000:1000")
        if part.isdigit() and int(part) > _ID_LIMIT:
            raise ValueProblem("E0341", f"{part} is too large for an id", f"ids end at {_ID_LIMIT}")
    return text


_OCTAL = pattern(r"[0-7]{3,4}")
_SYMBOLIC = pattern(r"[ugoa]*(?:[-+=][rwxXst]*)+(?:,[ugoa]*(?:[-+=][rwxXst]*)+)*")


def mode(text: str) -> str:
    """An octal mode of 3 or 4 digits, or a symbolic one as chmod(1) takes it."""
    if not _OCTAL.fullmatch(text) and not _SYMBOLIC.fullmatch(text):
        raise ValueProblem("E0342", f"`{text}` is no mode", "write octal digits (755, 0644) or symbols (u=rwX,go=rX)")
    return text


_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = pattern(r"(?:[0-9]{1,9}[smhd])+")


def duration(text: str) -> int:
    """A duration in seconds: numbers with s, m, h or d, such as 90s or 1h30m."""
    if not _DURATION.fullmatch(text):
        help = f"write {text}s for seconds" if text.isdigit() else "write a number and a unit: 30s, 10m, 24h, 7d"
        raise ValueProblem("E0343", f"`{text}` is no duration", help)
    seconds = sum(int(n) * _SECONDS[unit] for n, unit in re.findall(r"([0-9]+)([smhd])", text))
    if seconds == 0:
        raise ValueProblem("E0343", f"`{text}` is no time at all", "write at least 1s, or leave the flag out")
    return seconds


def network(text: str) -> str:
    """`host` or `none`."""
    if text not in ("host", "none"):
        near = nearest(text, ("host", "none")) or "none"
        raise ValueProblem("E0344", f"there is no network `{text}`", f"write --network=host or none: --network={near}")
    return text


_HEX64 = pattern(r"[0-9a-f]{64}")
_COMMIT = pattern(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def sha256(text: str) -> str:
    """64 lower-case hexadecimal digits."""
    if not _HEX64.fullmatch(text):
        plain = text.removeprefix("sha256:").lower()
        right = f"write --sha256={plain}" if _HEX64.fullmatch(plain) else "`sha256sum FILE` prints them"
        raise ValueProblem("E0345", "a SHA-256 is 64 lower-case hexadecimal digits", right)
    return text


def commit(text: str) -> str:
    """A whole commit hash: 40 or 64 lower-case hexadecimal digits."""
    if not _COMMIT.fullmatch(text):
        help = "`git rev-parse HEAD` prints it; a branch is --unpinned=main"
        if _COMMIT.fullmatch(text.lower()):
            help = f"write --commit={text.lower()}"
        raise ValueProblem("E0346", f"`{text}` is no whole commit hash", help)
    return text


_BRANCH = pattern(r"(?!.*(?:\.\.|//|@\{|\.lock$))[A-Za-z0-9_][A-Za-z0-9._/+@-]*(?<![./])")


def branch(text: str) -> str:
    """A name of a git branch or tag."""
    if not _BRANCH.fullmatch(text):
        raise ValueProblem("E0346", f"`{text}` is no name of a branch", "write --unpinned=main")
    return text


def platform(text: str) -> str:
    """`os/arch[/variant]`, as written."""
    try:
        parse_platform(text)
    except PlatformError as error:
        message, help = error.args
        raise ValueProblem("E0347", str(message), str(help)) from None
    return text


def glob(text: str) -> str:
    """A pattern of `--exclude`: one rule as in `.metalorignore`."""
    if not text.strip("/! ") or text.startswith("!"):
        raise ValueProblem("E0348", f"`{text}` excludes nothing", "write a name or a pattern: --exclude=*.md")
    return text


_ORIGIN = pattern(r"[A-Za-z][A-Za-z0-9_.-]*")


def origin(text: str) -> str:
    """The name of a stage or a context."""
    if text.isdigit():
        raise ValueProblem("E0318", "a stage has no number here", "name it, `FROM … AS build`, and write --from=build")
    if not _ORIGIN.fullmatch(text):
        image = re.fullmatch(r"(?:[\w.:-]+/)*(\w[\w.-]*)[:@][\w.:-]+", text)
        name = re.sub(r"[^a-z0-9_-]", "", image[1].lower()) if image else ""
        help = f"make it a stage: FROM {text} AS {name}, then --from={name}" if name else "name a stage: --from=build"
        raise ValueProblem("E0317", f"`{text}` is no name of a stage or context", help)
    return text


# --- mounts -------------------------------------------------------------------------------------------------------

_SHARING: Final = ("locked", "shared", "private")
_ID = pattern(r"[A-Za-z0-9/][A-Za-z0-9._/:@-]*")
_SECRET = pattern(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def cache(text: str) -> CacheValue:
    """The value of `--cache`."""
    path, *options = text.split(",")
    values: dict[str, str] = {}
    for option in options:
        key, equals, value = option.partition("=")
        if key not in ("id", "sharing") or not equals:
            near = nearest(key, ("id", "sharing")) or "id"
            shown = f"--cache has no option `{key}`" if key not in ("id", "sharing") else f"`{key}` needs a value"
            raise ValueProblem("E0349", shown, f"write --cache={path},{near}=" + ("locked" if near != "id" else "apt"))
        if key in values:
            raise ValueProblem("E0349", f"`{key}` stands twice", f"write one: --cache={path},{key}={value}")
        values[key] = value
    sharing = values.get("sharing", "shared")
    if sharing not in _SHARING:
        near = nearest(sharing, _SHARING) or "locked"
        help = f"it is one of locked, shared, private: --cache={path},sharing={near}"
        raise ValueProblem("E0349", f"there is no sharing `{sharing}`", help)
    name = values.get("id", path)
    if not _ID.fullmatch(name) and "id" in values:
        raise ValueProblem("E0349", f"`{name}` is no id of a cache", f"write --cache={path},id=apt")
    folder = mount_path(path)
    return CacheValue(path=folder, id=values.get("id", folder), sharing=sharing)


def secret(text: str) -> SecretValue:
    """The value of `--secret`."""
    name, colon, path = text.partition(":")
    if not _SECRET.fullmatch(name):
        raise ValueProblem("E0350", f"`{name}` is no name of a secret", "write --secret=NAME[:PATH]: --secret=token")
    return SecretValue(name=name, path=mount_path(path) if colon else f"/run/secrets/{name}")


def bind(text: str) -> BindValue:
    """The value of `--bind`."""
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(parts):
        help = "write --bind=[stage-or-context:]SRC:DST: --bind=src:/src"
        raise ValueProblem("E0351", f"`{text}` does not say what is shown where", help)
    name = origin(parts[0]) if len(parts) == 3 else ""
    source = parts[-2]
    if not name and source.startswith("/"):
        message = f"`{source}` is absolute, and a context has no root"
        raise ValueProblem("E0403", message, f"write it relative to the context: {source.lstrip('/') or '.'}")
    return BindValue(origin=name, source=source, destination=mount_path(parts[-1]))


# --- ports, signals, addresses ------------------------------------------------------------------------------------

_PORT = pattern(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(.*))?")
_PROTOCOLS: Final = ("tcp", "udp", "sctp")


def ports(text: str) -> tuple[str, ...]:
    """`port[-port][/tcp|udp|sctp]` as single ports with their protocol."""
    match = _PORT.fullmatch(text)
    if match is None:
        raise ValueProblem("E0352", f"`{text}` is no port", "write port[-port][/tcp|udp|sctp]: 80, 53/udp, 8000-8010")
    first, last, protocol = int(match[1]), int(match[2] or match[1]), match[3] if match[3] is not None else "tcp"
    if protocol not in _PROTOCOLS:
        near = nearest(protocol, _PROTOCOLS) or "tcp"
        raise ValueProblem("E0352", f"there is no protocol `{protocol}`", f"write {match[1]}/{near}")
    if not 1 <= first <= 65535 or not 1 <= last <= 65535:
        raise ValueProblem("E0352", f"`{text}` is out of range", "ports go from 1 to 65535")
    if last < first:
        raise ValueProblem("E0352", f"`{text}` ends before it starts", f"write {last}-{first}")
    return tuple(f"{number}/{protocol}" for number in range(first, last + 1))


SIGNALS: Final = (
    "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1", "SIGSEGV",
    "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN",
    "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS",
    "SIGRTMIN", "SIGRTMAX", "SIGIOT", "SIGPOLL",
)  # fmt: skip
_REALTIME = pattern(r"SIGRTMIN\+([0-9]{1,2})|SIGRTMAX-([0-9]{1,2})")


def signal(text: str) -> str:
    """A signal's name with SIG, or its number from 1 to 64; as written."""
    if text in SIGNALS or (text.isdigit() and text.isascii() and 1 <= int(text) <= 64):
        return text
    realtime = _REALTIME.fullmatch(text)
    if realtime is not None and int(realtime[1] or realtime[2]) <= 30:
        return text
    near = nearest(text, SIGNALS) if text.upper().startswith("SIG") else nearest(f"SIG{text}", (*SIGNALS, f"SIG{text}"))
    guess = f"SIG{text.upper()}" if f"SIG{text.upper()}" in SIGNALS else near or "SIGTERM"
    raise ValueProblem("E0353", f"there is no signal `{text}`", f"write {guess}")


def _url(text: str, schemes: tuple[str, ...], example: str) -> str:
    scheme, mark, rest = text.partition("://")
    host, _, path = rest.partition("/")
    usual = bool(host) if scheme != "file" else bool(path)
    if not mark or scheme not in schemes or not usual or any(c.isspace() or not c.isprintable() for c in text):
        shown = _without_password(text)
        raise ValueProblem("E0354", f"`{shown}` is no address that can be fetched", f"write {example}")
    if "@" in host and (scheme in ("http", "https", "file") or ":" in host.rpartition("@")[0]):
        # Not shown: the recipe's reader may have it, the reader of a log need not.
        server = host.rpartition("@")[2]
        message = f"an address with a name or password in it, for {server}: everybody could read it"
        help = f"put them into ~/.netrc: machine {server.partition(':')[0]} login USER password PASSWORD"
        raise ValueProblem("E0354", message, help)
    return text


def _without_password(text: str) -> str:
    head, mark, rest = text.partition("://")
    host, slash, path = rest.partition("/")
    return f"{head}{mark}…@{host.rpartition('@')[2]}{slash}{path}" if mark and "@" in host else text


def fetch_url(text: str) -> str:
    """An http or https address, or a file of this machine."""
    return _url(text, ("https", "http", "file"), "https://example.org/tool.tar.gz")


def last_name(url: str) -> str:
    """The name of the file that an address ends with; "" where it has none that a file could have."""
    from urllib.parse import unquote, urlsplit

    try:
        name = unquote(urlsplit(url).path.rpartition("/")[2])
    except ValueError:
        return ""
    usual = name not in ("", ".", "..") and "/" not in name and "\0" not in name
    return name if usual and len(name.encode("utf-8", "surrogateescape")) <= 255 else ""


def git_url(text: str) -> str:
    """An address of a repository."""
    return _url(text, ("https", "http", "ssh", "git"), "https://example.org/tool.git")


def file_path(text: str) -> str:
    """A destination that names a file."""
    if not text or text.endswith("/") or text.rpartition("/")[2] in (".", ".."):
        raise ValueProblem("E0355", f"`{text}` names a folder, not a file", f"write {text.rstrip('/.')}/name")
    return text


def some_path(text: str) -> str:
    """A path that is not empty."""
    if not text:
        raise ValueProblem("E0355", "the path is empty", "name a file or a folder; the current folder is `.`")
    return text


# --- the table ----------------------------------------------------------------------------------------------------

PARSERS: Final[dict[ValueKind, Callable[[str], object]]] = {
    ValueKind.PLATFORM: platform,
    ValueKind.CACHE: cache,
    ValueKind.SECRET: secret,
    ValueKind.BIND: bind,
    ValueKind.PATH: absolute_path,
    ValueKind.NETWORK: network,
    ValueKind.DURATION: duration,
    ValueKind.USER: user,
    ValueKind.STAGE: origin,
    ValueKind.MODE: mode,
    ValueKind.GLOB: glob,
    ValueKind.SHA256: sha256,
    ValueKind.COMMIT: commit,
    ValueKind.BRANCH: branch,
}
"""How the value of a flag is read, by its kind; NAME (`--arg`) is a matter of scopes."""


def parser_of(word: str, flag: str) -> Callable[[str], object] | None:
    """How the value of a statement's flag is read; None for flags without a value and for `--arg`."""
    if flag == "tmpfs":
        return mount_path
    spec = BY_WORD[word].flag(flag) if word in BY_WORD else None
    return None if spec is None else PARSERS.get(spec.value)
