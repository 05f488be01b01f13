"""What an image is made from, before any layer is written; kept in the store under the recipe's name.

Invariant: a sketch names snapshots and a base by digest, so that the same sketch gives the same image; one that
cannot be fulfilled any more is refused when it is recalled.
"""

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from metalor_lang.build.bases import Bases
from metalor_lang.build.cuts import Cut, cuts
from metalor_lang.build.model import BuildResult, Chain, StageResult
from metalor_lang.checker.platforms import host_platform, same_platform
from metalor_lang.checker.program import ImageBase, Platform, RootfsBase, StageBase
from metalor_lang.errors import UsageError
from metalor_lang.hints import Any, Final
from metalor_lang.plan.graph import ImageState, Kind
from metalor_lang.record import asdict, dataclass
from metalor_lang.store.files import write_whole
from metalor_lang.store.store import Store

_FORMAT: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SketchBase:
    """The base image: its layout's path, and the descriptor of its manifest."""

    layout: str
    media_type: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SketchLayer:
    """What one layer (or none, when nothing changed) is made from.

    Args:
        lower, upper: the chains whose difference it is.
        epoch: newest time in it.
        history: the statements, and whether the layer is of each: it may write files, or closes the layer.
        made: for each of them the snapshot that it ended with, "" for none.
        name: as LAYER says it, "" for what no LAYER closes.

    """

    lower: Chain
    upper: Chain
    epoch: int
    history: tuple[tuple[str, bool], ...]
    made: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """An image before its layers are written.

    Args:
        base: the image it stands on, None for scratch and `rootfs:`.
        chain: the whole tree.

    """

    name: str
    base: SketchBase | None
    layers: tuple[SketchLayer, ...]
    chain: Chain
    state: ImageState
    platform: Platform
    created: int


def sketch(result: BuildResult, bases: Bases, name: str) -> Sketch:
    """What the target of a build is, as an image."""
    target = result.target
    stages = lineage(result)
    root = stages[0].stage
    layout: SketchBase | None = None
    layers: list[SketchLayer] = []
    match root.base:
        case ImageBase():
            image = bases.resolve(root.base, root.platform).image
            assert image is not None
            descriptor = image.selection.descriptor
            layout = SketchBase(
                layout=str(image.layout.path.absolute()),
                media_type=descriptor.media_type,
                digest=descriptor.digest,
                size=descriptor.size,
            )
        case RootfsBase(path=path):
            start = stages[0].start
            layers.append(
                SketchLayer(lower=(), upper=start, epoch=root.epoch, history=((f"FROM rootfs:{path}", True),))
            )
        case _:
            pass
    layers += [_layer(cut, built.stage.epoch) for built in stages for cut in cuts(built)]
    return Sketch(
        name=name,
        base=layout,
        layers=tuple(layers),
        chain=target.chain,
        state=target.stage.final,
        platform=target.stage.platform,
        created=target.stage.epoch,
    )


def lineage(result: BuildResult) -> tuple[StageResult, ...]:
    """The stages that the target of a build stands on, the lowest first, and the target."""
    stages = [result.target]
    while isinstance(base := stages[0].stage.base, StageBase):
        stages.insert(0, result.stages[base.stage])
    return tuple(stages)


def _layer(cut: Cut, epoch: int) -> SketchLayer:
    shown = [(step, chain) for step, chain in zip(cut.steps, cut.after) if step.kind is not Kind.TEST]
    return SketchLayer(
        lower=cut.lower,
        upper=cut.upper,
        epoch=epoch,
        history=tuple((step.text, step.kind.writes or step.kind is Kind.LAYER) for step, _ in shown),
        made=tuple(chain[-1] if chain else "" for _, chain in shown),
        name=cut.name,
    )


# --- remembering ----------------------------------------------------------------------------------------------------


def remember(store: Store, made: Sequence[Sketch]) -> bytes:
    """Keep what one build made in the store under its name: a sketch for each platform, in place of what was there.

    Returns:
        what was there, for `earlier`.

    """
    folder = store.root / "refs"
    folder.mkdir(mode=0o700, exist_ok=True)
    # In ASCII: a file's name need not be UTF-8, and the recipe is called by it.
    body = json.dumps({"format": _FORMAT, "images": [asdict(each) for each in made]}).encode()
    path = _ref_path(store, made[0].name)
    before = b""
    with contextlib.suppress(OSError):
        before = path.read_bytes()
    if before != body:  # a build that found everything in the store writes nothing
        write_whole(path, body, scratch=store.tmp, token="0" * 16)
    return before


