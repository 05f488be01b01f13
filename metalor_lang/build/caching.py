"""The caches of a step (`--cache`): which ones they are, and holding them while it runs.

Invariant: a step takes all its caches at once, before it starts, and gives them back when it has ended.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack

from metalor_lang.build.users import Identity
from metalor_lang.checker.program import Platform
from metalor_lang.plan.graph import CacheMount, Exec
from metalor_lang.runtime.request import BindSpec, LayeredView
from metalor_lang.store.caches import CacheName, Wanted
from metalor_lang.store.store import Store


def take(
    store: Store,
    action: Exec,
    platform: Platform,
    identity: Identity,
    stack: ExitStack,
    *,
    on_wait: Callable[[str], None],
    stop: Callable[[], bool],
) -> Mapping[str, BindSpec]:
    """The mounts of a step's caches, by their paths; held until `stack` ends.

    Args:
        store: has them.
        action: the step.
        platform: of its stage.
        identity: who runs it: a cache is that user's.
        stack: of the step.
        on_wait: told in words when a step must be waited for.
        stop: asked while waiting.

    Raises:
        InterruptedError: `stop` said so.

    """
    mounts = [mount for mount in action.mounts if isinstance(mount, CacheMount)]
    if not mounts:
        return {}
    wanted = {mount.path: _wanted(mount, platform, identity) for mount in mounts}
    held = store.caches.use(
        wanted.values(),
        on_wait=lambda name: on_wait(f"waiting for a step that has the cache {name.id} to itself"),
        stop=stop,
    )
    names = stack.enter_context(held)
    return {
        path: BindSpec(target=path, source=LayeredView(lowers=(), upper=names[each]), readonly=False)
        for path, each in wanted.items()
    }


def _wanted(mount: CacheMount, platform: Platform, identity: Identity) -> Wanted:
    name = CacheName(id=mount.id, platform=str(platform), uid=identity.uid)
    return Wanted(name=name, gid=identity.gid, sharing=mount.sharing)
