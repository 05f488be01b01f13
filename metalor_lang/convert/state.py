"""What a conversion knows at one place: the stage, its folder and user, what was written so far.

Invariant: handlers change state only when they succeed or refuse; lines of the recipe are written by `converter`.
"""

import posixpath
from collections.abc import Mapping, Sequence

from metalor_lang.convert.model import BaseFacts, World
from metalor_lang.convert.names import Names, Refused, Scope
from metalor_lang.convert.reader import Instruction
from metalor_lang.convert.survey import StageSurvey, Survey
from metalor_lang.convert.values import Name, Value, plain, value
from metalor_lang.convert.words import Piece, WordError, literal, pieces
from metalor_lang.hints import Final
from metalor_lang.record import dataclass, field
from metalor_lang.source import SourceFile
from metalor_lang.syntax import ast
from metalor_lang.syntax.parser import parse

DOCKER_SHELL: Final = ("/bin/sh", "-c")
_ROOT: Final = frozenset({"", "root", "0"})
_USUAL: Final = frozenset(
    {
        "/", "/bin", "/sbin", "/lib", "/etc", "/dev", "/proc", "/sys", "/tmp", "/run", "/root", "/home", "/opt", "/srv",
        "/mnt", "/media", "/usr", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/local", "/usr/local/bin",
        "/usr/local/sbin", "/usr/local/lib", "/usr/local/share", "/usr/local/etc", "/usr/share", "/var", "/var/lib",
        "/var/log", "/var/cache", "/var/tmp", "/etc/apt", "/etc/apt/sources.list.d", "/etc/profile.d", "/etc/cron.d",
        "/usr/src", "/usr/include", "/usr/local/include", "/usr/local/src", "/var/www/html", "/etc/nginx/conf.d",
        "/usr/share/nginx/html", "/docker-entrypoint-initdb.d",
    }
)  # fmt: skip
"""Directories that images have."""


@dataclass(slots=True)
class Stage:
    """A stage, as far as it is converted.

    Args:
        index: from 0.
        names: what a `--from` may call it, in lower case.
        name: what it is called in the recipe, "" when nobody names it.
        scope: its names.
        scratch: whether it began with nothing.
        workdir: its WORKDIR; None where the base has one that is not known.
        user: its USER as a word of the recipe.
        root: whether that is certainly the superuser.
        shell: the words before the text of a shell form.
        shell_known: whether the recipe has said so.
        directories: paths that are directories for certain.
        paths: what COPY put where: "file" or "directory".
        spent: CMD and ENTRYPOINT of this stage: word → index of its chunk.
        inherits: whether ENTRYPOINT or CMD may come from the base, by word: None where it is not known.
        volumes: declared so far.
        before: stages that this one needs, to stand before its FROM: the index of the chunk that does, and lines.

    """

    index: int
    names: frozenset[str]
    name: str
    scope: Scope
    scratch: bool = False
    workdir: Value | None = ("/",)
    user: str = ""
    root: bool = True
    shell: tuple[str, ...] = DOCKER_SHELL
    shell_known: bool = False
    directories: set[str] = field(default_factory=set)
    paths: dict[str, str] = field(default_factory=dict)
    spent: dict[str, int] = field(default_factory=dict)
    inherits: dict[str, bool | None] = field(default_factory=dict)
    volumes: list[str] = field(default_factory=list)
    before: list[tuple[int, list[str]]] = field(default_factory=list)
    survey: StageSurvey = field(default_factory=StageSurvey)

    def is_directory(self, path: str) -> bool:
        """Whether a path is a directory for certain, or as images have it."""
        clean = posixpath.normpath(path)
        return clean in self.directories or (not self.scratch and clean in _USUAL)

    def made_directory(self, path: str) -> None:
        """Note a directory and those above it."""
        clean = posixpath.normpath(path)
        while clean not in ("/", ".", "", "//"):
            self.directories.add(clean)
            clean = posixpath.dirname(clean)


