"""A Dockerfile built by Buildah, the recipe that stands for it built by us, and what the two images differ in.

Invariant: both start from the same base images, by digest: those that metalor resolves are put into Buildah's storage
under the names that the Dockerfile has for them. The person's folders are only read.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from metalor_lang.build.api import Session
from metalor_lang.build.events import EventSink, NullSink
from metalor_lang.build.export import Exporter
from metalor_lang.build.failures import Refused
from metalor_lang.build.model import Options
from metalor_lang.build.reading import RecipeOptions, examine
from metalor_lang.build.sketch import sketch
from metalor_lang.checker.program import ImageBase, Program, RootfsBase, Transport
from metalor_lang.convert.back.printer import whole
from metalor_lang.hints import TYPE_CHECKING, Final
from metalor_lang.oci.fetch import Fetched
from metalor_lang.oci.media import Compression
from metalor_lang.oci.output import parse_output
from metalor_lang.oci.reference import Reference
from metalor_lang.plan.graph import Plan
from metalor_lang.proving.buildah import TAG, Buildah, Order
from metalor_lang.proving.compare import TRACES, Comparison, Picture, Trace, compare
from metalor_lang.proving.facts import picture
from metalor_lang.record import dataclass, field, replace
from metalor_lang.source import SourceFile
from metalor_lang.store.store import Store

if TYPE_CHECKING:
    from metalor_lang.runtime.client import Runtime
    from metalor_lang.runtime.rootfs import Snapshotter

_RECIPE: Final = "converted.metalor"
_CONTEXT: Final = "context"
_SPECIAL: Final = frozenset(" \t\"'\\$#[")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What is to be proved: this recipe makes the image of that Dockerfile.

    Args:
        recipe: the recipe's text.
        order: what Buildah builds; its context and contexts are ours too.
        files: further files by name that the recipe needs in its context, such as `.metalorignore`.
        bases: local images in place of registry references, as a recipe's FROM names them (`oci:DIR:TAG`).
        options: what else the recipe is read with.
        traces: what is known of what Buildah leaves behind.

    """

    recipe: str
    order: Order
    files: Mapping[str, bytes] = field(default_factory=dict)
    bases: Mapping[str, str] = field(default_factory=dict)
    options: RecipeOptions = RecipeOptions(builds=True)
    traces: tuple[Trace, ...] = TRACES


class Prover:
    """Builds both ways in one store and one storage of Buildah; bases are brought there once.

    Args:
        store, runtime, snapshotter: as for `Session.build`; stay the caller's.
        buildah: the other builder, as it is afterwards too.
        events: who hears of our build.

    """

    def __init__(
        self,
        *,
        store: Store,
        runtime: "Runtime",
        snapshotter: "Snapshotter",
        buildah: Buildah,
        events: EventSink | None = None,
    ) -> None:
        self.store = store
        self._runtime = runtime
        self._snapshotter = snapshotter
        self.buildah = buildah
        self._events = events or NullSink()
        self.source: SourceFile | None = None
        """The recipe that was built last, for the frame of an error in it."""

    def prove(self, claim: Claim, scratch: Path) -> Comparison:
        """Build both ways and compare.

        Args:
            claim: what.
            scratch: an empty folder; stays the caller's.

        Raises:
            Refused: the recipe is wrong.
            BuildFailed: one of its steps fails.
            TheirBuildFailed: Buildah cannot build the Dockerfile.
            MetalorError: a base cannot be had.

        """
        ours = self._ours(claim, scratch)
        self.buildah.build(claim.order, scratch / "theirs")
        theirs = self._picture(scratch, "theirs", TAG)
        return compare(ours, theirs, claim.traces)

    def _ours(self, claim: Claim, scratch: Path) -> Picture:
        context = _context(claim, scratch)
        recipe = scratch / _RECIPE
        contexts = {**claim.order.contexts, "": context}
        options = replace(claim.options, contexts=contexts)
        recipe.write_text(claim.recipe, encoding="utf-8")
        names = self._rebase(recipe, claim, context.absolute(), options)
        with Session(str(recipe), options, store=self.store, events=self._events) as session:
            self.source = session.source
            plan = session.plan()
            for name, image in _images(plan, session, names):
                self.buildah.take(name, image)
            result = session.build(plan, runtime=self._runtime, snapshotter=self._snapshotter, options=Options())
            made = sketch(result, session.bases, session.name)
            output = parse_output(f"oci:{scratch / 'ours'}:{TAG}")
            Exporter(self.store, self._snapshotter, NullSink()).export([made], [output], Compression.NONE)
        return self._picture(scratch, "ours", TAG)

    def _rebase(self, recipe: Path, claim: Claim, context: Path, options: RecipeOptions) -> dict[int, str]:
        """Let a recipe stand on local images; the reference of each stage, by its index, as it was written."""
        standing = {whole(place, context): name for name, place in claim.bases.items()}
        wanted = {Reference.parse(name).pullable: place for name, place in claim.bases.items()}
        text = recipe.read_text(encoding="utf-8")
        source = SourceFile(str(recipe), text)
        program = _program(source, options, context / _RECIPE)
        names: dict[int, str] = {}
        for stage in reversed(program.stages):
            place = None
            match stage.base:
                case ImageBase(transport=Transport.REGISTRY, location=name):
                    names[stage.index] = name
                    place = wanted.get(Reference.parse(name).pullable)
                case ImageBase(transport=transport, location=location, tag=tag):
                    # A recipe that became a Dockerfile: there the local image has a name.
                    at = whole(f"{transport.value}:{location}" + (f":{tag}" if tag else ""), context)
                    if at in standing:
                        names[stage.index] = standing[at]
                case RootfsBase(path=path):
                    place = f"rootfs:{context / path}"  # the recipe lies elsewhere for now
                case _:
                    pass
            if place is not None:
                span = stage.node.base.span
                text = text[: span.start] + _word(place) + text[span.end :]
        recipe.write_text(text, encoding="utf-8")
        return names

    def _picture(self, scratch: Path, name: str, tag: str) -> Picture:
        tree = scratch / f"{name}-tree"
        tree.mkdir()
        return picture(scratch / name, tag, tree)


def _program(source: SourceFile, options: RecipeOptions, recipe: Path) -> Program:
    from metalor_lang.build.reading import open_contexts

    with open_contexts(recipe, options) as contexts:
        _, program, wrong = examine(source, (), options, contexts)
    if program is None or wrong:
        raise Refused(wrong, source)
    return program


def _word(text: str) -> str:
    """A value as a recipe has it."""
    return text if not _SPECIAL.intersection(text) else json.dumps(text, ensure_ascii=False).replace("${", "$${")


def _images(plan: Plan, session: Session, names: Mapping[int, str]) -> Sequence[tuple[str, Fetched]]:
    """The images that the needed stages stand on, by the name that the Dockerfile has for them."""
    found = []
    for index, stage in plan.stages.items():
        if isinstance(stage.base, ImageBase) and index in names:
            image = session.bases.resolve(stage.base, stage.platform).image
            if image is not None:
                found.append((names[index], image))
    return found


def _context(claim: Claim, scratch: Path) -> Path:
    """The context with the files that the recipe needs in it: a copy where there are some that it lacks."""
    folder = claim.order.context
    if all(_holds(folder / name, data) for name, data in claim.files.items()):
        return folder
    copy = scratch / _CONTEXT
    shutil.copytree(folder, copy, symlinks=True)
    for name, data in claim.files.items():
        os.makedirs((copy / name).parent, exist_ok=True)
        (copy / name).write_bytes(data)
    return copy


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data
