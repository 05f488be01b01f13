"""What a build would find in the store, by looking alone: for editors.

Invariant: the builder's own rule (`lookup.find_records`); nothing is fetched, unpacked, written or run. Where a base is
not here, or is a tree that would have to be read whole, nothing is foreseen.
"""

import time
from collections.abc import Mapping
from pathlib import Path

from metalor_lang.build.bases import base_key
from metalor_lang.build.contexts import LocalContexts
from metalor_lang.build.known import HereAlready
from metalor_lang.build.lookup import find_records
from metalor_lang.build.sources import SourceError
from metalor_lang.build.statcache import StatCache
from metalor_lang.checker.program import Base, ImageBase, Platform, Program, RootfsBase
from metalor_lang.errors import MetalorError
from metalor_lang.hints import TYPE_CHECKING, Final
from metalor_lang.plan.evaluator import evaluate
from metalor_lang.plan.graph import BaseInfo, BindMount, CopyFiles, InputError, PlannedStage
from metalor_lang.store.glance import Glance
from metalor_lang.store.records import StepRecord

if TYPE_CHECKING:
    from metalor_lang.plan.lock import Lock

_UNKNOWN: Final = "E0409"


def foresee(
    program: Program, path: Path, folders: Mapping[str, Path], store: Path, lock: "Lock | None" = None
) -> dict[int, StepRecord | None] | None:
    """For each step its record in the store, or None where it would run; by the offset of its statement.

    Args:
        program: a checked recipe whose arguments all have values.
        path: the recipe's file.
        folders: of its contexts, "" is the default one.
        store: the folder of the store, which need not exist.
        lock: of the recipe.

    Returns:
        None where nothing can be foreseen; statements that only configure the image are left out.

    """
    glance = Glance(store)
    if not glance.there:
        return None
    try:
        named = {name: folder for name, folder in folders.items() if name}
        cache = _Unsaved(store / "contexts")
        with LocalContexts(path, named, default=folders.get(""), cache=cache) as contexts:
            inputs = _Inputs(path.parent, store, contexts, lock)
            plan, _ = evaluate(program, inputs)
    except (MetalorError, OSError):
        return None
    if plan is None:
        return None

    def start(stage: PlannedStage) -> tuple[str, ...] | None:
        if not isinstance(stage.base, ImageBase):
            return None
        try:
            image = inputs.image(stage.base, stage.platform)
        except InputError:
            return None
        key = base_key("image", list(image.selection.config.diff_ids), image.digest)
        record = glance.steps((key,)).get(key)
        return None if record is None else record.chain

    found = find_records(plan, glance.steps, start, int(time.time()))
    return {
        step.span.start: found.get((index, step.number))
        for index, stage in plan.stages.items()
        for step in stage.steps
        if step.kind.acts
    }


class _Unsaved(StatCache):
    """Digests of the store that are read, and never written."""

    def save(self) -> None:
        """Nothing."""


class _Inputs(HereAlready):
    """What is on this machine, with the contents of contexts."""

    def __init__(self, folder: Path, store: Path, contexts: LocalContexts, lock: "Lock | None") -> None:
        super().__init__(folder, store, lock)
        self._contexts = contexts

    def base(self, base: Base, platform: Platform) -> BaseInfo:
        """As there; a tree would have to be read whole."""
        if isinstance(base, RootfsBase):
            raise InputError(_UNKNOWN, f"{base.path} is not read")
        return super().base(base, platform)

    def content(self, files: CopyFiles, epoch: int) -> str:
        """The digest of what a COPY takes."""
        try:
            return self._contexts.content(files)
        except SourceError as error:
            raise InputError(_UNKNOWN, error.message) from error

    def bound(self, mount: BindMount) -> str:
        """The digest of what a --bind shows."""
        try:
            return self._contexts.bound(mount)
        except SourceError as error:
            raise InputError(_UNKNOWN, error.message) from error
