"""A sketch → an image in the outputs asked for.

Invariant: layers are made only when an output needs them, once, and remembered; a base's layers are taken as they are.
"""

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from metalor_lang.build.events import EventSink, Exported, Notice
from metalor_lang.build.failures import refuse
from metalor_lang.build.layers import LayerMaker
from metalor_lang.build.memory import BlobMemory
from metalor_lang.build.owning import owned
from metalor_lang.build.sketch import Sketch, SketchLayer
from metalor_lang.build.state import config_fields, oci_platform
from metalor_lang.errors import MachineError, UsageError, machine_help
from metalor_lang.hints import TYPE_CHECKING, BinaryIO
from metalor_lang.kernel import syscalls
from metalor_lang.oci.blob import VerifiedReader
from metalor_lang.oci.image import Image, NewLayer, assemble, history_entry
from metalor_lang.oci.index import ImageIndex, join
from metalor_lang.oci.layout import Layout, Selection
from metalor_lang.oci.media import Compression
from metalor_lang.oci.output import (
    SEVERAL,
    TREES,
    OutputKind,
    OutputSpec,
    cannot_carry,
    check_places,
    check_platforms,
    write_outputs,
)
from metalor_lang.oci.placing import own_folder, place
from metalor_lang.oci.spec import Descriptor
from metalor_lang.plan.graph import Plan
from metalor_lang.source import SourceFile
from metalor_lang.store.store import Store

if TYPE_CHECKING:
    from metalor_lang.runtime.rootfs import Snapshotter


def check_outputs(plans: Sequence[Plan], outputs: Sequence[OutputSpec], source: SourceFile) -> None:
    """Refuse, before anything runs, outputs that cannot carry what the recipe says or cannot be written.

    Args:
        plans: one for each platform.
        outputs: where to.
        source: the recipe's text.

    Raises:
        Refused: at the ANNOTATE that has no room.
        UsageError, NotALayout, MachineError: a destination is wrong, or two are one.

    """
    check_platforms(outputs, [str(plan.program.platform) for plan in plans])
    check_places(outputs)
    for spec, plan in itertools.product(outputs, plans):
        stage = plan.stages[plan.target]
        reason = cannot_carry(spec, stage.final.annotations)
        if reason is not None:
            places = [step.span for step in stage.steps if step.text.startswith("ANNOTATE ")]
            raise refuse("E0506", f"{spec}: {reason}", places[0] if places else stage.span, source)


class Exporter:
    """Writes sketches of one store.

    Args:
        owner: whom outputs are given to, see `owning`.

    Attributes:
        made: parts whose layers had to be written.

    """

    def __init__(
        self, store: Store, snapshotter: "Snapshotter", events: EventSink, *, owner: tuple[int, int] | None = None
    ) -> None:
        self._owner = owner
        self._store = store
        self._snapshotter = snapshotter
        self._events = events
        self.made: list[SketchLayer] = []

    def export(
        self, made: Sequence[Sketch], outputs: Sequence[OutputSpec], compression: Compression
    ) -> Image | ImageIndex | None:
        """Write every output, in order.

        Args:
            made: one sketch, or one for each platform.
            outputs: where to; trees and docker-archives have room for one platform.
            compression: of new layers.

        Returns:
            what was written: an index when there are several platforms; None when only trees were asked for.

        Raises:
            MetalorError: an output cannot carry the image or cannot be written; a base's blob is gone or damaged.

        """
        check_platforms(outputs, [str(each.platform) for each in made])
        image: Image | ImageIndex | None = None
        for spec in outputs:
            match spec.kind:
                case OutputKind.ROOTFS:
                    with owned(Path(spec.location), self._owner):
                        self._write_rootfs(made[0], Path(spec.location))
                case OutputKind.TAR:
                    with owned(Path(spec.location), self._owner):
                        self._write_tar(made[0], Path(spec.location))
                case _:
                    pass
        others = [spec for spec in outputs if spec.kind not in TREES]
        if others:
            image = self._write_images(made, others, compression)
        for spec in outputs:
            # A docker-archive has another manifest, which docker makes when it loads it.
            digest = image.digest if image is not None and spec.kind in SEVERAL else ""
            self._events.emit(Exported(output=str(spec), digest=digest))
        return image

    def _write_images(
        self, made: Sequence[Sketch], outputs: Sequence[OutputSpec], compression: Compression
    ) -> Image | ImageIndex:
        bases = [_open_base(each) for each in made]
        blobs = _Blobs(self._store, [base for base in bases if base is not None])
        memory = BlobMemory(self._store.root / "outputs.json")
        with self._store.workspace("output") as work, ExitStack() as stack:
            for spec in outputs:
                if spec.kind is not OutputKind.REGISTRY:
                    stack.enter_context(owned(Path(spec.location), self._owner))
            layouts = {spec.location for spec in outputs if spec.kind is OutputKind.OCI}
            # One layout gets new layers while they are made; more would have to wait for the slowest.
            also = Layout.create(layouts.pop()) if len(layouts) == 1 else None
            maker = LayerMaker(self._store, self._snapshotter, self._notice, compression, also)
            images = [_assemble(each, base, maker) for each, base in zip(made, bases)]
            self.made += maker.made
            image = images[0] if len(images) == 1 else join(images)
            write_outputs(image, outputs, blobs.open, work=work, memory=memory, fresh=maker.written)
        memory.save()
        return image

    def _notice(self, text: str) -> None:
        self._events.emit(Notice(text=text))

    def _write_rootfs(self, made: Sketch, target: Path) -> None:
        from metalor_lang.oci.copytree import copy_tree

        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise UsageError(
                f"rootfs:{target} is there already and not empty", help="name a new directory, or remove this one"
            )
        with _draft_beside(target) as draft:
            draft.mkdir(mode=0o755)
            fd = os.open(draft, os.O_RDONLY | os.O_DIRECTORY)
            try:
                with owned(draft, self._owner, whole=True), self._snapshotter.view(made.chain) as view:
                    copy_tree(view, fd, notice=self._notice)
                syscalls.syncfs(fd)
            finally:
                os.close(fd)
            if target.exists():
                target.rmdir()
            place(draft, target)

    def _write_tar(self, made: Sketch, target: Path) -> None:
        from metalor_lang.oci.layer import write_tree_tar

        with _draft_beside(target) as draft:
            with draft.open("xb") as file, self._snapshotter.view(made.chain) as view:
                write_tree_tar(view, file, epoch=None, notice=self._notice)
                file.flush()
                os.fsync(file.fileno())
            place(draft, target)


