"""What is kept when a build ends, for the next one to be compared with: its account, and what it took from contexts.

Invariant: called when everything has been told; what cannot be read or written any more is left out.
"""

import time
from collections.abc import Iterable
from pathlib import Path

from metalor_lang.build.accounts.ledger import Whose
from metalor_lang.build.accounts.past import Past
from metalor_lang.build.folders import Folders
from metalor_lang.build.listings import Listings
from metalor_lang.build.locked import lock_digest
from metalor_lang.build.lookup import Place
from metalor_lang.errors import MetalorError
from metalor_lang.hints import TYPE_CHECKING, Final
from metalor_lang.plan.graph import BindMount, CopyFiles, Exec, Plan, Step
from metalor_lang.plan.why.account import account_of
from metalor_lang.store.store import Store

if TYPE_CHECKING:
    from metalor_lang.build.contexts import Listing

_UNFINISHED: Final = b"-" * 71


def keep(
    plan: Plan,
    whose: Whose,
    signature: bytes | None,
    done: frozenset[Place] | None,
    *,
    store: Store,
    contexts: Folders,
) -> None:
    """Keep the account of a build in place of the last one.

    Args:
        plan: what was built.
        whose: which builds it is of.
        signature: as `ledger.signature`; None where the build was not finished.
        done: the steps whose results are in the store; None for all.
        store: an open one.
        contexts: of the recipe.

    """
    ignores = keep_taken([step for stage in plan.stages.values() for step in stage.steps], store, contexts)
    account = account_of(
        plan,
        recipe=whose.path,
        done=done,
        ignores=ignores,
        lock=lock_digest(Path(whose.path)),
        when=int(time.time()),
    )
    Past(store).note(whose, signature or _UNFINISHED, account)


def keep_taken(steps: Iterable[Step], store: Store, folders: Folders) -> dict[str, str]:
    """Keep what steps took from contexts; gives, by context, the rules that hid other files of it."""
    taken: list[CopyFiles | BindMount] = []
    for step in steps:
        match step.action:
            case CopyFiles(stage=None):
                taken.append(step.action)
            case Exec(mounts=mounts):
                taken += [each for each in mounts if isinstance(each, BindMount) and each.stage is None]
            case _:
                pass
    if not taken:
        return {}
    contexts = folders.opened()
    listings: list[Listing] = []
    for each in taken:
        try:
            match each:
                case CopyFiles():
                    listings.append(contexts.listing(each))
                case BindMount():
                    listings.append(contexts.bound_listing(each))
        except MetalorError:
            continue  # it is not any more what was built
    ignores = {}
    for name in {each.context for each in taken}:
        try:
            ignores[name] = contexts.rules(name)
        except MetalorError:
            continue
    kept = Listings(store)
    for listing in listings:
        kept.keep(listing.kept)
    return {name: text for name, text in ignores.items() if text}
