"""The lock beside a recipe, and what it decides: a base comes by its digest, an unpinned FETCH or GIT by its hash.

Invariant: read once, when somebody asks; a recipe without a lock pays one look for the file.
"""

import os
from pathlib import Path

from metalor_lang.checker.program import (
    Base,
    ImageBase,
    Platform,
    RootfsBase,
    SourceMiss,
    SourceProblem,
    Transport,
)
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.digest import sha256
from metalor_lang.errors import UsageError, machine_error
from metalor_lang.hints import TYPE_CHECKING, Final
from metalor_lang.plan.graph import BaseInfo, BindMount, CloneGit, CopyFiles, FetchFile, InputError, Inputs
from metalor_lang.record import dataclass, field, replace
from metalor_lang.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metalor_lang.checker.program import Imported, Program
    from metalor_lang.plan.lock import Lock
    from metalor_lang.source import SourceFile

_DAMAGED: Final = "E0701"
_NOT_LOCKED: Final = "E0704"
_DIFFERS: Final = "E0705"
_LISTED: Final = 3
_PLAIN: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-"


def lock_path(recipe: Path) -> Path:
    """Where the lock of a recipe is: NAME.lock beside NAME.metalor."""
    return recipe.with_name(recipe.name.removesuffix(".metalor") + ".lock")


def lock_digest(recipe: Path) -> str:
    """The digest of the lock beside a recipe; "" where none can be read."""
    try:
        return sha256(lock_path(recipe).read_bytes())
    except OSError:
        return ""


def lock_command(recipe: Path) -> str:
    """What to type to have a lock written."""
    text = str(recipe)
    if text.strip(_PLAIN):
        from shlex import quote  # most paths need none, and every locked build asks

        text = quote(text)
    return f"metalor lock {text}"


def known_miss(miss: SourceMiss, recipe: Path, source: Path) -> SourceMiss:
    """Why a source matches nothing; where it is the lock of the recipe, with what writes that.

    Args:
        miss: as it looks.
        recipe: path of its file.
        source: what is not there.

    """
    lock = lock_path(recipe)
    if miss.problem is not SourceProblem.ABSENT or source.name != lock.name:
        return miss
    if os.path.realpath(source.parent) != os.path.realpath(lock.parent):
        return miss
    return replace(miss, nearest="", remedy=f"it is this recipe's lock; write it: {lock_command(recipe)}")


def read_lock_file(recipe: Path) -> "tuple[Lock | None, SourceFile | None, tuple[Diagnostic, ...]]":
    """The lock of a recipe and its text; None and None where there is none.

    Args:
        recipe: path of its file.

    Returns:
        the lock, or None with what is wrong with its text.

    Raises:
        UsageError, MachineError: it is there and cannot be read.

    """
    path = lock_path(recipe)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None, None, ()
    except OSError as error:
        if (shown := machine_error(error, "the lock cannot be read")) is not None:
            raise shown from None
        help = f"a lock is a file that {lock_command(recipe)} writes: put away what lies there, or let it be read"
        raise UsageError(f"cannot read the lock {path}: {error.strerror}", help=help) from None
    from metalor_lang.plan.lockfile import read_lock
    from metalor_lang.syntax.characters import decode

    again = lock_command(recipe)
    source, wrong = decode(str(path), data)
    if wrong:
        help = f"bring back the file as it was, or remove it and write it anew: {again}"
        return None, source, (replace(wrong[0], code=_DAMAGED, help=help, edits=()),)
    lock, wrong = read_lock(source, again)
    return lock, source, wrong


class RecipeLock:
    """The lock of one recipe.

    Args:
        recipe: path of its file; None for a text that is no file, which has none.
        strict: nothing may come from elsewhere (`--locked`).

    """

    def __init__(self, recipe: Path | None, *, strict: bool = False) -> None:
        self._recipe = recipe
        self.strict = strict
        self._read = False
        self._lock: Lock | None = None

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return lock_path(self._recipe).name if self._recipe is not None else "a lock"

    @property
    def remedy(self) -> str:
        """The command that writes it."""
        assert self._recipe is not None
        return lock_command(self._recipe)

    def get(self) -> "Lock | None":
        """The lock, None where there is none.

        Raises:
            Refused: it is damaged.
            UsageError, MachineError: as `read_lock_file`.

        """
        if not self._read:
            if self._recipe is not None:
                lock, source, wrong = read_lock_file(self._recipe)
                if source is not None and wrong:
                    from metalor_lang.build.failures import Refused

                    raise Refused(wrong, source)
                self._lock = lock
            self._read = True
        return self._lock

    def digest(self, base: ImageBase, platform: Platform) -> str | None:
        """The digest by which an image of a registry comes; None where the lock does not say."""
        lock = self.get()
        info = None if lock is None else lock.base(base, platform)
        return None if info is None else info.digest

    def vet(self, programs: "Sequence[Program]", source: "SourceFile") -> None:
        """Refuse, where nothing may come from elsewhere, a recipe that names what is not in the lock.

        Args:
            programs: the checked recipe, once for each platform.
            source: of the recipe.

        Raises:
            Refused: with every place.
            UsageError, MachineError: as `read_lock_file`.

        """
        if not self.strict:
            return
        if self._recipe is None:
            raise UsageError("--locked: a recipe from standard input has no lock beside it", help="name its file")
        lock = self.get()
        if lock is not None and all(lock.covers(each.platform) and _plainly_in(each, lock) for each in programs):
            return
        from metalor_lang.plan.unlocked import unlocked

        if missing := unlocked(programs, lock, self.name, self.remedy):
            from metalor_lang.build.failures import Refused

            raise Refused(missing, source)

    def over(self, inputs: Inputs) -> "Inputs | LockedInputs":
        """What planning asks, by this lock; `inputs` themselves where there is none and none is wanted."""
        lock = self.get()
        return inputs if lock is None and not self.strict else LockedInputs(inputs=inputs, lock=self)


