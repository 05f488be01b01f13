"""`metalor cache export` and `import`: directories of `--cache` to and from a tar.

Invariant: a cache is replaced only by a whole tar that was unpacked; the tar belongs to whoever asked for it.
"""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from metalor_lang.build.owning import owned
from metalor_lang.build.reading import one_platform
from metalor_lang.checker.platforms import host_platform
from metalor_lang.errors import Exit, UsageError
from metalor_lang.runtime.world import World
from metalor_lang.screen.text import size
from metalor_lang.store.caches import CacheInfo, CacheName
from metalor_lang.store.store import Store


def describe(info: CacheInfo) -> Mapping[str, str | int]:
    """A cache as JSON."""
    name = info.name
    return {
        "id": name.id,
        "platform": name.platform,
        "user": name.uid,
        "private": name.slot,
        "size": info.size,
        "used": info.used // 10**9,
    }


def title(info: CacheInfo) -> str:
    """A cache in words."""
    alone = f", private {info.name.slot}" if info.name.slot else ""
    return f"cache {info.name.id} ({info.name.platform}, user {info.name.uid}{alone})  {size(info.size)}"


def carry(store: Store, world: World, arguments: argparse.Namespace) -> int:
    """Do an export or an import."""
    action = arguments.action
    if arguments.id is None or arguments.tar is None:
        raise UsageError(
            f"cache {action}: the cache or the file is missing", help=f"metalor cache {action} ID FILE.tar"
        )
    name = CacheName(
        id=arguments.id, platform=str(one_platform(arguments.platform) or host_platform()), uid=arguments.user or 0
    )
    path = Path(arguments.tar)
    try:
        if action == "export":
            with owned(path, world.owner):
                count = store.caches.export(name, path, vet=_vet(name, arguments.secret))
            print(f"wrote {path}: {count} entries")
        else:
            _import(store, name, path)
            print(f"cache {name.id} ({name.platform}, user {name.uid}) is what {path} holds")
    except OSError as error:
        if error.filename is None or Path(error.filename) != path:
            raise
        raise UsageError(f"{path}: {error.strerror}") from None
    return Exit.DONE


def _vet(name: CacheName, words: Sequence[str]) -> Callable[[Path], None]:
    """What refuses a cache in which a secret is left."""
    from metalor_lang.build.secrets import Leak, parse_secrets

    secrets = parse_secrets(words)

    def vet(place: Path) -> None:
        try:
            secrets.vet_tree(place)
        except Leak as leak:
            raise Leak(
                f"cache {name.id} is not exported: {leak.message}",
                help="let a step that uses the cache delete it, or let it log in from outside of the cache",
            ) from None

    return vet


def _import(store: Store, name: CacheName, path: Path) -> None:
    from metalor_lang.oci.archives import unpack_archive

    with path.open("rb") as stream:

        def fill(fd: int) -> None:
            unpack_archive(stream, path, fd, owners=True)
            status = os.fstat(fd)
            if status.st_uid != name.uid:
                os.fchown(fd, name.uid, status.st_gid)

        store.caches.replace(name, name.uid, fill)
