"""Checks statements that are not built: branches not taken, rounds of an empty list, groups that nothing uses.

Invariant: nothing here changes what is known of the stages that are built, and no file is looked for.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from metalor_lang.checker.expansion import Flat, Unbuilt
from metalor_lang.checker.presumed import EverythingIsThere
from metalor_lang.checker.resolver import StageNames
from metalor_lang.checker.rules import check_statement, stageless
from metalor_lang.checker.scope import StageFacts
from metalor_lang.checker.walk import Names, StageWalk
from metalor_lang.record import dataclass, replace
from metalor_lang.syntax import ast


def trial_names(names: Names, flat: Iterable[Flat]) -> Names:
    """What names mean where nothing is built: stages of other such branches may be meant, and files are there."""
    stages = frozenset(_stages(flat, built=True))
    return replace(names, broken=names.broken | stages, contexts=EverythingIsThere(names.contexts))


def _stages(flat: Iterable[Flat], *, built: bool) -> Iterator[str]:
    for node in flat:
        if isinstance(node, Unbuilt):
            yield from _stages(node.nodes, built=False)
        elif not built and isinstance(node, ast.From) and node.stage is not None:
            yield node.stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How unbuilt statements are checked.

    Args:
        names: as `trial_names` gives them.
        stages: the names of stages as the stage of a number sees them.
        begin: what is known of a stage that a FROM begins; the number is its own.
        staged: whether the recipe has any FROM; where it has none, that is the mistake.

    """

    names: Names
    stages: Callable[[int], StageNames]
    begin: Callable[[ast.From, int, Names], StageFacts]
    staged: bool

    def check(self, nodes: Sequence[Flat], around: StageWalk | None, index: int, *, alone: bool = False) -> None:
        """Check statements in a stage as it is at that point.

        Args:
            nodes: the statements.
            around: the stage; None where they stand in none.
            index: its number, or that of the first stage.
            alone: whether they belong to no stage.

        """
        walk = None
        if around is not None:
            walk = self._walk(index, around.facts.copy())
            walk.firsts.update(around.firsts)
        elif alone:
            walk = self._walk(index, StageFacts(open=True))
        for node in nodes:
            if isinstance(node, Unbuilt):
                self.check(node.nodes, walk, index)
            elif isinstance(node, ast.From):
                index += 1
                walk = self._walk(index, self.begin(node, index, self.names))
            elif walk is not None:
                check_statement(walk, node)
            elif self.staged:
                stageless(self.names.report, node)

    def _walk(self, index: int, facts: StageFacts) -> StageWalk:
        return StageWalk(names=self.names, index=index, facts=facts, stages=self.stages(index))
