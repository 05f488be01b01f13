"""What is seen where a recipe is expanded: arguments so far, loop variables and parameters, and nothing of a stage.

Invariant: a name that means nothing is reported once; a value that is not known is None, never guessed.
"""

from collections.abc import Iterable

from metalor_lang.checker.arguments import Declaring
from metalor_lang.checker.broken import Broken
from metalor_lang.checker.places import Scope
from metalor_lang.checker.report import Report
from metalor_lang.checker.scope import ALWAYS, EPOCH, RESERVED_ARGS, Known, expand, looks_secret
from metalor_lang.checker.undefined import BINDINGS, OF_ARGUMENTS, Sought, no_epoch, undefined
from metalor_lang.diagnostics.model import Label
from metalor_lang.source import SourceFile, Span
from metalor_lang.syntax import ast
from metalor_lang.syntax.blocks import Block, Item


class Sight:
    """Looks names up, and says what is wrong with them.

    Args:
        source: the recipe.
        declaring: has the ARGs so far.
        report: where errors go.
        broken: what refused statements may declare.

    """

    def __init__(self, source: SourceFile, declaring: Declaring, report: Report, broken: Broken) -> None:
        self.source = source
        self.declaring = declaring
        self.report = report
        self.broken = set(broken.names)
        """Names that may be declared where nobody can read or know it."""
        self.vague = broken.vague
        self.elsewhere: dict[str, Span] = {}
        """The ARGs of branches that are not built."""
        self.arguments: dict[str, Span] = {}
        """Where the recipe declares each ARG, built or not."""

    def text(self, word: ast.Word, scope: Scope) -> str | None:
        """The text of a word that sees arguments, loop variables and parameters; None where it is not known."""
        return expand(word.parts, lambda ref: self._value(ref, scope))

    def _value(self, ref: ast.Ref, scope: Scope) -> str | None:
        known = self._seen(ref.name, scope)
        if known is None:
            self._undefined(ref, scope)
            return None
        if known.value is None and ref.name == EPOCH:
            no_epoch(self.report, ref)
        return known.value

    def _seen(self, name: str, scope: Scope) -> Known | None:
        bound = scope.bound.get(name)
        if bound is not None:
            return bound
        known = self.declaring.known.get(name)
        return None if known is None or (scope.sealed and known.span is not None) else known

    def _undefined(self, ref: ast.Ref, scope: Scope) -> None:
        name = ref.name
        if name in self.broken:
            return
        below = self.arguments.get(name) if not scope.sealed else None
        sought = Sought(
            seen=(*scope.bound, *(each for each in self.declaring.known if self._seen(each, scope))),
            only=BINDINGS,
            hidden=scope.sealed and name in self.declaring.known,
            sealed=scope.sealed,
            line=None if below is None else self.source.position(below.start).line,
            elsewhere=self.elsewhere.get(name),
            vague=not self.vague.isdisjoint(OF_ARGUMENTS),
        )
        undefined(self.report, ref, sought)

    def named(self, name: str, scope: Scope) -> bool:
        """Whether a word is a name that means something here, or would where it is declared."""
        return self._seen(name, scope) is not None or name in self.arguments

    def claim(self, name: str, span: Span, scope: Scope) -> None:
        """Report a loop variable or parameter whose name is another's."""
        other = self._seen(name, scope)
        if name in ALWAYS or name in RESERVED_ARGS:
            message = f"`{name}` is always defined" if name in ALWAYS else f"every step has its own `{name}`"
            self.report.add("E0304", message, span, "take another name")
        elif other is not None:
            labels = () if other.span is None else (Label(span=other.span, text="it is this one's"),)
            message = f"the name `{name}` is taken"
            self.report.add("E0820", message, span, "take another name: one name means one thing", labels=labels)
        elif looks_secret(name):
            message = f"`{name}` looks like a secret, and its value ends up in keys and histories"
            help = f"use --secret={name} on the step that needs it; if it is none, take another name"
            self.report.add("E0305", message, span, help)


def declared(items: Iterable[Item]) -> set[str]:
    """Every name that statements declare, however deep in blocks."""
    out: set[str] = set()
    for item in items:
        match item:
            case Block(branches=branches):
                for branch in branches:
                    out |= declared(branch.body)
            case ast.Arg(name=name):
                out.add(name)
            case ast.Env(pairs=pairs):
                out.update(pair.key for pair in pairs)
            case ast.From(stage=str(stage)):
                out.add(stage)
            case _:
                pass
    return out
