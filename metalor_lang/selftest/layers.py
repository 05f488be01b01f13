"""Layers that want out of their directory, or want too much; each is unpacked with a canary beside it.

Invariant: made here, member by member; whatever comes of a layer, what lies outside must be as before, and each that
must be refused is refused with an entry and a reason.
"""

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

from metalor_lang.errors import MetalorError
from metalor_lang.hints import Final
from metalor_lang.kernel.paths import Root
from metalor_lang.oci.budget import Budgets, LayerRefused
from metalor_lang.oci.media import Compression
from metalor_lang.oci.unpack import LayerSource, apply_layers
from metalor_lang.record import dataclass

_END: Final = bytes(1024)
_BUDGETS: Final = Budgets(entries=100, data=64 << 20, ratio=50, ratio_from=1 << 20)
_BOMB: Final = 32 << 20


def member(
    name: str,
    kind: bytes = tarfile.REGTYPE,
    *,
    data: bytes = b"",
    link: str = "",
    device: tuple[int, int] = (0, 0),
    pax: dict[str, str] | None = None,
) -> bytes:
    """One member of an archive, with extended headers as given."""
    info = tarfile.TarInfo()
    # Not by the constructor or `addfile`: they would normalise what must stay as it is.
    info.name, info.type, info.linkname, info.size, info.mode, info.mtime = name, kind, link, len(data), 0o644, 10**9
    info.devmajor, info.devminor = device
    info.uid, info.gid = os.getuid(), os.getgid()
    if pax is not None:
        info.pax_headers = dict(pax)
    block = info.tobuf(tarfile.PAX_FORMAT if pax is not None else tarfile.GNU_FORMAT)
    return block + data + bytes(-len(data) % 512)


def symlink(name: str, target: str) -> bytes:
    """A symbolic link."""
    return member(name, tarfile.SYMTYPE, link=target)


