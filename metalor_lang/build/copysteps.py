"""COPY from a context as a step: an edit of what an older build copied where that is enough, else the whole.

Invariant: as of every step: nothing is left of one that fails, trees that were written beside the image among it.
"""

from metalor_lang.build.contexts import LocalContexts
from metalor_lang.build.copies import Copies
from metalor_lang.build.copying import Elsewhere, copy_into
from metalor_lang.build.facts import Facts
from metalor_lang.build.growing import beneath
from metalor_lang.build.listings import Listings
from metalor_lang.build.model import Chain
from metalor_lang.build.nursery import Nursery
from metalor_lang.build.placing import CopyError
from metalor_lang.build.secrets import Secrets
from metalor_lang.digest import Json
from metalor_lang.plan.graph import CopyFiles, PlannedStage, Step
from metalor_lang.runtime.rootfs import Snapshotter
from metalor_lang.store.store import Store


class CopySteps:
    """Performs them for one build; safe to use from any number of threads.

    Args:
        store: an open one.
        snapshotter: makes drafts.
        contexts: of the recipe.
        facts: told of what changes.
        secrets: what may not be left behind.
        anew: nothing may stand on what older builds copied.

    """

    def __init__(
        self,
        *,
        store: Store,
        snapshotter: Snapshotter,
        contexts: LocalContexts,
        facts: Facts,
        secrets: Secrets,
        anew: bool,
    ) -> None:
        self._store = store
        self._snapshotter = snapshotter
        self._contexts = contexts
        self._facts = facts
        self._secrets = secrets
        self._anew = anew
        self._copies = Copies(store, Listings(store))
        self._nursery = contexts.nursery or Nursery(store)

    def perform(self, stage: PlannedStage, step: Step, action: CopyFiles, chain: Chain) -> Chain:
        """The chain after a step; errors as `perform.Machine.perform`."""
        listing = self._contexts.listing(action)
        edit = None if self._anew else self._copies.edit(action, chain, stage.epoch, listing)
        meta: dict[str, Json] = {"step": step.key, "text": step.text}
        if edit is not None:
            try:
                with self._snapshotter.draft(edit.chain) as draft:
                    copy_into(draft.root, action, epoch=stage.epoch, contexts=self._contexts, edit=edit.found)
                    self._secrets.vet_tree(draft.upper)
                    after = draft.commit(meta, epoch=stage.epoch, durable=False)
            except (Elsewhere, CopyError):
                pass  # copied whole, it fits or says why it does not
            else:
                self._changed(chain, edit.chain)
                self._changed(edit.chain, after)
                return after
        with self._snapshotter.draft(chain) as draft:
            done = copy_into(draft.root, action, epoch=stage.epoch, contexts=self._contexts, nursery=self._nursery)
            try:
                for tree_path in (draft.upper, *(tree.path for _, tree in done.trees)):
                    self._secrets.vet_tree(tree_path)
                for place, tree in done.trees:
                    draft.adopt(place, tree.path, beneath(tree, place))
            except BaseException:
                for _, tree in done.trees:
                    self._nursery.discard(tree)
                raise
            after = draft.commit(meta, epoch=stage.epoch, durable=False)
        self._changed(chain, after)
        self._copies.remember(action, chain, stage.epoch, listing, (step.key, after, done.layout))
        return after

    def _changed(self, before: Chain, after: Chain) -> None:
        self._facts.changed(before, after, self._store.snapshots.fs_path(after[-1]))
