"""A recipe with blocks → the statements that are built, in order, and beside them those that are not.

Everything is settled here that IF, FOR and USE ask for: it takes arguments, loop variables and parameters only, so it
is known before any base is.

Invariant: a statement that is built is the same as if its recipe had been written out; `places` says where it comes
from. Statements that are not built are kept for what can be wrong with them whatever the arguments.
"""

from collections.abc import Iterable, Mapping, Sequence

from metalor_lang.checker.arguments import Declaring
from metalor_lang.checker.broken import Broken
from metalor_lang.checker.choosing import holds, rounds
from metalor_lang.checker.groups import Group, Importer, Module, add_group, check_given, find_group
from metalor_lang.checker.places import TOP, Frame, Piece, Places, Scope
from metalor_lang.checker.program import Contexts, Imported
from metalor_lang.checker.report import Report
from metalor_lang.checker.scope import Known
from metalor_lang.checker.seeing import Sight, declared
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.hints import Final, TypeVar
from metalor_lang.record import dataclass, replace
from metalor_lang.source import Span
from metalor_lang.syntax import ast
from metalor_lang.syntax.blocks import DEEPEST, Block, Branch, Item, matched
from metalor_lang.syntax.moving import moved

MOST: Final = 100_000
"""How many lines FOR and USE may make."""

_Node = TypeVar("_Node", bound=ast.Node)


@dataclass(frozen=True, slots=True)
class Unbuilt:
    """Statements that are not built: a branch, the body of a FOR without rounds, a group that nothing uses.

    Args:
        nodes: in order; those of blocks in it are by themselves.
        alone: whether they belong to no stage.

    """

    nodes: "tuple[Flat, ...]"
    alone: bool = False


Flat = ast.Statement | Unbuilt


@dataclass(frozen=True, slots=True, kw_only=True)
class Expanded:
    """An expanded recipe.

    Args:
        flat: its statements, ARGs left out.
        places: where they come from; None when all are at their places and see ARGs only.
        broken: names that may be declared in branches of which it is not known whether they are built.
        refused: where each FROM starts that was refused by the parser.
        elsewhere: the ARGs of branches that are not built.
        lost: whether a USE brought nothing, which has been reported.
        imports: the imported files.

    """

    flat: tuple[Flat, ...]
    places: Places | None
    broken: frozenset[str]
    refused: frozenset[int]
    elsewhere: Mapping[str, Span]
    lost: bool
    imports: tuple[Imported, ...]


@dataclass(slots=True, kw_only=True)
class _At:
    """Where expansion stands.

    Args:
        module: the file.
        scope: what is seen beside ARGs.
        built: whether what stands here is built.
        active: the groups that are being used, the outermost first.
        alone: whether it is a group that nothing uses: of its stage nothing is known, so nothing in it is used either.

    """

    module: Module
    scope: Scope = TOP
    built: bool = True
    active: tuple[Group, ...] = ()
    alone: bool = False
    depth: int = 0


def expand_blocks(
    recipe: ast.Recipe,
    refused_stages: Sequence[ast.From],
    syntax: tuple[Diagnostic, ...],
    declaring: Declaring,
    contexts: Contexts,
    report: Report,
    broken: Broken,
) -> Expanded:
    """Expand a recipe.

    Args:
        recipe: as parsed.
        refused_stages: a FROM without a base for each that was refused.
        syntax: what the parser refused.
        declaring: gets the ARGs that are built.
        contexts: asked for imported files.
        report: where errors go, at places of the expanded recipe.
        broken: what refused statements may declare.

    """
    statements = sorted((*recipe.statements, *refused_stages), key=lambda node: node.span.start)
    items = matched(recipe.source, statements, syntax)[0]
    expander = _Expander(recipe, refused_stages, declaring, contexts, report, broken)
    for node in reversed(recipe.statements):
        if isinstance(node, ast.Define):
            expander.later[node.name] = recipe.source.position(node.name_span.start).line
        elif isinstance(node, ast.Arg):
            expander.sight.arguments[node.name] = node.name_span
    flat: list[Flat] = []
    expander.run(items, expander.top, flat)
    expander.unused(flat)
    return Expanded(
        flat=tuple(flat),
        places=Places(recipe.source, expander.pieces) if expander.pieces else None,
        broken=frozenset(expander.sight.broken),
        refused=frozenset(expander.refused),
        elsewhere=expander.sight.elsewhere,
        lost=expander.lost,
        imports=expander.importer.imports(),
    )


