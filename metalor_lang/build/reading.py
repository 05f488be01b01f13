"""From a recipe's file and what it is read with to a program: read, parsed, checked.

Invariant: nothing is opened but the recipe and the contexts that its sources ask for, and nothing runs; every refusal
shows a right value.
"""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from metalor_lang.build.failures import Refused
from metalor_lang.build.folders import Folders
from metalor_lang.checker.checker import check
from metalor_lang.checker.platforms import PlatformError, parse_platforms
from metalor_lang.checker.program import Contexts, Platform, Program
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.errors import UsageError, machine_error
from metalor_lang.hints import TYPE_CHECKING, Final
from metalor_lang.record import dataclass, field
from metalor_lang.source import SourceFile
from metalor_lang.syntax.ast import Recipe
from metalor_lang.syntax.characters import decode
from metalor_lang.syntax.parser import parse

if TYPE_CHECKING:
    from metalor_lang.build.nursery import Nursery
    from metalor_lang.build.secrets import Secrets

STANDARD_INPUT: Final = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeOptions:
    """What a recipe is read with.

    Args:
        args: arguments by name.
        contexts: folders by name; "" replaces the recipe's own folder.
        target: name of the stage, None for the last.
        platform: `os/arch[/variant]`, None for this machine's; `Session.plans` takes a list of several with commas.
        epoch: seconds since 1970, None for each base's creation.
        builds: a secret that a step wants must be given.
        secrets: those that are; None for none.
        locked: everything that others can move must stand in the lock beside the recipe.

    """

    args: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, Path] = field(default_factory=dict)
    target: str | None = None
    platform: str | None = None
    epoch: int | None = None
    builds: bool = False
    secrets: "Secrets | None" = field(default=None, compare=False)
    locked: bool = False

    @property
    def secret_names(self) -> frozenset[str] | None:
        """Of those that are given; None when none need be."""
        given = frozenset() if self.secrets is None else self.secrets.names
        return given if self.builds else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A recipe without errors."""

    path: Path
    name: str
    source: SourceFile
    program: Program


def read_recipe(path: str, stdin_name: str | None = None) -> tuple[Path, SourceFile, tuple[Diagnostic, ...]]:
    """The text of a recipe; `-` is standard input.

    Args:
        path: of a file, or "-".
        stdin_name: the file that standard input is the text of, which need not exist: what messages call it, and
            whose folder is the default context. Else it has no name, and the folder is the current one.

    Raises:
        UsageError: the file is not there or cannot be read.
        MachineError: the disk fails, or too many files are open.

    """
    if path == STANDARD_INPUT:
        where = Path(stdin_name) if stdin_name else Path.cwd() / "stdin.metalor"
        return where, *decode(stdin_name or "<stdin>", sys.stdin.buffer.read())
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        if (shown := machine_error(error, "the recipe cannot be read")) is not None:
            raise shown from None
        from metalor_lang.build.nearby import recipe_near

        raise UsageError(
            f"cannot read the recipe {path}: {error.strerror}", help=recipe_near(path, error.errno)
        ) from None
    return Path(path), *decode(path, data)


def recipe_name(path: Path) -> str:
    """The name a recipe is remembered by: its file name without `.metalor`."""
    return path.name.removesuffix(".metalor") or path.name


def open_contexts(
    path: Path,
    options: RecipeOptions,
    memory: Path | None = None,
    ahead: "Callable[[], Nursery] | None" = None,
) -> Folders:
    """The folders of a recipe; raises UsageError."""
    return Folders(path, options.contexts, memory=memory, ahead=ahead)


def check_source(
    path: Path, source: SourceFile, early: tuple[Diagnostic, ...], options: RecipeOptions, contexts: Contexts
) -> Checked:
    """Parse and check a recipe.

    Raises:
        Refused: with every error of the file.
        UsageError: `platform` is no platform.

    """
    _, program, wrong = examine(source, early, options, contexts)
    if program is None or wrong:
        raise Refused(wrong, source)
    return Checked(path=path, name=recipe_name(path), source=source, program=program)


def examine(
    source: SourceFile, early: tuple[Diagnostic, ...], options: RecipeOptions, contexts: Contexts
) -> tuple[Recipe, Program | None, tuple[Diagnostic, ...]]:
    """The statements of a recipe, the program if there can be one, and every error by place.

    Raises:
        UsageError: `platform` is no platform.

    """
    recipe, syntax = parse(source)
    found = (*early, *syntax)
    platform = one_platform(options.platform)
    program, wrong = check(
        recipe,
        args=options.args,
        contexts=contexts,
        target=options.target,
        platform=platform,
        source_date_epoch=options.epoch,
        secrets=options.secret_names,
        syntax=found,
    )
    return recipe, program, tuple(sorted((*found, *wrong), key=lambda each: (each.span.start, each.span.end)))


def one_platform(text: str | None) -> Platform | None:
    """The value of `--platform` where one is taken; None for this machine's.

    Raises:
        UsageError: it is none, or several.

    """
    if text is None:
        return None
    found = several_platforms(text)
    if len(found) > 1:
        raise UsageError(
            f"--platform: one platform is taken here, not {len(found)}",
            help=f"write --platform {found[0]}; `metalor build` takes several",
        )
    return found[0]


def several_platforms(text: str) -> tuple[Platform, ...]:
    """The value of `--platform` of a build; raises UsageError."""
    try:
        return parse_platforms(text)
    except PlatformError as error:
        raise UsageError(f"--platform: {error.args[0]}", help=error.args[1]) from None


def parse_epoch(text: str) -> int:
    """The value of `--epoch`: seconds since 1970 or `now`.

    Raises:
        UsageError: anything else.

    """
    if text == "now":
        return int(time.time())
    if not text.isascii() or not text.isdigit() or len(text) > 11:
        raise UsageError(f"--epoch: {text!r} is no time", help="write seconds since 1970, or now")
    return int(text)
