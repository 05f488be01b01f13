"""The names of the standard library's `typing` that annotations need, without its import.

Invariant: type checkers read the standard library's own; at run time a name is a mark that nothing looks at.

Nothing here asks for annotations when it runs, but importing `typing` and making protocols and generic classes of it
is a twentieth of a short command. Who needs more of it (`NamedTuple`, `runtime_checkable`) imports `typing` itself.
"""

TYPE_CHECKING = False  # type checkers know the name
if TYPE_CHECKING:
    from typing import IO as IO
    from typing import Any as Any
    from typing import BinaryIO as BinaryIO
    from typing import ClassVar as ClassVar
    from typing import Final as Final
    from typing import Generic as Generic
    from typing import NoReturn as NoReturn
    from typing import Protocol as Protocol
    from typing import Self as Self
    from typing import TextIO as TextIO
    from typing import TypeVar as TypeVar
    from typing import assert_never as assert_never
    from typing import cast as cast
else:

    class _Mark:
        __slots__ = ()

        def __class_getitem__(cls, item):
            return cls

    class ClassVar(_Mark):
        """Told apart by `record`: such a name is no field."""

        __slots__ = ()

    IO = Any = BinaryIO = Final = NoReturn = Protocol = Self = TextIO = Generic = _Mark

    def TypeVar(name, *constraints, **options):  # noqa: N802 - the standard library's name
        """As `typing.TypeVar`."""
        return _Mark

    def cast(kind, value):
        """As `typing.cast`."""
        return value

    def assert_never(value, /):
        """As `typing.assert_never`."""
        raise AssertionError(f"Expected code to be unreachable, but got: {value!r}")