class Context:
    """One conversion.

    Args:
        name: what the recipe is called, for messages.
        world: the outside.
        survey: the whole file.
        given: values of ARGs fixed for the conversion.
        strict_shell: leave the recipe's own shell, which stops at the first failure.
        every_arg: give each step every ARG, as Docker does.
        root: the context as seen from the recipe's folder; "" where they are one.
        numbered: stages that are named by number.

    """

    def __init__(
        self,
        *,
        name: str,
        world: World,
        survey: Survey,
        given: Mapping[str, str],
        strict_shell: bool,
        every_arg: bool,
        root: str = "",
        numbered: frozenset[int],
    ) -> None:
        self.name, self.world, self.survey = name, world, survey
        self.escape = survey.escape
        self.names = Names(survey, given)
        self.strict_shell = strict_shell
        self.every_arg = every_arg
        self.root = root
        self.numbered = numbered
        self.stages: list[Stage] = []
        self.taken: set[str] = {"scratch"}
        self.notes: list[str] = []
        self.remarks: list[str] = []
        self.chunk = 0
        self.dropped: dict[int, str] = {}
        """Chunks that a later line makes void: what is said of them."""
        self.froms = 0
        """How many FROM lines were read."""
        self.comments_kept = False
        """Whether the comments within an instruction stand in its lines already."""
        self.guessed: list[str] = []
        """Paths of other stages that this instruction takes for files."""
        self.unknown: list[str] = []
        """Bases of which nothing is known here."""
        self.images: dict[str, str] = {}
        """Stages made for `--from=IMAGE`, by reference."""

    @property
    def stage(self) -> Stage:
        """The stage that is read."""
        return self.stages[-1]

    def before(self, lines: list[str]) -> None:
        """Lines of a stage that this instruction needs, to stand before the FROM of its own."""
        self.stage.before.append((self.chunk, lines))

    def note(self, text: str) -> None:
        """Say something about this instruction, once."""
        if text not in self.notes:
            self.notes.append(text)

    def remark(self, text: str) -> None:
        """Say something about the whole, once."""
        if text not in self.remarks:
            self.remarks.append(text)

    def pieces(self, text: str) -> tuple[Piece, ...]:
        """A word as Docker reads it."""
        try:
            return pieces(text, self.escape)
        except WordError as error:
            raise Refused(f"Docker refuses it too: {error}") from None

    def value(self, text: str) -> Value:
        """A word in the stage that is read."""
        return self.names.value(self.pieces(text), self.stage.scope, self.notes)

    def literal(self, text: str, what: str) -> str:
        """A word that may hold no variable."""
        found = literal(self.pieces(text))
        if found is None:
            raise Refused(f"{what} cannot hold a variable in a recipe; write out what it gives")
        return found

    def free_stage(self, wanted: str) -> str:
        """A name for a stage that no other has."""
        name, number = wanted, 2
        while name in self.taken:
            name, number = f"{wanted}-{number}", number + 1
        self.taken.add(name)
        return name

    def guess(self, found: Value) -> str:
        """What a value gives when nothing is given with --arg, as far as that is known."""
        out = ""
        for part in found:
            if isinstance(part, str):
                out += part
                continue
            argument = self.names.declared.get(part.name)
            if argument is not None:
                out += self.guess(argument.default or ())
            elif self.stages and (known := self.stage.scope.environment.get(part.name)) is not None:
                out += self.guess(tuple(each for each in known if each != part))
        return out

    def where(self, found: Value) -> str:
        """Where a path leads, as far as that is known: "" where it is relative to a WORKDIR that is not."""
        if self.stage.workdir is None and not self.guess(found).startswith("/"):
            return ""
        return self.guess(self.absolute(found, "the path"))

    def absolute(self, found: Value, what: str) -> Value:
        """A path that starts at the root, WORKDIR in front where it has to be."""
        if self.guess(found).startswith("/") or (found and isinstance(found[0], Name) and not self.guess(found)):
            return found
        before = self.stage.workdir
        if before is None:
            self.note(f"{what} is relative to the base's WORKDIR, which is not known here: / is taken")
            before = ("/",)
        front = value(*before)
        joined = value(*front, "" if self.guess(front).endswith("/") else "/", *found)
        return clean(joined)


def clean(found: Value) -> Value:
    """An absolute path without `.`, `..` and doubled slashes, as far as names in it let that be done by the text."""
    parts: list[Value] = [()]
    for each in found:
        first, *more = each.split("/") if isinstance(each, str) else [each]
        parts[-1] = value(*parts[-1], first)
        parts += [value(text) for text in more]
    out: list[Value] = []
    for part in parts:
        if part == ("..",) and out and plain(out[-1]) is not None and out[-1] != ("..",):
            out.pop()
        elif part == ("..",) and not out and found[:1] and isinstance(found[0], str):
            continue
        elif part not in ((), (".",)):
            out.append(part)
    joined: list[str | Name] = []
    for part in out:
        if joined or isinstance(found[0], str):
            joined.append("/")
        joined += part
    return value(*joined) or ("/",)


def is_root(user: str) -> bool:
    """Whether a USER is certainly the superuser."""
    name, _, group = user.partition(":")
    return name in _ROOT and group in _ROOT


def fits(lines: Sequence[str]) -> ast.Statement | None:
    """The one statement that lines are, if they are one."""
    recipe, wrong = parse(SourceFile(text="".join(f"{line}\n" for line in lines), path="recipe"))
    return recipe.statements[0] if not wrong and len(recipe.statements) == 1 else None


def base_stage(facts: BaseFacts | None, made: Stage, smell: str) -> None:
    """Put what is known of a base into a stage."""
    made.scope = Scope.of_base(facts)
    if facts is None:
        made.workdir = None
        made.root = not any(word in smell for word in ("nonroot", "rootless", "unprivileged"))
        made.inherits = {"CMD": None, "ENTRYPOINT": None}
        return
    made.workdir = (facts.workdir or "/",)
    made.user, made.root = facts.user, is_root(facts.user)
    made.shell = facts.shell or DOCKER_SHELL
    made.inherits = {"CMD": facts.cmd, "ENTRYPOINT": facts.entrypoint}
    if facts.workdir:
        made.made_directory(facts.workdir)


def layout(head: str, words: Sequence[str], made: Instruction) -> list[str]:
    """A statement of several words: one a line where it stood on several lines."""
    lines = sum(1 for part in made.parts if not part.comment and part.text.strip())
    if len(words) < 2 or lines < 2:
        return [f"{head} {' '.join(words)}"]
    indent = " " * 4
    out = [f"{head} {words[0]} \\", *(f"{indent}{each} \\" for each in words[1:-1]), f"{indent}{words[-1]}"]
    return out
