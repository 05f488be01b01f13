"""From an image reference to a root that commands can run in.

Invariant: everything is refused before anything is downloaded or made; a root appears whole or the old one stays.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from metalor_lang.errors import MachineError
from metalor_lang.hints import Final
from metalor_lang.isolated import layouts
from metalor_lang.isolated.architectures import architecture
from metalor_lang.isolated.errors import CommandRefused, PathRefused
from metalor_lang.isolated.layouts import Wanted, at, work_folder
from metalor_lang.isolated.model import HostPath
from metalor_lang.isolated.paths import absolute
from metalor_lang.isolated.places import Prefix, filesystem_root, make_directory, require_absent_or
from metalor_lang.isolated.source import ImageSource
from metalor_lang.kernel.process import PACKAGES, ToolMissing, find_tool, run_tool
from metalor_lang.oci.layout import Layout
from metalor_lang.oci.unpack import layer_sources, vet_layers

_PACKAGE: Final = "OCI package root"
_CACHE: Final = "OCI cache root"
_FOLDER, _BUNDLE, _ROOTFS = "oci", "bundle", "rootfs"
_WORK: Final = ".work-"


def prepare_oci_rootfs(
    reference: str,
    runtime_root_prefix: HostPath,
    runtime_package_root: HostPath,
    cache_root: HostPath | None = None,
    requested_arch: str | None = None,
) -> Path:
    """Copy an image with skopeo into an OCI layout and unpack it with umoci.

    Args:
        reference: `debian:12` (a registry's), or with a transport: `oci:DIR:TAG`, `oci-archive:FILE`,
            `docker-archive:FILE`, `docker://…` and what else skopeo knows.
        runtime_root_prefix: an existing directory that all roots lie below; never `/`.
        runtime_package_root: a directory below it, made when missing; the bundle is its `oci/bundle`, made anew.
        cache_root: keeps the layout per reference and architecture; made when missing. Without it nothing is kept.
        requested_arch: `x86_64` or `amd64`, `aarch64` or `arm64`, `riscv64`; None takes what this machine prefers.

    Returns:
        the canonical path of the root: `PACKAGE_ROOT/oci/bundle/rootfs`. As root its files have their owners, else
        they are the caller's.

    Raises:
        UnsupportedArchitecture, CommandRefused, BadReference: an argument is wrong; nothing was made or downloaded.
        PathRefused: a directory would leave its place; nothing was made or downloaded.
        ToolMissing: skopeo or umoci is not installed.
        FetchFailed, PlatformMissing, ImageError: the image is not there, not for the architecture, or damaged.
        ToolFailed: umoci refused it.

    """
    wanted = Wanted(
        source=ImageSource.parse(reference),
        architecture=None if requested_arch is None else architecture(requested_arch),
    )
    with Prefix(runtime_root_prefix) as prefix, filesystem_root() as top:
        package = prefix.below(runtime_package_root, _PACKAGE)
        cache = None if cache_root is None else absolute(cache_root, _CACHE)
        for what, path in ((_PACKAGE, f"{prefix.path}/{package}"), (_CACHE, cache or "")):
            if ":" in path:
                raise CommandRefused(f"{what} must not contain ':', which ends a path for skopeo and umoci: {path}")
        for part in ("", f"/{_FOLDER}", f"/{_FOLDER}/{_BUNDLE}"):
            require_absent_or("directory", prefix.fd, package + part, _PACKAGE, prefix.path)
        if cache is not None:
            if cache == "/":
                raise PathRefused(f"{_CACHE} must not be /", help="name a directory of its own")
            require_absent_or("directory", top, f"{cache}/{wanted.key}".lstrip("/"), _CACHE, "/")
        _require_tools()
        place = make_directory(prefix.fd, f"{package}/{_FOLDER}", _PACKAGE, prefix.path)
        try:
            with _written(f"{prefix.path}/{package}"), work_folder(place, _WORK) as work:
                if cache is None:
                    layouts.copy(wanted, work)
                    _unpack(at(work) / layouts.LAYOUT, work)
                else:
                    with _directory(top, f"{cache}/{wanted.key}") as entry:
                        _unpack(layouts.cached(wanted, entry), work)
                _replace(place, work)
        finally:
            os.close(place)
        return Path(prefix.path, package, _FOLDER, _BUNDLE, _ROOTFS)


def _require_tools() -> None:
    for name in ("skopeo", "umoci"):
        if find_tool(name) is None:
            raise ToolMissing(
                f"the program {name} is not installed", help=f"install it: apt-get install {PACKAGES[name]}"
            )


@contextlib.contextmanager
def _directory(top: int, path: str) -> Iterator[int]:
    fd = make_directory(top, path.lstrip("/"), _CACHE, "/")
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _written(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MachineError(f"cannot write the root or the cache for {path}: {error.strerror}") from None


def _unpack(layout: Path, work: int) -> None:
    """Make the bundle in the work folder; umoci sees only what our own reader has judged safe."""
    source = Layout.open(layout)
    image = source.select(layouts.TAG)
    vet_layers(layer_sources(source, image.manifest, image.config.diff_ids))
    argv = ["umoci", "unpack", "--keep-dirlinks"]
    if os.geteuid() != 0:
        argv.append("--rootless")
    run_tool([*argv, "--image", f"{layout}:{layouts.TAG}", str(at(work) / _BUNDLE)])


def _replace(place: int, work: int) -> None:
    """Put the new bundle where the old one is, which goes away with the work folder."""
    with contextlib.suppress(FileNotFoundError):
        os.rename(_BUNDLE, "old", src_dir_fd=place, dst_dir_fd=work)
    os.rename(_BUNDLE, _BUNDLE, src_dir_fd=work, dst_dir_fd=place)