def hardlink(name: str, target: str) -> bytes:
    """A hard link."""
    return member(name, tarfile.LNKTYPE, link=target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """A set of layers.

    Args:
        name: unique.
        layers: gives the inflated bytes of each, base first; told the absolute path of the directory outside.
        refused: a part of the reason; "" when it must unpack, harmlessly.
        squeeze: compress them.
        lie: give a wrong digest.

    """

    name: str
    layers: Callable[[str], Sequence[bytes]]
    refused: str = ""
    squeeze: bool = False
    lie: bool = False


def _one(*members: bytes) -> Callable[[str], Sequence[bytes]]:
    return lambda out: [b"".join(members)]


HOSTILE: Final = (
    Hostile(name="dotdot", layers=_one(member("../outside/canary", data=b"evil")), refused="`..`"),
    Hostile(name="dotdot below", layers=_one(member("a/../../outside/canary", data=b"evil")), refused="`..`"),
    Hostile(name="absolute", layers=lambda out: [member(f"{out}/canary", data=b"evil")]),
    Hostile(
        name="symlink parent", layers=lambda out: [symlink("l", out) + member("l/canary", data=b"evil")]
    ),
    Hostile(
        name="symlink parent of a lower layer",
        layers=lambda out: [symlink("l", "../" * 30 + out[1:]), member("l/canary", data=b"evil")],
    ),
    Hostile(name="root as a symlink", layers=lambda out: [symlink(".", out)], refused="root of the image"),
    Hostile(name="hardlink outside", layers=_one(hardlink("x", "../outside/canary")), refused="`..`"),
    Hostile(
        name="hardlink through a symlink", layers=lambda out: [symlink("l", out) + hardlink("x", "l/canary")],
        refused="does not exist",
    ),
    Hostile(
        name="file over a symlink", layers=lambda out: [symlink("x", f"{out}/canary"), member("x", data=b"evil")]
    ),
    Hostile(name="whiteout of the parent", layers=_one(member("a/.wh...")), refused="names nothing"),
    Hostile(name="whiteout through a symlink", layers=lambda out: [symlink("l", out), member("l/.wh.canary")]),
    Hostile(name="opaque through a symlink", layers=lambda out: [symlink("l", out), member("l/.wh..wh..opq")]),
    Hostile(
        name="overlay attribute",
        layers=_one(member("d", tarfile.DIRTYPE, pax={"SCHILY.xattr.user.overlay.opaque": "y"})),
        refused="overlay",
    ),
    Hostile(name="overlay whiteout device", layers=_one(member("x", tarfile.CHRTYPE)), refused="0:0"),
    Hostile(
        name="device over a symlink",
        layers=lambda out: [symlink("x", f"{out}/canary"), member("x", tarfile.CHRTYPE, device=(1, 3))],
    ),
    Hostile(
        name="fifo that waits", layers=lambda out: [member("f", tarfile.FIFOTYPE), member("f", data=b"evil")]
    ),
    Hostile(
        name="PAX path", layers=_one(member("fine", data=b"evil", pax={"path": "../outside/canary"})), refused="`..`"
    ),
    Hostile(
        name="PAX size", layers=_one(member("a", data=b"x" * 512, pax={"size": "1024"}) + member("b")),
        refused="two sizes",
    ),
    Hostile(name="absurd user", layers=_one(member("a", pax={"uid": "4294967295"})), refused="user id"),
    Hostile(name="gzip bomb", layers=_one(member("zeros", data=bytes(_BOMB))), refused="bomb", squeeze=True),
    Hostile(name="wrong digest", layers=_one(member("a", data=b"evil")), refused="config says", lie=True),
    Hostile(name="cut short", layers=lambda out: [member("a", data=b"x" * 600)[:700]], refused="ends inside"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """What came of one set: "" or what is wrong, and the unpacker's words."""

    name: str
    wrong: str
    said: str


def unpack_all(place: Path) -> list[Unpacked]:
    """Unpack every set below an empty directory.

    Args:
        place: ours; what is made in it stays.

    """
    return [_unpack(number, hostile, place) for number, hostile in enumerate(HOSTILE)]


def _unpack(number: int, hostile: Hostile, place: Path) -> Unpacked:
    base = place / str(number)
    outside, root = base / "outside", base / "root"
    outside.mkdir(parents=True)
    root.mkdir()
    (outside / "canary").write_text("untouched")
    before = _state(outside)
    said, refused = "", ""
    try:
        _apply(hostile, outside, root)
    except LayerRefused as error:
        said, refused = error.message, error.reason
    except MetalorError as error:
        said = error.message
    if _state(outside) != before or sorted(os.listdir(base)) != ["outside", "root"]:
        return Unpacked(name=hostile.name, wrong="it changed what lies outside", said=said)
    if hostile.refused and hostile.refused not in refused:
        return Unpacked(name=hostile.name, wrong=f"it was not refused for `{hostile.refused}`", said=said)
    if not hostile.refused and said:
        return Unpacked(name=hostile.name, wrong="it was refused, though it does no harm", said=said)
    return Unpacked(name=hostile.name, wrong="", said=said)


def _apply(hostile: Hostile, outside: Path, root: Path) -> None:
    sources = []
    for plain in hostile.layers(str(outside)):
        data = plain if hostile.name == "cut short" else plain + _END
        digest = hashlib.sha256(b"other" if hostile.lie else data).hexdigest()
        packed = gzip.compress(data, 9, mtime=0) if hostile.squeeze else data
        sources.append(
            LayerSource(
                open=lambda packed=packed: io.BytesIO(packed),  # type: ignore[misc]
                compression=Compression.GZIP if hostile.squeeze else Compression.NONE,
                diff_id=f"sha256:{digest}",
            )
        )
    with Root.at(root) as opened:
        apply_layers(sources, opened.fd, budgets=_BUDGETS)


def _state(outside: Path) -> list[tuple[str, int, int, int, int, bytes]]:
    found = []
    for path in (outside, *sorted(outside.iterdir())):
        about = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found.append((path.name, about.st_mode, about.st_uid, about.st_nlink, about.st_mtime_ns, content))
    return found
