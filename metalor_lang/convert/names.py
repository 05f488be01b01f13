"""What a name means at one place of a Dockerfile, and what it is called in the recipe.

Docker: an ARG holds from its line to the end of its stage (and in stages built on it), ENV beats it, and one before the
first FROM is for FROM lines, until a stage repeats its name. Recipe: an ARG holds to the end of the file and shares its
name with no ENV. So a name may be another one in the recipe.

Invariant: `Names.value` gives what Docker's word gives for every argument that may be given, or raises `Refused`.
"""

import re
from collections.abc import Mapping

from metalor_lang.checker.scope import ALWAYS, EPOCH, PROXIES, RESERVED_ARGS, looks_secret
from metalor_lang.convert.model import BaseFacts
from metalor_lang.convert.survey import Survey
from metalor_lang.convert.values import Name, Value, plain, value
from metalor_lang.convert.words import Piece, Text, Variable, literal
from metalor_lang.hints import Final
from metalor_lang.record import dataclass, field, replace

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Refused(Exception):
    """A construct that has no equal in a recipe; the message says why and what to write by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """An ARG of the recipe.

    Args:
        name: what the recipe calls it.
        docker: what the Dockerfile calls it.
        default: None where the Dockerfile has none.
        required: whether it must be given.

    """

    name: str
    docker: str
    default: Value | None
    required: bool = False


@dataclass(slots=True)
class Scope:
    """Names within a stage.

    Args:
        arguments: by Docker's name.
        environment: ENV by name: the value, None where its text is not known.
        open: whether the base may set more than is known here.
        inherited: those names of `environment` that an image set, and no line of the Dockerfile.

    """

    arguments: dict[str, Argument] = field(default_factory=dict)
    environment: dict[str, Value | None] = field(default_factory=dict)
    open: bool = False
    inherited: set[str] = field(default_factory=set)

    def copy(self) -> "Scope":
        """A scope of a stage on this one."""
        return Scope(dict(self.arguments), dict(self.environment), self.open, set(self.inherited))

    @classmethod
    def of_base(cls, facts: BaseFacts | None) -> "Scope":
        """The scope that an image gives; None where nothing is known of it."""
        if facts is None:
            return cls(open=True)
        found: dict[str, Value | None] = {name: value(text) for name, text in facts.env}
        return cls(environment=found, inherited=set(found))


class Names:
    """The arguments of the recipe as they are declared, and what Docker's names mean.

    Args:
        survey: what the whole file names.
        given: values that are fixed for the conversion, by Docker's name.

    """

    def __init__(self, survey: Survey, given: Mapping[str, str]) -> None:
        self.survey = survey
        self.given = given
        self.declared: dict[str, Argument] = {}
        self.outer = {name: Argument(name=name, docker=name, default=()) for name in ALWAYS if name != EPOCH}
        """ARGs before the first FROM, by Docker's name."""

    def declare(self, docker: str, default: Value | None, stage: str | None) -> tuple[Argument, bool]:
        """The argument of an ARG line, and whether the recipe must declare it now.

        Args:
            docker: its name in the Dockerfile.
            default: its default; None when it has none.
            stage: what to tell it from others by; None before the first FROM.

        Raises:
            Refused: no argument can be called so.

        """
        if not _NAME.fullmatch(docker):
            raise Refused(f"`{docker}` is no name of a variable")
        if docker in ALWAYS and default is None:
            return Argument(name=docker, docker=docker, default=()), False
        required = default is None and docker in self.survey.required
        if default is None and docker in self.survey.fallback:
            default = (self.survey.fallback[docker],)
        for known in self.declared.values():
            if (known.docker, known.default or (), known.required) == (docker, default or (), required):
                return replace(known, default=default), False
        made = Argument(name=self._free(docker, stage), docker=docker, default=default, required=required)
        self.declared[made.name] = made
        return made, True

    def declare_public(self, name: str, default: Value) -> tuple[str, bool]:
        """An argument that stands behind an ENV whose name looks like a secret: its name, and whether it is new."""
        known = self.declared.get(name)
        if known is not None and known.default != default:
            raise Refused(f"{name} looks like a secret and has two values; rename one of them")
        self.declared[name] = Argument(name=name, docker=f"ENV {name}", default=default)
        return name, known is None

    def _free(self, docker: str, stage: str | None) -> str:
        taken = {*self.declared, *self.survey.environment, *ALWAYS, *RESERVED_ARGS, *PROXIES}
        suffix = re.sub(r"\W", "_", stage or "arg").upper()
        candidates = (docker, f"{docker}_{suffix}", *(f"{docker}_{suffix}_{n}" for n in range(2, 1000)))
        return next(name for name in candidates if name not in taken)

    def value(self, found: tuple[Piece, ...], scope: Scope, notes: list[str]) -> Value:
        """What a word is in the recipe.

        Args:
            found: Docker's word.
            scope: where it stands.
            notes: sentences are added to it.

        Raises:
            Refused: it has no equal.

        """
        parts: list[str | Name] = []
        for each in found:
            if isinstance(each, Text):
                parts.append(each.text)
            else:
                parts += self._variable(each, scope, notes)
        return value(*parts)

    def _variable(self, each: Variable, scope: Scope, notes: list[str]) -> Value:
        known = self._known(each.name, scope)
        if each.operator == "":
            return self._simple(each, scope, notes)
        if known is not None or self._absent(each.name, scope):
            return self._worked_out(each, known, scope, notes)
        if (
            scope.open
            and each.name not in scope.environment
            and each.name not in scope.arguments
            and each.name != "PATH"
        ):
            notes.append(f"{each.name} is taken to be set by nobody, the base included")
            return self._worked_out(each, None, scope, notes)
        argument = self._argument(each.name, scope)
        if argument is not None and each.operator in ("+", ":+") and self._filled(argument, each):
            if each.operator == ":+" and not argument.required:
                notes.append(f"{each.written} is worked out for a {each.name} that is not empty")
            return self.value(each.word, scope, notes)
        if argument is not None and each.operator in ("-", ":-", "?", ":?") and self._filled(argument, each):
            if argument.default:
                notes.append(f"{each.name} given as nothing (--arg {argument.name}=) stays nothing here")
            return (Name(argument.name),)
        where = (
            "an ARG, so its value is known only when the recipe is built"
            if argument is not None
            else "set by the base or made of an ARG"
        )
        raise Refused(
            f"{each.written} cannot be worked out: {each.name} is {where};"
            f" put what it gives into an ARG of its own, or convert with --arg {each.name}=VALUE"
        )

    def _filled(self, argument: Argument, each: Variable) -> bool:
        """Whether an argument is certainly there, as the operator asks."""
        if argument.required:
            return True
        if argument.default is None:
            return False
        return bool(argument.default) or ":" not in each.operator

    def _simple(self, each: Variable, scope: Scope, notes: list[str]) -> Value:
        name = each.name
        if name in scope.environment:
            return (Name(name),) if scope.environment[name] != () else ()
        argument = scope.arguments.get(name)
        if argument is not None:
            return (Name(argument.name),)
        if name == "PATH":
            return (Name("PATH"),)
        if scope.open and _NAME.fullmatch(name):
            notes.append(f"{name} must come from the base; where the base does not set it, Docker puts nothing")
            return (Name(name),)
        notes.append(f"{name} is not set here, so Docker puts nothing in its place")
        return ()

    def _argument(self, name: str, scope: Scope) -> Argument | None:
        return None if name in scope.environment else scope.arguments.get(name)

    def _absent(self, name: str, scope: Scope) -> bool:
        """Whether a name is certainly not set."""
        return name not in scope.environment and name not in scope.arguments and not scope.open

    def _known(self, name: str, scope: Scope) -> str | None:
        """The text of a name whose value nothing can change."""
        if name in scope.environment:
            found = scope.environment[name]
            return None if found is None else plain(found)
        if name in scope.arguments and name in self.given:
            return self.given[name]
        return None

    def _worked_out(self, each: Variable, known: str | None, scope: Scope, notes: list[str]) -> Value:
        if known is not None and each.name in self.given and each.name in scope.arguments:
            notes.append(f"{each.written} is worked out for {each.name}={known}")
        there = known is not None and (known != "" or not each.operator.startswith(":"))
        match each.operator.lstrip(":"):
            case "-":
                return self._simple(Variable(each.name), scope, notes) if there else self.value(each.word, scope, notes)
            case "+":
                return self.value(each.word, scope, notes) if there else ()
            case "?":
                if not there:
                    raise Refused(f"{each.written} fails in Docker too: {each.name} is not set")
                return self._simple(Variable(each.name), scope, notes)
            case _:
                return value(_cut(each, known or ""))


