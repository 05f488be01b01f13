"""`metalor lock`: write down what the names in a recipe stand for, or say whether that is written down.

Invariant: the file is replaced whole and only when it says something else; --check writes nothing and asks no server.
"""

import os
from collections.abc import Callable
from pathlib import Path
from shlex import quote

from metalor_lang.build.bases import Bases
from metalor_lang.build.failures import Refused
from metalor_lang.build.folders import Folders
from metalor_lang.build.inputs import BuildInputs
from metalor_lang.build.locked import lock_command, lock_path, read_lock_file
from metalor_lang.build.owning import replace_text
from metalor_lang.build.reading import (
    STANDARD_INPUT,
    RecipeOptions,
    check_source,
    open_contexts,
    read_recipe,
    several_platforms,
)
from metalor_lang.build.relocking import Looking, out_of_date, relock
from metalor_lang.build.remotes import Remotes
from metalor_lang.checker.platforms import host_platform
from metalor_lang.checker.presumed import EverythingIsThere
from metalor_lang.checker.program import Platform, Program
from metalor_lang.cli.common import open_store, recipe_options
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.diagnostics.suggest import nearest
from metalor_lang.errors import Exit, MachineError, UsageError, machine_help
from metalor_lang.hints import TYPE_CHECKING
from metalor_lang.plan.lock import Change, Lock, changes, short
from metalor_lang.plan.lockfile import place, write_lock
from metalor_lang.record import replace
from metalor_lang.source import SourceFile
from metalor_lang.store.store import Store

if TYPE_CHECKING:
    import argparse


def run(arguments: "argparse.Namespace") -> int:
    """Write the lock; with --check, 1 when it would be written."""
    if arguments.recipe == STANDARD_INPUT:
        raise UsageError("the lock lies beside the recipe, and standard input lies nowhere", help="name the file")
    if arguments.name and not arguments.update:
        word = arguments.name[0]
        raise UsageError(
            f"{word}: names say what --update asks for anew",
            help=f"write metalor lock {arguments.recipe} --update {word}",
        )
    if arguments.name and not os.path.exists(arguments.recipe):
        recipe = next((each for each in arguments.name if each.endswith(".metalor") and os.path.exists(each)), None)
        if recipe is not None:
            names = " ".join(quote(each) for each in (arguments.recipe, *arguments.name) if each != recipe)
            help = f"write {lock_command(Path(recipe))} --update {names}"
            raise UsageError("the recipe stands before the names", help=help)
    if arguments.check and arguments.update:
        raise UsageError("--check asks no server, and --update does", help="leave one of them out")
    options = recipe_options(arguments)
    path, source, early = read_recipe(arguments.recipe)
    old, text, damage = read_lock_file(path)
    if text is not None and damage:
        raise Refused(damage, text)
    refusal = _refusal(path)
    if old is None and refusal is not None and not arguments.check:
        raise refusal
    platforms = _platforms(options, old)
    anew = _anew(arguments, old or Lock())
    with (
        open_store(arguments, runs=False) as (store, world),
        open_contexts(path, options, store.root / "contexts") as contexts,
        store.lease(),
    ):
        # What is copied need not be there yet: a lock says nothing of it. The lock itself may be copied, say.
        given = EverythingIsThere(contexts)
        programs = [
            check_source(path, source, early, replace(options, platform=str(each)), given).program for each in platforms
        ]
        looking = _looking(path, store, contexts, world.owner, old or Lock(), anew)
        if arguments.check:
            return _check(path, programs, looking, old, text, whole=options.platform is None and not arguments.add)
        new = relock(programs, looking, add=arguments.add)
        if old is not None and not (differing := changes(old, new)) and old.platforms == new.platforms:
            print(f"{lock_path(path)} is up to date")
            return Exit.DONE
        if refusal is not None:
            raise refusal
        try:
            replace_text(lock_path(path), write_lock(new), world.owner)
        except OSError as error:
            message = f"cannot write {lock_path(path)}: {error.strerror}"
            raise MachineError(message, help=machine_help(error.errno)) from None
    differing = changes(old or Lock(), new)
    for change in differing:
        print(_line(change))
    print(f"{lock_path(path)}: {_counted(differing, new)}")
    return Exit.DONE


