"""Groups: what DEFINE names, in which file, and what an IMPORT brings.

Invariant: an imported file holds RECIPE, IMPORT and DEFINE only, is read once, and never brings itself; what is wrong
in it stands at the IMPORT of the recipe, with a label on its line.
"""

import hashlib
import posixpath
from collections.abc import Callable, Mapping

from metalor_lang.checker.program import Contexts, Imported
from metalor_lang.checker.report import Report
from metalor_lang.checker.seeing import Sight
from metalor_lang.diagnostics.model import Label
from metalor_lang.diagnostics.suggest import nearest
from metalor_lang.errors import MachineError, MetalorError
from metalor_lang.record import dataclass, field
from metalor_lang.source import SourceFile, Span
from metalor_lang.syntax import ast
from metalor_lang.syntax.blocks import Block, Item, matched
from metalor_lang.syntax.characters import decode
from metalor_lang.syntax.parser import parse


@dataclass(slots=True, kw_only=True)
class Module:
    """A file and what it brings.

    Args:
        source: the file; None for the recipe itself.
        folder: where its own imports are looked up, relative to the recipe's folder.
        wrong: whether it is refused as it stands: it may lack groups for that.

    """

    source: SourceFile | None
    folder: str = ""
    groups: "dict[str, Group]" = field(default_factory=dict)
    spaces: "dict[str, Module]" = field(default_factory=dict)
    wrong: bool = False


@dataclass(slots=True, kw_only=True)
class Group:
    """A DEFINE with its body, and how often it was used."""

    node: ast.Define
    body: tuple[Item, ...]
    module: Module
    uses: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where what is wrong with an import is shown: in the recipe, and the IMPORTs of other files that lead there."""

    span: Span
    labels: tuple[Label, ...] = ()


class Importer:
    """Reads the files of IMPORTs.

    Args:
        recipe: the recipe's file.
        contexts: asked for their content.
        report: where errors go.

    """

    def __init__(self, recipe: SourceFile, contexts: Contexts, report: Report) -> None:
        self._contexts = contexts
        self._report = report
        self._recipe = posixpath.basename(recipe.path)
        self._folder = posixpath.dirname(recipe.path)
        self._read: dict[str, Module] = {}
        self._digests: dict[str, str] = {}

    def imports(self) -> tuple[Imported, ...]:
        """The files read, by path."""
        return tuple(Imported(path=path, sha256=self._digests[path]) for path in sorted(self._digests))

    def bring(self, module: Module, node: ast.Import) -> None:
        """Carry out an IMPORT of the recipe; `module` is the recipe's."""
        self._bring(module, node, _Place(span=node.path.span), (self._recipe,))

    def _bring(self, module: Module, node: ast.Import, at: _Place, chain: tuple[str, ...]) -> None:
        space = node.space
        if space in module.spaces:
            self._say("E0824", f"`{space}` is imported twice", "give each file its own name behind AS", node.space_span,
                      module, at)  # fmt: skip
            return
        path = node.path.literal
        if path is not None and "://" in path:
            help = "bring it beside the recipe: IMPORT common.metalor AS common"
            self._say("E0830", "an import is a file, not an address", help, node.path.span, module, at)
            module.spaces[space] = Module(source=None)
            return
        if path is None or path.startswith("/") or not path:
            message = "an import is a path that is written out, relative to the file it stands in"
            self._say("E0830", message, "for example: IMPORT common.metalor AS common", node.path.span, module, at)
            module.spaces[space] = Module(source=None)
            return
        path = posixpath.normpath(posixpath.join(module.folder, path))
        if path in chain:
            circle = " → ".join((*chain[chain.index(path) :], path))
            help = "put what both need into a file of its own"
            self._say("E0831", f"`{path}` imports itself: {circle}", help, node.path.span, module, at)
            module.spaces[space] = Module(source=None)
            return
        module.spaces[space] = self._read.get(path) or self._file(path, node, module, at, chain)

    def _file(self, path: str, node: ast.Import, module: Module, at: _Place, chain: tuple[str, ...]) -> Module:
        try:
            content = self._contexts.recipe(path)
        except MachineError:
            raise
        except MetalorError as error:
            help = error.help or "the path is relative to the file that it is written in"
            self._say("E0830", error.message, help, node.path.span, module, at)
            return Module(source=None)
        self._digests[path] = hashlib.sha256(content).hexdigest()
        source, unreadable = decode(posixpath.normpath(posixpath.join(self._folder, path)), content)
        made = Module(source=source, folder=posixpath.dirname(path))
        self._read[path] = made
        recipe, wrong = parse(source)
        wrong = (*unreadable, *wrong)
        made.wrong = bool(wrong)
        inside = at
        if module.source is not None:
            label = Label(span=node.path.span, text="imported here", source=module.source)
            inside = _Place(span=at.span, labels=(*at.labels, label))
        for each in wrong:
            labels = tuple(Label(span=one.span, text=one.text, source=source) for one in each.labels)
            self._say(each.code, each.message, each.help, each.span, made, inside, labels)
        strays = []
        for item in matched(source, recipe.statements, wrong)[0]:
            if not self._take(item, made, inside, (*chain, path)):
                strays.append(item)
        if strays:  # the first one tells: a whole recipe that is imported is one mistake
            word = strays[0].word
            span = Span(strays[0].span.start, strays[0].span.start + len(word))
            help = "put it into a group: DEFINE name above it and END below it"
            self._say("E0832", f"{word} stands in an imported file, outside of a DEFINE", help, span, made, inside)
            made.wrong = True
        return made

    def _take(self, item: Item, made: Module, at: _Place, chain: tuple[str, ...]) -> bool:
        """Whether the statement may stand in an imported file; it is carried out."""
        match item:
            case Block(word="DEFINE", branches=(branch,)):
                if isinstance(branch.head, ast.Define):

                    def say(code: str, message: str, help: str, span: Span) -> None:
                        self._say(code, message, help, span, made, at)

                    add_group(made, branch.head, branch.body, say)
            case ast.Import():
                self._bring(made, item, at, chain)
            case ast.RecipeVersion():
                pass
            case _:
                return False
        return True

    def _say(
        self, code: str, message: str, help: str, span: Span, module: Module, at: _Place, labels: tuple[Label, ...] = ()
    ) -> None:
        if module.source is None:
            self._report.add(code, message, span, help, labels=labels)
            return
        line = module.source.position(min(span.start, len(module.source.text))).line
        here = Label(span=span, text="here", source=module.source)
        text = f"{message} (line {line} of {module.source.path})"
        self._report.add(code, text, at.span, help, labels=(here, *labels, *at.labels))


