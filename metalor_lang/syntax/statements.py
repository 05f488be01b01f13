"""The table of statements: words, forms, flags. The parser, the checker's messages, help, completion and docs read it.

Invariant: every statement of the grammar has one row, in the order in which people meet them.
"""

from enum import StrEnum

from metalor_lang.record import dataclass, field


class ValueKind(StrEnum):
    """What the value of a flag is; NONE for a flag without a value."""

    NONE = "none"
    PLATFORM = "platform"
    CACHE = "cache"
    SECRET = "secret"
    BIND = "bind"
    PATH = "path"
    NETWORK = "network"
    DURATION = "duration"
    NAME = "name"
    USER = "user"
    STAGE = "stage"
    MODE = "mode"
    GLOB = "glob"
    SHA256 = "sha256"
    COMMIT = "commit"
    BRANCH = "branch"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagSpec:
    """A flag: its name without dashes, what its value is, an example of it, and what it does."""

    name: str
    value: ValueKind
    example: str
    summary: str
    repeats: bool = False

    @property
    def takes_value(self) -> bool:
        """Whether `=value` must follow."""
        return self.value is not ValueKind.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementSpec:
    """A statement.

    Args:
        word: its first word.
        forms: how it is written, one line a form.
        example: one right statement.
        summary: one sentence without a final full stop.
        flags: the flags it takes, in the order help shows them.
        since: the language version that brought it.

    """

    word: str
    forms: tuple[str, ...]
    example: str
    summary: str
    flags: tuple[FlagSpec, ...] = ()
    since: int = 1
    _by_name: dict[str, FlagSpec] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_name.update((flag.name, flag) for flag in self.flags)

    def flag(self, name: str) -> FlagSpec | None:
        """The flag of a name, if the statement takes it."""
        return self._by_name.get(name)


def _flag(name: str, value: ValueKind, example: str, summary: str, *, repeats: bool = False) -> FlagSpec:
    return FlagSpec(name=name, value=value, example=example, summary=summary, repeats=repeats)


FRESH = _flag("fresh", ValueKind.DURATION, "--fresh=24h", "do it again when the result is older than this")

STEP_FLAGS = (
    _flag("cache", ValueKind.CACHE, "--cache=/var/cache/apt", "keep a folder between builds, out of the image",
          repeats=True),
    _flag("secret", ValueKind.SECRET, "--secret=token", "give the step a secret as a file in memory", repeats=True),
    _flag("bind", ValueKind.BIND, "--bind=src:/src", "show a folder of a context or stage, read-only", repeats=True),
    _flag("tmpfs", ValueKind.PATH, "--tmpfs=/tmp", "an empty folder in memory", repeats=True),
    _flag("network", ValueKind.NETWORK, "--network=none", "the network that the step sees: host or none"),
    _flag("timeout", ValueKind.DURATION, "--timeout=30s", "end the step after this time"),
    _flag("arg", ValueKind.NAME, "--arg=NAME", "put an ARG into the step's environment", repeats=True),
    _flag("user", ValueKind.USER, "--user=nobody", "run this step as another user"),
    _flag("workdir", ValueKind.PATH, "--workdir=/src", "run this step in another folder"),
    FRESH,
)  # fmt: skip

OWNER_FLAGS = (
    _flag("chown", ValueKind.USER, "--chown=1000:1000", "who owns what is written"),
    _flag("chmod", ValueKind.MODE, "--chmod=755", "the mode of what is written"),
)


def _row(
    word: str, forms: str | tuple[str, ...], example: str, summary: str, flags: tuple[FlagSpec, ...] = ()
) -> StatementSpec:
    forms = (forms,) if isinstance(forms, str) else forms
    return StatementSpec(word=word, forms=forms, example=example, summary=summary, flags=flags)


_BLOCK = "'''"

