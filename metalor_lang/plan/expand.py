"""Words → text, once the base's environment is known.

Invariant: one pass; the result is never split and never read again. Which arguments were named is remembered.
"""

from collections.abc import Mapping, Sequence

from metalor_lang.checker.program import Argument
from metalor_lang.checker.scope import DEFAULT_PATH, EPOCH, glob_source, named_in_shell
from metalor_lang.checker.scope import expand as expand_parts
from metalor_lang.hints import TYPE_CHECKING
from metalor_lang.plan.graph import CopySource
from metalor_lang.record import dataclass, field
from metalor_lang.syntax import ast

if TYPE_CHECKING:
    from metalor_lang.checker.places import Scope


@dataclass(slots=True, kw_only=True)
class Expansion:
    """Names at one statement.

    Args:
        arguments: of the program.
        epoch: the stage's, in seconds; the value of SOURCE_DATE_EPOCH.
        environment: the stage's ENV before the statement.
        offset: where the statement starts; arguments declared below it are not seen.
        scope: the loop variables and parameters that are seen; None where there are none.

    """

    arguments: Mapping[str, Argument]
    epoch: int
    environment: Mapping[str, str]
    offset: int
    scope: "Scope | None" = None
    named: dict[str, str] = field(default_factory=dict)
    """The arguments named so far, with their values."""
    undefined: list[ast.Ref] = field(default_factory=list)
    """The names that nothing defines."""

    def argument(self, name: str) -> str | None:
        """The value of an argument that is visible here, noted as named."""
        if self.scope is not None and (bound := self.scope.bound.get(name)) is not None:
            self.named[name] = bound.value or ""
            return self.named[name]
        found = self.arguments.get(name)
        if found is None or not self._sees(found):
            return None
        value = str(self.epoch) if name == EPOCH else found.value
        self.named[name] = value
        return value

    def _sees(self, argument: Argument) -> bool:
        if argument.span is None:
            return True
        return argument.span.start < self.offset and not (self.scope is not None and self.scope.sealed)

    def _value(self, ref: ast.Ref) -> str | None:
        value = self.argument(ref.name)
        if value is None:
            value = self.environment.get(ref.name)
        if value is None and ref.name == "PATH":
            value = DEFAULT_PATH
        if value is None:
            self.undefined.append(ref)
        return value

    def parts(self, parts: Sequence[ast.Part]) -> str:
        """The text of parts; "" where a name is undefined (and noted)."""
        return expand_parts(parts, self._value) or ""

    def word(self, word: ast.Word) -> str:
        """The text of a word."""
        return self.parts(word.parts)

    def array(self, array: ast.Array) -> tuple[str, ...]:
        """The members of an exec array."""
        return tuple(self.word(item) for item in array.items)

    def source(self, word: ast.Word) -> CopySource:
        """A source of COPY."""
        text, glob = glob_source(word, self._value)
        return CopySource(path=text or "", glob=glob)

    def shell(self, text: str) -> dict[str, str]:
        """The arguments that a shell text names, noted as named."""
        seen = [name for name, each in self.arguments.items() if self._sees(each)]
        if self.scope is not None:
            seen += (name for name in self.scope.bound if name not in self.arguments)
        found = {name: self.argument(name) for name in named_in_shell(text, tuple(seen))}
        return {name: value for name, value in found.items() if value is not None}
