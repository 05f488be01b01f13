"""The stages of a recipe while it is checked: their names, and what each stands on.

Invariant: stages come in the order of the recipe; a FROM that was refused starts one, too.
"""

import re
from collections.abc import Iterable

from metalor_lang.checker import flags
from metalor_lang.checker.flags import ValueProblem
from metalor_lang.checker.platforms import parse_platform, same_platform
from metalor_lang.checker.program import Base, ImageBase, Platform, RootfsBase, ScratchBase, StageBase
from metalor_lang.checker.report import Report
from metalor_lang.checker.resolver import STAGE_NAME, StageNames, classify
from metalor_lang.checker.scope import EPOCH, StageFacts, expand
from metalor_lang.checker.undefined import no_epoch
from metalor_lang.checker.walk import Names
from metalor_lang.diagnostics.model import Label
from metalor_lang.hints import TYPE_CHECKING
from metalor_lang.record import dataclass, field
from metalor_lang.source import Span
from metalor_lang.syntax import ast

if TYPE_CHECKING:
    from metalor_lang.checker.expansion import Unbuilt


@dataclass(slots=True)
class Draft:
    """A stage while the file is read."""

    index: int
    node: ast.From
    statements: list[ast.Statement] = field(default_factory=list)
    unbuilt: "dict[int, list[Unbuilt]]" = field(default_factory=dict)
    """What is not built, by the number of statements before it."""
    base: Base | None = None
    platform: Platform | None = None
    facts: StageFacts = field(default_factory=lambda: StageFacts(open=True))
    needs: tuple[int, ...] = ()


class Stages:
    """All stages.

    Args:
        report: where errors go.
        platform: what is built for where a stage says nothing.

    """

    def __init__(self, report: Report, platform: Platform) -> None:
        self._report = report
        self._platform = platform
        self.drafts: list[Draft] = []
        self.named: dict[str, int] = {}
        """The first stage of each name."""
        self._doubled: set[str] = set()
        """Names of several stages: it is not known which one is meant."""
        self._lines: list[int] = []

    def add(self, node: ast.From, line: int) -> None:
        """Begin the next stage; `line` is where that is shown."""
        self.drafts.append(Draft(len(self.drafts), node))
        self._lines.append(line)

    def seen(self, index: int) -> StageNames:
        """The names of stages as one stage sees them."""
        return StageNames(named=self.named, lines=self._lines, index=index)

    def name(self, contexts: Iterable[str], *, once: bool = True) -> None:
        """Give every stage its name.

        Args:
            contexts: names that no stage can have.
            once: whether a second stage of a name is an error.

        """
        seen: dict[str, Span] = {}
        for draft in self.drafts:
            name, span = draft.node.stage, draft.node.stage_span or draft.node.span
            if name is None:
                continue
            if name == "scratch":
                help = "scratch is the empty base; take another name"
                self._report.add("E0315", "no stage can be called `scratch`", span, help)
            elif not STAGE_NAME.fullmatch(name):
                help = f"write AS {re.sub('[^a-z0-9_-]', '-', name.lower()).lstrip('-_0123456789') or 'build'}"
                message = f"`{name}` is no name of a stage: it is a small letter, then a-z, 0-9, _ and -"
                self._report.add("E0315", message, span, help)
            elif name in seen and once:
                self._doubled.add(name)
                label = Label(span=seen[name], text="the first one")
                help = "give each stage its own name"
                self._report.add("E0314", f"a second stage `{name}`", span, help, labels=(label,))
            elif name in contexts:
                message = f"`{name}` is a stage here, and a context of that name is given"
                self._report.add("E0319", message, span, f"rename one of them: --context other={name}")
            seen.setdefault(name, span)
            self.named.setdefault(name, draft.index)

    def resolve(self, draft: Draft, names: Names) -> None:
        """Find out what a stage stands on; one whose FROM was refused is not to be asked for."""
        node, report = draft.node, self._report

        def value_of(ref: ast.Ref) -> str | None:
            argument = names.argument(ref.name, ref.span.start)
            if argument is None:
                names.undefined(ref, (), only_arguments=True)
            elif argument.value is None and ref.name == EPOCH:
                no_epoch(report, ref)
            return None if argument is None else argument.value

        flag = node.flag("platform")
        if flag is not None and flag.value is not None:
            wanted = expand(flag.value.parts, value_of)
            try:
                if wanted is not None:
                    draft.platform = parse_platform(flags.platform(wanted))
            except ValueProblem as error:
                report.add(error.code, error.message, flag.value.span, error.help)
        text = expand(node.base.parts, value_of)
        if text is None:
            return
        if names.lost_stage(text) and text not in ("scratch", *self.named) and ":" not in text:
            return
        try:
            draft.base = classify(text, self.seen(draft.index), names.contexts)
        except ValueProblem as error:
            report.add(error.code, error.message, node.base.span, error.help)
            return
        match draft.base:
            case StageBase(stage=index):
                below = self.drafts[index]
                draft.facts = StageFacts(open=True) if text in self._doubled else below.facts.copy()
                draft.needs = (index,)
                given = below.platform or self._platform
                if draft.platform is not None and flag is not None and not same_platform(draft.platform, given):
                    message = f"stage `{text}` is for {given}, not for {draft.platform}"
                    help = "remove --platform: a stage has the platform of what it stands on"
                    report.add("E0323", message, flag.span, help)
                draft.platform = below.platform
            case ScratchBase():
                draft.facts = StageFacts(open=False)
            case ImageBase() | RootfsBase():
                pass
