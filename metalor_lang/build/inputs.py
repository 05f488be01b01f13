"""What planning needs of the outside world: bases and the contents of contexts.

Invariant: every failure is an InputError with a code, so that it becomes a diagnostic at its statement; what this
machine cannot do stays a MachineError.
"""

from metalor_lang.build.bases import Bases
from metalor_lang.build.remotes import Remotes
from metalor_lang.checker.program import Base, Platform
from metalor_lang.checker.rules import SOURCE_CODES
from metalor_lang.errors import MachineError, MetalorError
from metalor_lang.hints import TYPE_CHECKING, Final, Protocol
from metalor_lang.plan.graph import BaseInfo, BindMount, CloneGit, CopyFiles, FetchFile, InputError

if TYPE_CHECKING:
    from metalor_lang.build.sources import SourceError

_UNREADABLE: Final = "E0409"
_NOT_FETCHED: Final = "E0610"


class Contents(Protocol):
    """What says what is in contexts: `build.contexts` and `build.folders`."""

    def content(self, files: CopyFiles, epoch: int | None = None) -> str:
        """The digest of what a COPY would copy; raises SourceError."""
        ...

    def bound(self, mount: BindMount) -> str:
        """The digest of a bound path; raises SourceError."""
        ...


class BuildInputs:
    """Implements `plan.graph.Inputs` over real folders and images."""

    def __init__(self, bases: Bases, contexts: Contents, remotes: Remotes) -> None:
        self._bases = bases
        self._contexts = contexts
        self._remotes = remotes

    def base(self, base: Base, platform: Platform) -> BaseInfo:
        """Identity and configuration of a base."""
        return self._bases.base(base, platform)

    def content(self, files: CopyFiles, epoch: int) -> str:
        """The digest of what a COPY from a context would copy."""
        from metalor_lang.build.sources import SourceError  # a recipe without COPY does not need what reads contexts

        try:
            return self._contexts.content(files, epoch)
        except SourceError as error:
            raise _input_error(error) from error

    def bound(self, mount: BindMount) -> str:
        """The digest of a bound context path."""
        from metalor_lang.build.sources import SourceError

        try:
            return self._contexts.bound(mount)
        except SourceError as error:
            raise _input_error(error) from error

    def pinned(self, action: FetchFile | CloneGit) -> str:
        """What an unpinned FETCH or GIT is now."""
        try:
            return self._remotes.pinned(action)
        except MachineError:
            raise
        except MetalorError as error:
            raise InputError(_NOT_FETCHED, error.message, error.help) from error


def _input_error(error: "SourceError") -> InputError:
    code = SOURCE_CODES[error.miss.problem] if error.miss is not None else _UNREADABLE
    return InputError(code, error.message, error.help)