def _refusal(recipe: Path) -> MachineError | None:
    """Why a lock cannot be written, None where it can: asked before a namespace makes us the superuser of our files."""
    lock = lock_path(recipe)
    folder = lock.resolve().parent
    if os.access(folder, os.W_OK | os.X_OK):
        return None
    reason = "is mounted read-only" if os.statvfs(folder).f_flag & os.ST_RDONLY else "may not be written by you"
    copy = lock_command(Path("copy", recipe.name))
    help = f"lock a copy, and put its lock there: cp -r {quote(str(folder))} copy; {copy}"
    return MachineError(f"cannot write {lock}: {folder} {reason}", help=help)


def _platforms(options: RecipeOptions, old: Lock | None) -> tuple[Platform, ...]:
    if options.platform is not None:
        return several_platforms(options.platform)
    return old.platforms if old is not None and old.platforms else (host_platform(),)


def _anew(arguments: "argparse.Namespace", old: Lock) -> Callable[[str], bool]:
    """What --update asks for; raises UsageError for a name that the lock does not have."""
    named: list[str] = arguments.name
    if not named:
        everything: bool = arguments.update
        return lambda name: everything
    branches = (f"{url} {branch}" for url, found in old.commits.items() for branch in found)
    there = sorted({*old.bases, *old.fetched, *old.commits, *branches, *old.imports})
    for name in named:
        if name not in there:
            like = [each for each in there if name in each]
            near = like[0] if like else nearest(name, there)
            help = (
                f"did you mean {near}?" if near and len(like) < 2 else f"it has {', '.join(like or there) or 'nothing'}"
            )
            raise UsageError(f"the lock has no {name}", help=help)
    return lambda name: name in named


def _looking(
    path: Path,
    store: Store,
    contexts: Folders,
    owner: tuple[int, int] | None,
    old: Lock,
    anew: Callable[[str], bool],
) -> Looking:
    bases = Bases(store, path.parent, cache=contexts.cache, owner=owner)
    inputs = BuildInputs(bases, contexts, Remotes(store))
    return Looking(inputs=inputs, store=store, folder=path.parent, file=lock_path(path), old=old, anew=anew)


# --- what is said -------------------------------------------------------------------------------------------------


def _line(change: Change) -> str:
    old, new = short(change.old), short(change.new)
    if change.old == change.new:
        return f"  {change.name}  {new}, of which other facts are known"
    if not change.old:
        return f"  {change.name}  {new} (new)"
    return f"  {change.name}  {old} → {new}" if change.new else f"  {change.name}  {old} (gone)"


def _counted(differing: tuple[Change, ...], new: Lock) -> str:
    added = sum(not each.old for each in differing)
    gone = sum(not each.new for each in differing)
    counts = ((added, "new"), (len(differing) - added - gone, "changed"), (gone, "gone"))
    said = ", ".join(f"{count} {word}" for count, word in counts if count)
    return f"{said or 'nothing to pin'}; for {', '.join(str(each) for each in new.platforms)}"


def _check(
    path: Path, programs: list[Program], looking: Looking, old: Lock | None, text: SourceFile | None, *, whole: bool
) -> int:
    remedy = lock_command(path)
    wrong = out_of_date(programs, looking, old, lock_path(path).name, remedy)
    if wrong:
        raise Refused(wrong, programs[0].recipe.source)
    if whole and old is not None and text is not None:
        left = tuple(
            Diagnostic(
                code="E0707",
                message=f"the recipe does not name {change.name}",
                span=place(text.text, change.path),
                help=f"remove it: {remedy}",
            )
            for change in changes(old, looking.lock(programs))
        )
        if left:
            raise Refused(left, text)
    print(f"{lock_path(path)} is up to date")
    return Exit.DONE