class _Expander:
    def __init__(
        self,
        recipe: ast.Recipe,
        refused_stages: Sequence[ast.From],
        declaring: Declaring,
        contexts: Contexts,
        report: Report,
        broken: Broken,
    ) -> None:
        self.source = recipe.source
        self.declaring = declaring
        self.sight = Sight(recipe.source, declaring, report, broken)
        self.report = report
        self.refused_nodes = {id(node) for node in refused_stages}
        self.refused: set[int] = set()
        self.later: dict[str, int] = {}
        """The line in which the recipe defines each group."""
        self.imported: set[int] = set()
        self.importer = Importer(recipe.source, contexts, report)
        self.pieces: list[Piece] = []
        self.cursor = 0
        """Where the next piece may start."""
        self.open = broken.open
        self.lost = False
        """Whether a USE brought nothing."""
        self.made = 0
        """How many lines FOR and USE made."""
        self.top = _At(module=Module(source=None))

    # --- places ---------------------------------------------------------------------------------------------------

    def place(self, node: _Node, at: _At) -> _Node:
        """A statement at the next free place, or at its own where that is free."""
        start, end = node.span.start, node.span.end
        source = at.module.source
        by = (max(self.cursor, start) if source is None else self.cursor) - start
        self.cursor = end + by + 1
        if by or at.scope is not TOP:
            self.pieces.append(Piece(start=start + by, end=end + by, by=by, scope=at.scope, source=source))
        return moved(node, by)

    # --- statements -----------------------------------------------------------------------------------------------

    def run(self, items: Iterable[Item], at: _At, out: list[Flat]) -> None:
        """Expand what stands one below the other."""
        for item in items:
            if isinstance(item, Block):
                self._block(item, at, out)
                continue
            if at.scope.frames and self._too_many(item, at):
                return
            match item:
                case ast.Arg():
                    self._arg(item, at)
                case ast.Use():
                    self._use(item, at, out)
                case ast.Import():
                    placed = self.place(item, at)
                    # In a loop or a group it cannot stand: the parser has said so, and once is enough.
                    if at.module is self.top.module and id(item) not in self.imported:
                        self.imported.add(id(item))
                        self.importer.bring(at.module, placed)
                case ast.From() if at.active:
                    pass  # the parser has said that it cannot stand here
                case ast.RecipeVersion() | ast.If() | ast.Else() | ast.End() | ast.For() | ast.Define():
                    pass
                case _:
                    node = self.place(item, at)
                    if id(item) in self.refused_nodes:
                        self.refused.add(node.span.start)
                    out.append(node)

    def _too_many(self, node: ast.Node, at: _At) -> bool:
        """Count a line that FOR or USE makes; whether there are too many."""
        self.made += 1
        if self.made == MOST + 1:
            help = "what differs by more values than that belongs into a program that a step runs"
            self.report.add("E0826", f"FOR and USE make more than {MOST:,} lines", self.place(node, at).span, help)
        return self.made > MOST

    def _block(self, block: Block, at: _At, out: list[Flat]) -> None:
        inner = replace(at, depth=at.depth + 1)
        match block.word:
            case "IF":
                self._if(block, at, inner, out)
            case "FOR":
                self._for(block.branches[0], inner, out)
            case _:
                self._define(block.branches[0], at)

    def _arg(self, item: ast.Arg, at: _At) -> None:
        node = self.place(item, at)
        if at.scope.frames or at.active:
            # The parser has said that it cannot stand here.
            self.sight.broken.add(item.name)
            return
        if at.built:
            self.declaring.add(node, node.span.start - item.span.start)
            return
        # What follows in the same branch may name it; its value is nobody's.
        if node.default is not None:
            self.sight.text(node.default, at.scope)
        self.sight.elsewhere.setdefault(node.name, node.span)
        at.scope = at.scope.with_names({node.name: Known(name=node.name, value=None, span=node.span)})

    # --- IF -------------------------------------------------------------------------------------------------------

    def _if(self, block: Block, at: _At, inner: _At, out: list[Flat]) -> None:
        taken, unsure = not at.built, False
        for branch in block.branches:
            answer = self._answer(branch, at)
            if not taken and answer is not False:
                taken, unsure = True, answer is None
                self.run(branch.body, inner, out)
                continue
            if unsure:
                self.sight.broken.update(declared(branch.body))
            self._unbuilt(branch.body, inner, out)

    def _unbuilt(self, body: tuple[Item, ...], at: _At, out: list[Flat]) -> None:
        nodes: list[Flat] = []
        self.run(body, replace(at, built=False), nodes)
        if nodes:
            out.append(Unbuilt(tuple(nodes)))

    def _answer(self, branch: Branch, at: _At) -> bool | None:
        """Whether a branch's condition is so; None where that is not known."""
        if branch.head is None:
            return None
        node = self.place(branch.head, at)
        assert isinstance(node, ast.If | ast.Else)
        if node.condition is None:
            return True
        return holds(node.condition, self.sight, at.scope)

    # --- FOR ------------------------------------------------------------------------------------------------------

    def _for(self, branch: Branch, at: _At, out: list[Flat]) -> None:
        if branch.head is None:
            self.run(branch.body, at, out)
            return
        head = branch.head
        node = self.place(head, at)
        assert isinstance(head, ast.For) and isinstance(node, ast.For)
        self.sight.claim(node.name, node.name_span, at.scope)
        given = rounds(node, head.values, self.sight, at.scope)
        scope = at.scope
        if not at.built or not given:
            name = Known(name=node.name, value=None, span=node.name_span)
            self._unbuilt(branch.body, replace(at, scope=scope.with_names({node.name: name})), out)
            return
        for value, written in given:
            if self._too_many(head, at):
                return
            shown = "" if value is None else f"={value if len(value) <= _LONGEST else value[:_LONGEST] + '…'}"
            frame = Frame(
                span=written.span,
                text=f"in the round {node.name}{shown}",
                source=at.module.source,
                alone=len(given) == 1,
                values=() if value is None else ((node.name, value),),
            )
            names = {node.name: Known(name=node.name, value=value, span=node.name_span)}
            within = replace(scope.with_names(names), frames=(*scope.frames, frame))
            self.run(branch.body, replace(at, scope=within), out)

    # --- groups ---------------------------------------------------------------------------------------------------

    def _define(self, branch: Branch, at: _At) -> None:
        if not isinstance(branch.head, ast.Define):
            return
        node = self.place(branch.head, at)
        by = node.span.start - branch.head.span.start

        def say(code: str, message: str, help: str, span: Span) -> None:
            self.report.add(code, message, moved(span, by), help)

        add_group(at.module, branch.head, branch.body, say)
        for parameter in node.parameters:
            self.sight.claim(parameter.name, parameter.span, at.scope)

    def _use(self, item: ast.Use, at: _At, out: list[Flat]) -> None:
        node = self.place(item, at)
        here = at.module is self.top.module
        group = find_group(node, at.module, here, self.later, self.sight, self.report)
        given: dict[str, str | None] = {}
        for pair in node.pairs:
            value = self.sight.text(pair.value, at.scope)
            if pair.key in given:
                self.report.add("E0823", f"`{pair.key}` is given twice", pair.key_span, "keep one of the two")
            given.setdefault(pair.key, value)
        if group is None:
            self.lost = True
            return
        check_given(node, group, self.report)
        if at.alone:
            return
        group.uses += at.built
        if any(each is group for each in at.active):
            if self.open:
                return  # the END above this line is what is missing
            circle = " → ".join((*(each.node.name for each in at.active), group.node.name))
            help = "a group cannot stand in itself: write what repeats as a FOR"
            self.report.add("E0822", f"`{node.title}` uses itself: {circle}", node.name_span, help)
            return
        if at.depth > 2 * DEEPEST:
            message = f"blocks and groups stand in each other more than {2 * DEEPEST} deep"
            self.report.add("E0825", message, node.name_span, "use fewer groups inside of groups")
            return
        frame = Frame(
            span=Span(item.span.start, item.name_span.end), text="used here", source=at.module.source
        )  # fmt: skip
        scope = Scope(sealed=group.module.source is not None, frames=(*at.scope.frames, frame))
        inside = _At(module=group.module, scope=scope, built=at.built, active=(*at.active, group), depth=at.depth + 1)
        self._bind(group, given, inside)
        self.run(group.body, inside, out)

    def _bind(self, group: Group, given: Mapping[str, str | None], at: _At) -> None:
        """Give a group's parameters their values; a default sees the parameters before it."""
        define = self.place(group.node, at)
        names: dict[str, Known] = {}
        for parameter in define.parameters:
            if parameter.name in names:
                continue
            self.sight.claim(parameter.name, parameter.span, at.scope)
            value = given.get(parameter.name)
            if parameter.name not in given and parameter.default is not None:
                value = self.sight.text(parameter.default, at.scope)
            names[parameter.name] = Known(name=parameter.name, value=value, span=parameter.span)
            at.scope = replace(at.scope, bound=names, own=names)
        # What is given and not taken has been reported: the body may name it.
        strays = {name: Known(name=name, value=None) for name in given.keys() - names.keys()}
        at.scope = replace(at.scope, bound=names | strays)
        *outer, frame = at.scope.frames
        values = tuple((each.name, each.value) for each in names.values() if each.value is not None)
        at.scope = replace(at.scope, frames=(*outer, replace(frame, values=values)))

    def unused(self, out: list[Flat]) -> None:
        """Groups of the recipe that nothing built uses: what is wrong with them whatever they are given."""
        for group in self.top.module.groups.values():
            if not group.uses:
                at = _At(module=self.top.module, built=False, active=(group,), alone=True)
                node = self.place(group.node, at)
                names: dict[str, Known] = {}
                for parameter in node.parameters:
                    if parameter.default is not None:
                        self.sight.text(parameter.default, at.scope)
                    names[parameter.name] = Known(name=parameter.name, value=None, span=parameter.span)
                    at.scope = TOP.with_names(names)
                nodes: list[Flat] = []
                self.run(group.body, at, nodes)
                if nodes:
                    out.append(Unbuilt(tuple(nodes), alone=True))


_LONGEST: Final = 40