Say = Callable[[str, str, str, Span], None]
"""Reports: code, message, help, place."""


def add_group(module: Module, node: ast.Define, body: tuple[Item, ...], say: Say) -> Group:
    """The group of a DEFINE, known to its file unless the name is taken."""
    group = Group(node=node, body=body, module=module)
    if node.name in module.groups:
        say("E0824", f"a second group `{node.name}`", "give each group its own name", node.name_span)
    module.groups.setdefault(node.name, group)
    seen: set[str] = set()
    for parameter in node.parameters:
        if parameter.name in seen:
            say("E0823", f"a second parameter `{parameter.name}`", "give each its own name", parameter.span)
        seen.add(parameter.name)
    return group


def known_groups(module: Module) -> Mapping[str, Group]:
    """Every group that USE can name in a file, as it would write it."""
    out = dict(module.groups)
    for space, other in module.spaces.items():
        out.update((f"{space}.{name}", group) for name, group in other.groups.items())
    return out


def check_given(node: ast.Use, group: Group, report: Report) -> None:
    """Report what a USE gives that its group does not take, and what it lacks."""
    parameters = {each.name: each for each in group.node.parameters}
    listed = ", ".join(parameters) or "none"
    meant: set[str] = set()
    for pair in node.pairs:
        if pair.key not in parameters:
            near = nearest(pair.key, parameters)
            meant |= {near} if near else set()
            help = f"did you mean {near}={'…' if pair.value.parts else ''}? " if near else ""
            message = f"the group `{node.title}` has no parameter `{pair.key}`"
            cause = f"{node.title} {pair.key}"
            report.add("E0823", message, pair.key_span, f"{help}its parameters: {listed}", cause=cause)
    given = meant.union(pair.key for pair in node.pairs)
    missing = [name for name, each in parameters.items() if each.default is None and name not in given]
    if missing:
        form = " ".join(f"{name}=value" for name in missing)
        message = f"`{node.title}` is used without its parameter `{missing[0]}`"
        help = f"write USE {node.title} {form}"
        report.add("E0823", message, node.name_span, help, cause=f"{node.title} {missing[0]}=")


def find_group(
    node: ast.Use, module: Module, here: bool, later: Mapping[str, int], sight: Sight, report: Report
) -> Group | None:
    """The group that a USE means; None where there is none, which is reported.

    Args:
        node: the USE, at its place in the expanded recipe.
        module: the file it stands in.
        here: whether that is the recipe.
        later: the line in which the recipe defines each group.
        sight: knows what refused statements may define.
        report: where errors go.

    """
    space = module.spaces.get(node.space) if node.space else module
    if space is None:
        if node.space not in sight.broken and "IMPORT" not in sight.vague:
            near = nearest(node.space, module.spaces)
            help = f"did you mean `{near}`?" if near else f"import it: IMPORT FILE AS {node.space}"
            report.add("E0821", f"no import is called `{node.space}`", node.name_span, help, cause=node.space)
        return None
    group = space.groups.get(node.name)
    lost = space.source is None and (node.space or node.name in sight.broken)
    if group is not None or lost or space.wrong:
        return group
    if here and not node.space and node.name in later:
        message = f"the group `{node.name}` is defined only in line {later[node.name]}, below its use"
        report.add("E0821", message, node.name_span, "move the DEFINE up, above this line", cause=node.title)
        return None
    known = known_groups(module)
    near = nearest(node.title, known) or nearest(node.name, known)
    if near is None and "DEFINE" in sight.vague and not node.space:
        return None
    if not node.space and near is None:  # of an import, whose name was forgotten or stands alone
        near = next((each for each in known if node.name in each.split(".")), None)
    there = f"the groups of {node.space}: {', '.join(space.groups) or 'none'}"
    help = there if node.space else f"define it above: DEFINE {node.name}"
    help = f"did you mean `{near}`?" if near else help
    report.add("E0821", f"no group is called `{node.title}`", node.name_span, help, cause=node.title)
    return None
