"""Names for annotations: what a class or a function made with them does at run time."""

import subprocess
import sys
import typing

import pytest

from metalor_lang.hints import ClassVar, Final, Generic, Protocol, Self, TypeVar, assert_never, cast
from metalor_lang.record import dataclass, fields

T = TypeVar("T")
LIMIT: Final[int] = 3


class Speaks(Protocol):
    def speak(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Box(Generic[T]):
    kind: ClassVar[str] = "box"
    other: "typing.ClassVar[int]" = 1
    shared: typing.ClassVar[int] = 2
    value: T | None = None

    def same(self) -> Self:
        return self


def test_a_class_variable_is_no_field_whoever_marks_it() -> None:
    assert [each.name for each in fields(Box)] == ["other", "value"]  # a text is not looked into
    assert (Box.kind, Box.shared) == ("box", 2)


def test_generic_records_have_no_dictionary() -> None:
    box = Box[int](value=3)
    assert box == Box(value=3) and box.same() is box
    assert not hasattr(box, "__dict__")


def test_cast_changes_nothing_and_assert_never_always_fails() -> None:
    assert cast("str", LIMIT) == 3  # type: ignore[comparison-overlap]
    with pytest.raises(AssertionError, match="Expected code to be unreachable, but got: 3"):
        assert_never(LIMIT)  # type: ignore[arg-type]


def test_typing_is_not_imported() -> None:
    code = f"import sys; sys.path[:0] = {sys.path!r}; import metalor_lang.record; sys.exit('typing' in sys.modules)"
    assert subprocess.run([sys.executable, "-I", "-S", "-c", code], check=False).returncode == 0