@dataclass(slots=True, kw_only=True)
class LockedInputs:
    """Implements `plan.graph.Inputs`: what the lock says comes first.

    Args:
        inputs: the real ones, whose bases come by the digests of the same lock.
        lock: says which, and whether all must be in it.
        unlocked: what was not in it, in the order in which it was asked for.
        changed: the bases of this machine that are not what it says.

    """

    inputs: Inputs
    lock: RecipeLock
    unlocked: dict[str, None] = field(default_factory=dict)
    changed: dict[str, None] = field(default_factory=dict)

    def base(self, base: Base, platform: Platform) -> BaseInfo:
        """Identity and configuration of a base; raises InputError, also for one that differs from the lock."""
        from metalor_lang.plan.lock import base_name, settled_info, short

        assert isinstance(base, ImageBase | RootfsBase)
        lock = self.lock.get()
        known = None if lock is None else lock.base(base, platform)
        if known is None:
            self._miss(f"{base_name(base)} for {platform}")
        info = self.inputs.base(base, platform)
        if known is None or settled_info(info) == known:
            return info
        remote = isinstance(base, ImageBase) and base.transport is Transport.REGISTRY
        if info.digest == known.digest or remote:
            message = f"{self.lock.name} does not say of {base_name(base)} what the image itself says"
            raise InputError(_DIFFERS, message, f"look at it anew: {self.lock.remedy} --update {base_name(base)}")
        if self.lock.strict:
            both = f"{short(known.digest)} there, {short(info.digest)} here"
            message = f"{base_name(base)} is not what {self.lock.name} says: {both}"
            raise InputError(_DIFFERS, message, f"bring the old one back, or take the new one: {self.lock.remedy}")
        self.changed[base_name(base)] = None
        return info

    def imported(self, imports: "Iterable[Imported]") -> None:
        """Note what a program imports, which is taken as it is: with `--locked` it was compared before."""
        lock = self.lock.get()
        for each in imports:
            known = None if lock is None else lock.imports.get(each.path)
            if known is None:
                self.unlocked[each.path] = None
            elif known != each.sha256:
                self.changed[each.path] = None

    def content(self, files: CopyFiles, epoch: int) -> str:
        """As of the inputs."""
        return self.inputs.content(files, epoch)

    def bound(self, mount: BindMount) -> str:
        """As of the inputs."""
        return self.inputs.bound(mount)

    def pinned(self, action: FetchFile | CloneGit) -> str:
        """The hash in the lock, else what it is now; raises InputError."""
        lock = self.lock.get()
        known = None if lock is None else lock.pinned(action)
        if known is None:
            from metalor_lang.plan.lock import action_name

            self._miss(action_name(action))
            return self.inputs.pinned(action)
        return known

    def _miss(self, name: str) -> None:
        if self.lock.strict:
            raise InputError(_NOT_LOCKED, f"{name} is not in {self.lock.name}", f"write it down: {self.lock.remedy}")
        self.unlocked[name] = None


def _plainly_in(program: "Program", lock: "Lock") -> bool:
    """Whether one look says that a lock has all: its bases, and nothing else is unpinned."""
    if any(lock.imports.get(each.path) != each.sha256 for each in program.imports):
        return False
    for stage in program.stages:
        if stage.index not in program.needed:
            continue
        base, platform = stage.base, stage.platform or program.platform
        if isinstance(base, ImageBase | RootfsBase) and lock.base(base, platform) is None:
            return False
        if any(isinstance(node, ast.Fetch | ast.Git) and node.flag("unpinned") for node in stage.statements):
            return False
    return True


def notice_of(lock: RecipeLock, inputs: "list[LockedInputs]") -> str:
    """What a person should know of a build that could not go by its lock alone; "" when there is nothing."""
    unlocked = list(dict.fromkeys(name for each in inputs for name in each.unlocked))
    changed = list(dict.fromkeys(name for each in inputs for name in each.changed))
    said = []
    if unlocked:
        said.append(f"{lock.name} does not have {_listed(unlocked)}: resolved as without a lock")
    if changed:
        said.append(f"{lock.name} has another {_listed(changed)}: taken as it is now")
    return "; ".join(said) + f"; `{lock.remedy}` writes it down" if said else ""


def _listed(names: list[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