def _cut(each: Variable, text: str) -> str:
    """What `#`, `%` and `/` leave of a text."""
    word = literal(each.word)
    other = literal(each.other)
    if word is None or other is None:
        raise Refused(f"{each.written} has a variable in its pattern; write the result by hand")
    greedy = len(each.operator) == 2
    if each.operator.startswith("/"):
        found = re.compile(_expression(word, greedy=True), re.DOTALL)
        return found.sub(lambda _: other, text, count=0 if greedy else 1)
    if each.operator.startswith("#"):
        match = re.match(_expression(word, greedy=greedy), text, re.DOTALL)
        return text[match.end() :] if match is not None else text
    expression = re.compile(f"(?:{_expression(word, greedy=True)})\\Z", re.DOTALL)
    starts = range(len(text) + 1) if greedy else range(len(text), -1, -1)
    return next((text[:at] for at in starts if expression.match(text, at)), text)


def _expression(pattern: str, *, greedy: bool) -> str:
    out, at = "", 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            out += ".*" if greedy else ".*?"
        elif char == "?":
            out += "."
        elif char == "\\":
            if pattern[at : at + 1] not in ("*", "?", "\\", "}", "/"):
                raise Refused(f"`\\{pattern[at : at + 1]}` is no escape in a pattern")
            out += re.escape(pattern[at])
            at += 1
        else:
            out += re.escape(char)
    return out


def public(name: str) -> bool:
    """Whether an ARG needs `--public`."""
    return looks_secret(name)
