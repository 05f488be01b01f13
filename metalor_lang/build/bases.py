"""What stages stand on: images and root file systems, described for the plan and unpacked for the build.

Invariant: a base is unpacked into one snapshot per identity (what it is and who unpacked it), whoever asks first; the
others wait and use it.
"""

import time
from collections.abc import Callable
from pathlib import Path

from metalor_lang.build.state import image_state, oci_platform, plan_platform
from metalor_lang.checker.program import Base, ImageBase, Platform, RootfsBase, Transport
from metalor_lang.digest import json_digest
from metalor_lang.errors import MachineError, MetalorError
from metalor_lang.guards import Lock
from metalor_lang.hints import TYPE_CHECKING, Final
from metalor_lang.kernel.paths import Root
from metalor_lang.oci.errors import FetchFailed, ImageError, ManifestMissing, NotALayout, PlatformMissing
from metalor_lang.oci.fetch import Fetched, discard, fetch
from metalor_lang.plan.graph import BaseInfo, InputError
from metalor_lang.record import dataclass
from metalor_lang.store.records import StepRecord
from metalor_lang.store.store import Store

if TYPE_CHECKING:
    from metalor_lang.build.rootfs import RootfsTree
    from metalor_lang.build.statcache import StatCache
    from metalor_lang.oci.layout import Layout, Selection
    from metalor_lang.oci.spec import Descriptor

_UNPACKER_VERSION: Final = 1
"""Raised when the trees that our unpacker writes change."""


def _no_memory() -> "StatCache":
    from metalor_lang.build.statcache import StatCache

    return StatCache()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A base whose identity is known. One of `image` and `tree` is there."""

    info: BaseInfo
    key: str
    image: Fetched | None = None
    tree: "RootfsTree | None" = None


def image_location(base: ImageBase, folder: Path) -> str:
    """The reference or the path of an image base, as `oci.fetch` takes it; relative paths start in `folder`."""
    if base.transport is not Transport.REGISTRY:
        return str(folder / base.location)
    if not base.tag:
        return base.location
    return base.location + ("@" if base.tag.startswith("sha256:") else ":") + base.tag


def pinned_location(base: ImageBase, digest: str) -> str:
    """The reference of a registry's image by its digest, whatever tag it is named by."""
    return f"{image_location(base, Path()).partition('@')[0]}@{digest}"


def base_info(image: "Selection") -> BaseInfo:
    """What the plan must know of an image."""
    config = image.config
    return BaseInfo(
        digest=image.descriptor.digest,
        state=image_state(config.config),
        platform=plan_platform(config),
        created=config.created_seconds,
        onbuild=config.config.onbuild,
    )


def input_error(error: MetalorError, transport: Transport) -> InputError:
    """What is wrong with an image base, with its code."""
    match error:
        case NotALayout():
            code = "E0501"
        case ManifestMissing() | PlatformMissing():
            code = "E0502"
        case FetchFailed():
            code = "E0504" if transport is Transport.REGISTRY else "E0501"
        case ImageError():
            code = "E0503"
        case _:
            code = "E0504"
    return InputError(code, error.message, error.help)


