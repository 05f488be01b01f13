"""What can be said of a checked recipe without fetching, unpacking or hashing anything: for `check`.

Invariant: only reads, and only manifests and configs of images that are on this machine already; what cannot be known
here is left open, never guessed.
"""

from pathlib import Path

from metalor_lang.build.bases import base_info, image_location, input_error, pinned_location
from metalor_lang.build.state import oci_platform
from metalor_lang.checker.program import Base, ImageBase, Pending, Platform, Program, StageBase, Transport
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.errors import MetalorError
from metalor_lang.hints import TYPE_CHECKING, Final
from metalor_lang.oci.fetch import Fetched, known
from metalor_lang.plan.evaluator import evaluate
from metalor_lang.plan.graph import BaseInfo, BindMount, CloneGit, CopyFiles, FetchFile, InputError
from metalor_lang.record import dataclass

if TYPE_CHECKING:
    from metalor_lang.plan.lock import Lock

_OPEN: Final = ""
"""The code of the error that stands for "not known here"; it never reaches a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What the bases that are here say: errors of the recipe, and the names that still wait for other bases."""

    wrong: tuple[Diagnostic, ...]
    pending: tuple[Pending, ...]


def settle(program: Program, folder: Path, store: Path, lock: "Lock | None" = None) -> Settled:
    """Look a checked recipe's bases up where they can be read at once.

    Args:
        program: as the checker gives it.
        folder: where relative paths of the recipe start.
        store: the folder of the store; it need not exist.
        lock: of the recipe: what it says of images of registries needs no store.

    """
    inputs = HereAlready(folder, store, lock)
    _, found = evaluate(program, inputs)
    wrong = tuple(each for each in found if each.code != _OPEN)
    pending = tuple(each for each in program.pending if not _settled(program, each.stage, inputs))
    return Settled(wrong=wrong, pending=pending)


def _settled(program: Program, index: int, inputs: "HereAlready") -> bool:
    """Whether evaluation knew what a stage starts from."""
    stage = program.stages[index]
    if index not in program.needed:
        return False  # nobody looked
    if isinstance(stage.base, StageBase):
        return _settled(program, stage.base.stage, inputs)
    return (stage.base, stage.platform or program.platform) in inputs.known


class HereAlready:
    """Implements `plan.graph.Inputs` with what is on this machine; arguments as `settle`."""

    def __init__(self, folder: Path, store: Path, lock: "Lock | None" = None) -> None:
        self._lock = lock
        self._folder = folder
        self._images = store / "images"
        self.known: set[tuple[Base, Platform]] = set()

    def base(self, base: Base, platform: Platform) -> BaseInfo:
        """The configuration of a base that needs no fetching; raises InputError."""
        info = self._image(base, platform) if isinstance(base, ImageBase) else BaseInfo(digest="")
        self.known.add((base, platform))
        return info

    def _image(self, base: ImageBase, platform: Platform) -> BaseInfo:
        return self._pinned(base, platform) or base_info(self.image(base, platform).selection)

    def _pinned(self, base: ImageBase, platform: Platform) -> BaseInfo | None:
        if self._lock is None or base.transport is not Transport.REGISTRY:
            return None  # what lies on this machine is what it is
        return self._lock.base(base, platform)

    def image(self, base: ImageBase, platform: Platform) -> Fetched:
        """An image that needs no fetching; raises InputError."""
        pinned = self._pinned(base, platform)
        location = image_location(base, self._folder) if pinned is None else pinned_location(base, pinned.digest)
        try:
            image = known(base.transport.value, location, base.tag or None, oci_platform(platform), self._images)
        except MetalorError as error:
            if base.transport is not Transport.OCI:
                raise InputError(_OPEN, error.message) from error
            raise input_error(error, base.transport) from error
        if image is None:
            raise InputError(_OPEN, f"{location} is not here")
        return image

    def content(self, files: CopyFiles, epoch: int) -> str:
        """No content is read: keys do not matter here."""
        return ""

    def bound(self, mount: BindMount) -> str:
        """As `content`."""
        return ""

    def pinned(self, action: FetchFile | CloneGit) -> str:
        """The hash in the lock; nobody is asked."""
        return (self._lock.pinned(action) if self._lock is not None else None) or ""