def earlier(before: bytes) -> tuple[Sketch, ...]:
    """The sketches that `remember` replaced, none where there were none; their snapshots may be gone."""
    try:
        return _sketches_of(json.loads(before))
    except (ValueError, KeyError, TypeError):
        return ()


def recall(store: Store, name: str) -> tuple[Sketch, ...]:
    """The sketches under a name, one for each platform that it was built for.

    Raises:
        UsageError: there is none, or what they were made from is gone.

    """
    path = _ref_path(store, name)
    try:
        found = _sketches_of(json.loads(path.read_bytes()))
    except FileNotFoundError:
        known = ", ".join(sorted(names(store))) or "none"
        registry = f"; an image of a registry is written docker://{name}" if ":" in name else ""
        raise UsageError(
            f"nothing was built under the name {name!r}", help=f"build it first; the store has: {known}{registry}"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"what was remembered of {name!r} cannot be read", help="build it again") from None
    if not store.snapshots.hold(
        identity for each in found for layer in each.layers for identity in (*layer.lower, *layer.upper)
    ):
        raise UsageError(f"the snapshots of {name!r} are not in the store any more", help="build it again")
    return found


def choose(found: Sequence[Sketch], wanted: Sequence[Platform]) -> tuple[Sketch, ...]:
    """The sketches for the wanted platforms, in their order.

    Raises:
        UsageError: it was not built for one of them.

    """
    chosen = []
    for platform in wanted:
        fits = [each for each in found if same_platform(each.platform, platform)]
        if not fits:
            built = ",".join(str(each.platform) for each in found)
            raise UsageError(
                f"{found[0].name!r} was built for {built}, not for {platform}",
                help=f"build it again: metalor build --platform {built},{platform} …",
            )
        chosen.append(fits[0])
    return tuple(chosen)


def choose_one(found: Sequence[Sketch], wanted: Platform | None) -> Sketch:
    """The sketch to run: the wanted platform's, else the only one, else this machine's.

    Raises:
        UsageError: there is none, or none can be preferred.

    """
    if wanted is not None:
        return choose(found, (wanted,))[0]
    if len(found) == 1:
        return found[0]
    here = host_platform()
    fits = [each for each in found if same_platform(each.platform, here)]
    if not fits:
        built = ", ".join(str(each.platform) for each in found)
        raise UsageError(
            f"{found[0].name!r} was built for {built}, and not for this machine, which is {here}",
            help=f"choose one: --platform {found[0].platform}",
        )
    return fits[0]


def names(store: Store) -> tuple[str, ...]:
    """The names that something was built under."""
    folder = store.root / "refs"
    try:
        return tuple(bytes.fromhex(each.stem).decode("utf-8", "surrogateescape") for each in folder.glob("*.json"))
    except (OSError, ValueError):
        return ()


def _ref_path(store: Store, name: str) -> Path:
    return store.root / "refs" / f"{name.encode('utf-8', 'surrogateescape').hex()}.json"


def _sketches_of(body: Mapping[str, Any]) -> tuple[Sketch, ...]:
    if body["format"] != _FORMAT or not body["images"]:
        raise ValueError("another format")
    return tuple(_sketch_of(each) for each in body["images"])


def _sketch_of(body: Mapping[str, Any]) -> Sketch:
    state: dict[str, Any] = {
        key: tuple(tuple(item) if isinstance(item, list) else item for item in value)
        if isinstance(value, list)
        else value
        for key, value in body["state"].items()
    }
    layers = tuple(
        SketchLayer(
            lower=tuple(layer["lower"]),
            upper=tuple(layer["upper"]),
            epoch=layer["epoch"],
            history=tuple((text, writes) for text, writes in layer["history"]),
            made=tuple(layer["made"]),
            name=layer["name"],
        )
        for layer in body["layers"]
    )
    return Sketch(
        name=body["name"],
        base=SketchBase(**body["base"]) if body["base"] else None,
        layers=layers,
        chain=tuple(body["chain"]),
        state=ImageState(**state),
        platform=Platform(**body["platform"]),
        created=body["created"],
    )