class Bases:
    """The bases of one build.

    Args:
        store: keeps fetched images and unpacked snapshots.
        folder: where relative paths of the recipe start.
        unpacker: who unpacks images, "own" or "umoci".
        cache: gives the digests of unchanged files.
        on_wait: called when another build is unpacking what we want.
        owner: the ordinary user who builds, see read_rootfs.
        pins: gives the digest by which an image of a registry must come, None where any will do.

    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        *,
        unpacker: str = "own",
        cache: "Callable[[], StatCache] | None" = None,
        on_wait: Callable[[str], None] | None = None,
        owner: tuple[int, int] | None = None,
        pins: Callable[[ImageBase, Platform], str | None] | None = None,
    ) -> None:
        self._owner = owner
        self._pins = pins
        self._store = store
        self._folder = folder
        self.unpacker = unpacker
        self._cache = cache or _no_memory
        self._on_wait = on_wait
        self._lock = Lock()
        self._known: dict[tuple[Base, Platform], Resolved] = {}

    def resolve(self, base: Base, platform: Platform) -> Resolved:
        """Fetch what is needed to know a base: manifest and config, or the digest of a tree.

        Raises:
            InputError: with a code, for what is wrong with the base.
            MachineError: this machine cannot (skopeo is missing, the store is full).

        """
        with self._lock:
            known = self._known.get((base, platform))
            if known is None:
                match base:
                    case ImageBase():
                        known = self._image(base, platform)
                    case RootfsBase():
                        known = self._tree(base)
                    case _:
                        raise TypeError(f"not a base with content: {base}")
                self._known[base, platform] = known
                if known.info.platform is not None:  # whoever unpacks it asks with the platform that it is for
                    self._known.setdefault((base, known.info.platform), known)
            return known

    def base(self, base: Base, platform: Platform) -> BaseInfo:
        """What the plan must know of a base; errors as `resolve`."""
        return self.resolve(base, platform).info

    def chain(self, base: Base, platform: Platform, *, stop: Callable[[], bool] | None = None) -> tuple[str, ...]:
        """The snapshots of an unpacked base.

        Raises:
            MetalorError: a layer is damaged or cannot be unpacked; nothing of it stays.
            InterruptedError: `stop` became true; nothing of it stays.

        """
        resolved = self.resolve(base, platform)
        record = self._store.steps.get(resolved.key)
        if record is None:
            with self._store.locks.exclusive(f"step:{resolved.key}", on_wait=self._on_wait, stop=stop):
                record = self._store.steps.get(resolved.key)
                if record is None:
                    record = self._unpack(resolved, stop or (lambda: False))
        return record.chain

    def unpacked(self, base: Base, platform: Platform) -> tuple[str, ...] | None:
        """The snapshots of a base that the store has already, None where it must be unpacked first."""
        record = self._store.steps.get(self.resolve(base, platform).key)
        return None if record is None else record.chain

    def tree(self, base: RootfsBase, platform: Platform) -> "RootfsTree":
        """The directory or archive of a base that was resolved; errors as `resolve`."""
        tree = self.resolve(base, platform).tree
        assert tree is not None
        return tree

    def _unpack(self, resolved: Resolved, stop: Callable[[], bool]) -> StepRecord:
        from metalor_lang.build.rootfs import write_rootfs
        from metalor_lang.oci.unpack import unpack

        began = time.monotonic()
        with self._store.snapshots.draft("whole") as draft:
            with Root.at(draft.fs) as root:
                if resolved.tree is not None:
                    write_rootfs(resolved.tree, root)
                elif resolved.image is not None:
                    selection = resolved.image.selection
                    layout = resolved.image.layout
                    try:
                        if self.unpacker == "umoci":
                            self._by_umoci(layout, selection.descriptor, draft.fs, stop)
                        else:
                            unpack(layout, selection.manifest, selection.config.diff_ids, root.fd, stop=stop)
                    except MetalorError as error:
                        self._if_damaged(resolved.image, error)
                        raise
            identity = draft.commit({"kind": "base", "digest": resolved.info.digest})
        record = StepRecord(
            key=resolved.key,
            chain=(identity,),
            parts={"kind": "base", "digest": resolved.info.digest, "unpacker": self.unpacker},
            text=f"base {resolved.info.digest}",
            created=int(time.time()),
            duration_ms=int((time.monotonic() - began) * 1000),
        )
        self._store.steps.put(record)
        return record

    def _if_damaged(self, image: Fetched, error: MetalorError) -> None:
        """What could not be unpacked because its blobs have rotted: say that, and throw a fetched copy away."""
        try:
            image.layout.verify(image.selection)
        except ImageError as damage:
            if discard(image, self._store.root / "images"):
                raise FetchFailed(
                    f"the fetched copy of {image.source} is damaged and has been thrown away: {damage.message}",
                    help="build again: it will be fetched anew",
                ) from error
            raise damage from error

    def _by_umoci(self, layout: "Layout", image: "Descriptor", target: Path, stop: Callable[[], bool]) -> None:
        from metalor_lang.oci.unpack import unpack_by_umoci

        work = self._store.scratch("umoci")
        try:
            unpack_by_umoci(layout, image, work, target, stop=stop)
        finally:
            self._store.discard(work)

    def _image(self, base: ImageBase, platform: Platform) -> Resolved:
        digest = None
        if self._pins is not None and base.transport is Transport.REGISTRY:
            digest = self._pins(base, platform)
        try:
            image = fetch(
                base.transport.value,
                image_location(base, self._folder) if digest is None else pinned_location(base, digest),
                base.tag or None,
                oci_platform(platform),
                self._store.root / "images",
                self._store.locks.exclusive,
            )
        except MachineError:
            raise
        except MetalorError as error:
            raise input_error(error, base.transport) from error
        key = base_key("image", list(image.selection.config.diff_ids), image.digest, self.unpacker)
        return Resolved(info=base_info(image.selection), key=key, image=image)

    def _tree(self, base: RootfsBase) -> Resolved:
        from metalor_lang.build.rootfs import read_rootfs

        tree = read_rootfs(self._folder / base.path, base.path, self._cache(), self._owner)
        info = BaseInfo(digest=tree.digest)
        return Resolved(info=info, key=base_key("rootfs", [], tree.digest, self.unpacker), tree=tree)


def base_key(kind: str, diff_ids: list[str], digest: str, unpacker: str = "own") -> str:
    """The key of an unpacked base in the store.

    Args:
        kind: "image" or "rootfs".
        diff_ids: of the image's layers.
        digest: of the manifest, or of the tree.
        unpacker: who unpacks it.

    """
    return json_digest(
        {
            "step": "base",
            "kind": kind,
            "digest": digest,
            "diff_ids": diff_ids,
            "unpacker": unpacker,
            "version": _UNPACKER_VERSION,
        }
    )