STATEMENTS: tuple[StatementSpec, ...] = (
    _row("RECIPE", "RECIPE 1", "RECIPE 1", "The version of the language, on the first line if anywhere"),
    _row("ARG", ("ARG [--public] NAME", "ARG [--public] NAME=value"), "ARG VERSION=1.4.2",
         "Declares an argument of the build, with or without a default",
         (_flag("public", ValueKind.NONE, "--public", "the value is no secret, whatever its name looks like"),)),
    _row("FROM", "FROM [--platform=os/arch] base [AS stage]", "FROM debian:12 AS build",
         "Starts a stage on an image, an earlier stage, a local tree or nothing",
         (_flag("platform", ValueKind.PLATFORM, "--platform=linux/amd64", "the platform of the base image"),)),
    _row("ENV", "ENV NAME=value …", "ENV LANG=C.UTF-8", "Sets variables for later steps and the image"),
    _row("LABEL", "LABEL key=value …", 'LABEL org.opencontainers.image.title="My site"', "Sets labels of the image"),
    _row("ANNOTATE", "ANNOTATE key=value …", "ANNOTATE org.opencontainers.image.version=1.0",
         "Sets annotations of the image's manifest"),
    _row("UNSET",
         ("UNSET ENV NAME", "UNSET LABEL key", "UNSET VOLUME path", "UNSET EXPOSE port", "UNSET CMD",
          "UNSET ENTRYPOINT", "UNSET USER", "UNSET WORKDIR", "UNSET STOPSIGNAL"),
         "UNSET ENTRYPOINT", "Takes away what the base image set"),
    _row("WORKDIR", "WORKDIR /path", "WORKDIR /src", "Creates a folder; later steps run in it"),
    _row("USER", "USER name-or-id[:group-or-id]", "USER nobody",
         "Later steps and the image's program run as this user"),
    _row("EXPOSE", "EXPOSE port[/protocol] …", "EXPOSE 80/tcp", "Says which ports the program listens on"),
    _row("VOLUME", "VOLUME /path …", "VOLUME /data", "Says which folders hold data; writes to them are kept"),
    _row("STOPSIGNAL", "STOPSIGNAL signal", "STOPSIGNAL SIGTERM", "The signal that ends the program"),
    _row("SHELL", 'SHELL ["program", "argument", …]', 'SHELL ["/bin/bash", "-euo", "pipefail", "-c"]',
         "The shell that later SH steps use"),
    _row("RUN", 'RUN [flags] ["program", "argument", …]', 'RUN ["make", "install"]',
         "Runs a program, without a shell", STEP_FLAGS),
    _row("SH", ("SH [flags] shell text", f"SH [flags] {_BLOCK} block {_BLOCK}"), "SH apt-get update",
         "Runs shell text; the first failure fails the step", STEP_FLAGS),
    _row("COPY", "COPY [flags] source… destination", "COPY src/ /src/",
         "Copies files from the context, a named context or a stage",
         (_flag("from", ValueKind.STAGE, "--from=build", "the stage or named context to copy from"), *OWNER_FLAGS,
          _flag("exclude", ValueKind.GLOB, "--exclude=*.md", "leave out what matches", repeats=True),
          _flag("optional", ValueKind.NONE, "--optional", "a source that matches nothing is no error"))),
    _row("FILE", (f"FILE [flags] destination {_BLOCK} block {_BLOCK}", 'FILE [flags] destination """ block """'),
         "FILE --chmod=755 /usr/bin/hello '''", "Writes a file whose text stands in the recipe", OWNER_FLAGS),
    _row("FETCH", ("FETCH --sha256=HEX url destination", "FETCH --unpinned url destination"),
         "FETCH --sha256=HEX https://example.org/tool.tar.gz /opt/tool.tar.gz",
         "Downloads a file whose digest is known",
         (_flag("sha256", ValueKind.SHA256, "--sha256=HEX", "the digest that the file must have"),
          _flag("unpack", ValueKind.NONE, "--unpack", "unpack the archive into the destination"),
          _flag("unpinned", ValueKind.NONE, "--unpinned", "take whatever is there, without a digest"),
          *OWNER_FLAGS, FRESH)),
    _row("GIT", ("GIT --commit=SHA url destination", "GIT --unpinned=branch url destination"),
         "GIT --commit=SHA https://example.org/tool.git /src", "Gets a commit of a repository",
         (_flag("commit", ValueKind.COMMIT, "--commit=SHA", "the commit, as a whole hash"),
          _flag("unpinned", ValueKind.BRANCH, "--unpinned=main", "take the tip of a branch, whatever it is"),
          *OWNER_FLAGS, FRESH)),
    _row("TEST", ('TEST RUN [flags] ["program", "argument", …]', "TEST SH [flags] shell text"),
         'TEST RUN ["/bin/true"]', "Runs on a throw-away copy; a failure fails the build"),
    _row("LAYER", 'LAYER "name"', 'LAYER "dependencies"', "Ends a layer of the image here"),
    _row("ENTRYPOINT", 'ENTRYPOINT ["program", "argument", …]', 'ENTRYPOINT ["/usr/bin/server"]',
         "The program that the image runs"),
    _row("CMD", 'CMD ["program", "argument", …]', 'CMD ["--help"]',
         "The default program, or the default arguments of ENTRYPOINT"),
    _row("IF", ("IF value == value", "IF value != value", "IF value IN value …", "IF value NOT IN value …"),
         "IF ${TARGETARCH} == arm64", "The lines up to END count only if this is so"),
    _row("ELSE", ("ELSE", "ELSE IF value == value"), "ELSE", "The lines up to END count if nothing above was so"),
    _row("FOR", "FOR [--split] NAME IN value …", "FOR VERSION IN 3.11 3.12",
         "The lines up to END stand once for each value",
         (_flag("split", ValueKind.NONE, "--split", "a value is a list of words with white space between them"),)),
    _row("DEFINE", ("DEFINE name", "DEFINE name PARAMETER …", "DEFINE name PARAMETER=default …"),
         "DEFINE install packages",
         "The lines up to END are a group that USE puts in its place"),
    _row("END", "END", "END", "Ends the innermost IF, FOR or DEFINE"),
    _row("USE", ("USE name", "USE name PARAMETER=value …", "USE space.name PARAMETER=value …"),
         'USE install packages="curl git"', "Stands for the lines of a group"),
    _row("IMPORT", "IMPORT path AS space", "IMPORT common.metalor AS common", "Brings the groups of another file"),
)  # fmt: skip

BY_WORD: dict[str, StatementSpec] = {spec.word: spec for spec in STATEMENTS}

ARRAY_WORDS = frozenset({"RUN", "CMD", "ENTRYPOINT", "SHELL"})
"""Statements whose text after the flags is an exec array."""
