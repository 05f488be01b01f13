"""`metalor check`: every error of recipes, nothing run.

Invariant: touches no network and no namespace, and writes nothing but recipes, with --fix; images that are here already
are looked at, and the lock is believed.
"""

import sys
from pathlib import Path

from metalor_lang.build.failures import Refused
from metalor_lang.build.folders import Folders
from metalor_lang.build.known import settle
from metalor_lang.build.locked import RecipeLock
from metalor_lang.build.reading import STANDARD_INPUT, RecipeOptions, check_source, examine, open_contexts, read_recipe
from metalor_lang.cli.common import complain, frame, named_input, recipe_options
from metalor_lang.diagnostics.findings import Findings
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.diagnostics.suggest import nearest
from metalor_lang.errors import Exit, UsageError
from metalor_lang.hints import TYPE_CHECKING
from metalor_lang.record import dataclass, replace
from metalor_lang.source import SourceFile
from metalor_lang.store.store import default_path
from metalor_lang.syntax.ast import Recipe

if TYPE_CHECKING:
    import argparse


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recipe:
    """A recipe that was looked at.

    Args:
        findings: what is wrong with it.
        waiting: names that wait for a base, as a person is told of them.
        changes: whether --fix would change it, and may not.

    """

    findings: Findings
    waiting: tuple[str, ...] = ()
    changes: bool = False


def run(arguments: "argparse.Namespace") -> int:
    """Check each recipe; 1 when one of them has errors, or would be changed."""
    options = recipe_options(arguments)
    named_input(arguments)
    if arguments.diff and not arguments.fix:
        raise UsageError("--diff shows what --fix would change", help="write --fix --diff")
    recipes = [_recipe(path, arguments, options) for path in arguments.recipe]
    # The text of standard input, or a diff, has standard output for itself.
    out = sys.stderr if arguments.fix and (arguments.diff or STANDARD_INPUT in arguments.recipe) else sys.stdout
    if arguments.format == "human":
        for recipe in recipes:
            if recipe.findings.diagnostics:
                from metalor_lang.screen.color import color

                complain(frame(recipe.findings.diagnostics, recipe.findings.source, color=color(sys.stderr)))
            else:
                print(f"{recipe.findings.source.path}: right{_waiting(recipe.waiting)}", file=out)
    else:
        from metalor_lang.cli.reports import FORMATS

        out.write(FORMATS[arguments.format]([recipe.findings for recipe in recipes]))
    wrong = any(recipe.findings.diagnostics or recipe.changes for recipe in recipes)
    return Exit.REFUSED if wrong else Exit.DONE


def _recipe(path: str, arguments: "argparse.Namespace", options: RecipeOptions) -> _Recipe:
    where, source, early = read_recipe(path, arguments.stdin_filename)
    lock = RecipeLock(
        None if path == STANDARD_INPUT and arguments.stdin_filename is None else where, strict=options.locked
    )
    with open_contexts(where, options) as contexts:
        # What is no UTF-8 cannot be written back as it was.
        if not arguments.fix or early:
            return _checked(where, source, early, options, contexts, lock)
        fixed = _fixed(path, source, options, contexts, show=arguments.diff)
        changes = arguments.diff and fixed.text != source.text
        return replace(_checked(where, fixed, early, options, contexts, lock), changes=changes)


def _fixed(path: str, source: SourceFile, options: RecipeOptions, contexts: Folders, *, show: bool) -> SourceFile:
    """The recipe with its safe edits, shown or written."""
    from metalor_lang.cli.rewriting import difference, replace_file
    from metalor_lang.screen.color import color
    from metalor_lang.syntax.fixes import fix

    def read(text: SourceFile) -> tuple[Recipe, tuple[Diagnostic, ...]]:
        recipe, _, found = examine(text, (), options, contexts)
        return recipe, found

    fixed, done = fix(source, read)
    if show:
        sys.stdout.writelines(difference(source, fixed.text, color=color(sys.stdout)))
        return fixed
    if path == STANDARD_INPUT:
        sys.stdout.write(fixed.text)
    elif done:
        replace_file(Path(path), fixed.text)
    for each in done:
        said = each.diagnostic
        complain(f"{source.path}:{each.place}: fixed[{said.code}]: {said.message} ({said.help})\n")
    return fixed


def _wrong(refused: Refused) -> tuple[Diagnostic, ...]:
    """What is wrong with a file, which may be one that is only imported."""
    from metalor_lang.syntax.parser import parse
    from metalor_lang.tooling.library import as_file

    return as_file(parse(refused.source)[0], refused.diagnostics)


def _checked(
    where: Path,
    source: SourceFile,
    early: tuple[Diagnostic, ...],
    options: RecipeOptions,
    contexts: Folders,
    lock: RecipeLock,
) -> _Recipe:
    try:
        checked = check_source(where, source, early, options, contexts)
        lock.vet((checked.program,), source)
        settled = settle(checked.program, where.parent, default_path(), lock.get())
        if settled.wrong:
            raise Refused(settled.wrong, source)
    except Refused as refused:  # of the recipe, or of its lock
        return _Recipe(findings=Findings(source=refused.source, diagnostics=_wrong(refused)))
    names = tuple(sorted({each.name for each in settled.pending}))
    known = tuple(checked.program.arguments)
    near = {name: nearest(name, known) for name in names}
    waiting = tuple(f"{name} (or did you mean {near[name]}?)" if near[name] else name for name in names)
    return _Recipe(findings=Findings(source=source, waiting=names), waiting=waiting)


def _waiting(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    count = f"{len(names)} name waits" if len(names) == 1 else f"{len(names)} names wait"
    return f"; {count} for the base's environment, which `metalor lock` looks up: {', '.join(names)}"
