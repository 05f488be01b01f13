"""Writing a lock: what the bases, FETCH and GIT of a recipe stand for, found as a build would find it.

Invariant: what a lock has already stays, unless it lies on this machine or is asked for anew; all that the recipe
can name under the given arguments is in the new lock, also of stages that its last one does not need.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from metalor_lang.build.bases import base_info, image_location, input_error
from metalor_lang.build.failures import Refused
from metalor_lang.build.state import oci_platform
from metalor_lang.checker.program import Base, ImageBase, Platform, Program, RootfsBase, Transport
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.errors import MachineError, MetalorError
from metalor_lang.hints import Final
from metalor_lang.oci.fetch import known
from metalor_lang.oci.inspect import inspect
from metalor_lang.plan.evaluator import evaluate
from metalor_lang.plan.graph import BaseInfo, BindMount, CloneGit, CopyFiles, FetchFile, InputError, Inputs
from metalor_lang.plan.lock import Lock, action_name, base_name, settled_info, short
from metalor_lang.plan.unlocked import everything, unlocked
from metalor_lang.record import dataclass, field, replace
from metalor_lang.store.store import Store

_DIFFERS: Final = "E0705"
_INSIDE: Final = "E0708"


@dataclass(slots=True, kw_only=True)
class Looking:
    """Implements `plan.graph.Inputs`, and notes every answer.

    Args:
        inputs: the real ones, without a lock.
        store: what was fetched already is in it.
        folder: where relative paths of the recipe start.
        file: the lock's.
        old: what the lock has now.
        anew: whether a name is asked for again though the lock has it.

    """

    inputs: Inputs
    store: Store
    folder: Path
    file: Path
    old: Lock
    anew: Callable[[str], bool]
    found: dict[str, dict[Platform, BaseInfo]] = field(default_factory=dict)
    fetched: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, str]] = field(default_factory=dict)

    def base(self, base: Base, platform: Platform) -> BaseInfo:
        """Identity and configuration of a base; raises InputError."""
        assert isinstance(base, ImageBase | RootfsBase)
        info = settled_info(self._base(base, platform))
        self.found.setdefault(base_name(base), {})[platform] = info
        return info

    def _base(self, base: ImageBase | RootfsBase, platform: Platform) -> BaseInfo:
        if not _remote(base):
            if isinstance(base, RootfsBase):
                self._refuse_own(base)
            return self.inputs.base(base, platform)
        assert isinstance(base, ImageBase)
        anew = self.anew(base_name(base))
        if not anew and (kept := self.old.base(base, platform)) is not None:
            return kept
        location, wanted = image_location(base, self.folder), oci_platform(platform)
        try:
            # A tag that was fetched is what a build stands on: that is what is written down.
            here = None if anew else known(base.transport.value, location, None, wanted, self.store.root / "images")
            if here is not None:
                return base_info(here.selection)
            with self.store.workspace("inspect") as work:
                return base_info(inspect(location, wanted, work))
        except MachineError:
            raise
        except MetalorError as error:
            raise input_error(error, base.transport) from error

    def _refuse_own(self, base: RootfsBase) -> None:
        """A tree that holds the lock would be another one with each lock of it."""
        tree = (self.folder / base.path).resolve()
        if tree in self.file.resolve().parents:
            message = f"{base_name(base)} holds {self.file.name}, so each lock would make another tree of it"
            help = "put the tree into a folder of its own beside the recipe: FROM rootfs:root"
            raise InputError(_INSIDE, message, help)

    def content(self, files: CopyFiles, epoch: int) -> str:
        """No content is read: a lock says nothing of contexts."""
        return ""

    def bound(self, mount: BindMount) -> str:
        """As `content`."""
        return ""

    def pinned(self, action: FetchFile | CloneGit) -> str:
        """What an unpinned one is; raises InputError."""
        anew = self.anew(action.url) or self.anew(action_name(action))
        found = None if anew else self.old.pinned(action)
        if found is None:
            found = self.inputs.pinned(replace(action, fresh=None) if anew else action)
        if isinstance(action, FetchFile):
            self.fetched[action.url] = found
        else:
            self.commits.setdefault(action.url, {})[action.branch] = found
        return found

    def lock(self, programs: Sequence[Program]) -> Lock:
        """What was asked for."""
        return Lock(
            platforms=_sorted({program.platform for program in programs}),
            bases=self.found,
            fetched=self.fetched,
            commits=self.commits,
            imports={each.path: each.sha256 for program in programs for each in program.imports},
        )


def _remote(base: ImageBase | RootfsBase) -> bool:
    return isinstance(base, ImageBase) and base.transport is Transport.REGISTRY


def relock(programs: Sequence[Program], looking: Looking, *, add: bool) -> Lock:
    """The lock of a recipe.

    Args:
        programs: the checked recipe, once for each platform.
        looking: answers; its `old` is what stays.
        add: keep what the programs do not name.

    Raises:
        Refused: a base, a file or a commit cannot be had; with every place.
        MachineError: as `looking` raises it.

    """
    for program in programs:
        whole = everything(program)
        _, wrong = evaluate(whole, looking)
        if wrong:
            raise Refused(wrong, program.recipe.source)
    new = looking.lock(programs)
    return joined(looking.old, new) if add else new


def joined(old: Lock, new: Lock) -> Lock:
    """What two locks say together; of what both have, the new one counts."""
    return Lock(
        platforms=_sorted({*old.platforms, *new.platforms}),
        bases={
            name: {**old.bases.get(name, {}), **new.bases.get(name, {})} for name in sorted({*old.bases, *new.bases})
        },
        fetched={**old.fetched, **new.fetched},
        commits={
            url: {**old.commits.get(url, {}), **new.commits.get(url, {})}
            for url in sorted({*old.commits, *new.commits})
        },
        imports={**old.imports, **new.imports},
    )


def _sorted(platforms: set[Platform]) -> tuple[Platform, ...]:
    return tuple(sorted(platforms, key=str))


def out_of_date(
    programs: Sequence[Program], looking: Looking, lock: Lock | None, name: str, remedy: str
) -> tuple[Diagnostic, ...]:
    """Where a recipe names what its lock does not have, or has otherwise; nothing but this machine is looked at.

    Args:
        programs: the checked recipe, once for each platform.
        looking: its `old` is the lock; it notes what of it is asked for.
        lock: None where there is none.
        name: of the lock's file, for messages.
        remedy: the command that writes it.

    """
    every = [everything(program) for program in programs]
    if missing := unlocked(every, lock, name, remedy):
        return missing
    for program, whole in zip(programs, every):
        _, wrong = evaluate(whole, looking)
        if wrong:
            return wrong
        for stage in whole.stages:
            base = stage.base
            if not isinstance(base, ImageBase | RootfsBase) or _remote(base):
                continue
            there = looking.old.base(base, stage.platform or program.platform)
            here = looking.base(base, stage.platform or program.platform)
            if there is not None and there != here:
                both = f"{short(there.digest)} there, {short(here.digest)} here"
                message = f"{base_name(base)} is not what {name} says: {both}"
                wrong += (
                    Diagnostic(code=_DIFFERS, message=message, span=stage.node.base.span, help=f"take it: {remedy}"),
                )
        if wrong:
            return wrong if program.places is None else program.places.shown(wrong)
    return ()