def _assemble(made: Sketch, base: tuple[Layout, Selection] | None, maker: LayerMaker) -> Image:
    """The image of a sketch; its new layers are in the store's blobs."""
    layers: list[NewLayer] = []
    history = []
    for part in made.layers:
        layer = maker.layer(part)
        if layer is not None:
            layers.append(layer)
        # The layer belongs to the LAYER that closes it, else to the last statement that can have written to it.
        last = max((number for number, (_, holds) in enumerate(part.history) if holds), default=-1)
        for number, (text, holds) in enumerate(part.history):
            comment = f"layer {part.name}" if part.name and holds and layer is not None else ""
            empty = layer is None or number != last
            history.append(history_entry(text, part.epoch, empty_layer=empty, comment=comment))
    return assemble(
        (base[1].manifest, base[1].config) if base else None,
        layers=layers,
        fields=config_fields(made.state, base[1].config.config if base else None),
        history=history,
        created=made.created,
        annotations=made.state.annotations,
        platform=None if base else oci_platform(made.platform),
    )


@contextmanager
def _draft_beside(target: Path) -> Iterator[Path]:
    """A name for what takes the place of `target`; it lies in a locked directory that is cleared after a kill."""
    try:
        with own_folder(target.absolute().with_name(f".{target.name}.metalor")) as folder:
            yield folder / "output"
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        raise MachineError(f"cannot write {target}: {error.strerror}{where}", help=machine_help(error.errno)) from error


def _open_base(made: Sketch) -> tuple[Layout, Selection] | None:
    if made.base is None:
        return None
    layout = Layout.open(made.base.layout)
    descriptor = Descriptor(media_type=made.base.media_type, digest=made.base.digest, size=made.base.size)
    return layout, layout.load(descriptor)


class _Blobs:
    """Where the bytes of layers are: a base's in its layout, ours in the store."""

    def __init__(self, store: Store, bases: Sequence[tuple[Layout, Selection]]) -> None:
        self._store = store
        self._below = {
            layer.digest: (layout, layer) for layout, selection in bases for layer in selection.manifest.layers
        }

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """The bytes of a layer."""
        if descriptor.digest in self._below:
            layout, layer = self._below[descriptor.digest]
            return layout.open_blob(layer)  # type: ignore[return-value]
        try:
            file = self._store.blobs.path(descriptor.digest).open("rb", buffering=0)
        except FileNotFoundError:
            return self._store.blobs.open(descriptor.digest)  # which says what is missing
        stream = VerifiedReader(file, descriptor, "the store", condemn=lambda: self._condemn(descriptor.digest))
        return stream  # type: ignore[return-value]

    def _condemn(self, digest: str) -> None:
        # The store's own reader moves what is damaged to the quarantine, and says so.
        with self._store.blobs.open(digest) as stream:
            while stream.read(1 << 20):
                pass
