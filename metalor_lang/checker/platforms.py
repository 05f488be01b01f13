"""Platforms in OCI's words: parsing, comparing, and the one we run on.

Invariant: names are Go's (amd64, arm64), as in the OCI image specification.
"""

import os

from metalor_lang.checker.program import Platform
from metalor_lang.diagnostics.suggest import nearest
from metalor_lang.hints import Final
from metalor_lang.pattern import pattern

ARCHITECTURES: Final = (
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le",
    "riscv64", "s390x",
)  # fmt: skip

_MACHINES: Final = {
    "x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i386": "386", "i486": "386",
    "i586": "386", "i686": "386", "loongarch64": "loong64", "armhf": "arm", "x64": "amd64", "x86-64": "amd64",
    "x86": "386", "arm64v8": "arm64", "ppc64el": "ppc64le",
}  # fmt: skip
"""What the kernel, Debian and habit call architectures, with OCI's name."""

_VARIANT = pattern(r"v[0-9]+(?:\.[0-9]+)?")
_DEFAULT_VARIANTS: Final = {"arm": "v7", "arm64": "v8", "amd64": "v1"}


class PlatformError(ValueError):
    """A text that is no platform; the first argument says why, the second shows a right one."""


def parse_platform(text: str) -> Platform:
    """The platform written as `os/arch[/variant]`.

    Raises:
        PlatformError: it is none, or not one of Linux.

    """
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        guess = _MACHINES.get(text, text if text in ARCHITECTURES else "amd64")
        raise PlatformError(f"`{text}` is no platform", f"write os/arch[/variant]: linux/{guess}")
    system, arch = parts[0], parts[1]
    if system != "linux":
        raise PlatformError(f"only images of linux can be built, not of `{system}`", f"write linux/{arch}")
    if arch not in ARCHITECTURES:
        near = _MACHINES.get(arch) or nearest(arch, ARCHITECTURES) or "amd64"
        raise PlatformError(f"there is no architecture `{arch}`", "write " + "/".join([system, near, *parts[2:]]))
    variant = parts[2] if len(parts) == 3 else ""
    if variant and not _VARIANT.fullmatch(variant):
        right = f"v{variant}" if variant.isdigit() else _DEFAULT_VARIANTS.get(arch, "v1")
        raise PlatformError(f"`{variant}` is no variant", f"write v and a number: {system}/{arch}/{right}")
    return Platform(os=system, arch=arch, variant=variant)


def parse_platforms(text: str) -> tuple[Platform, ...]:
    """The platforms of a list as `linux/amd64,linux/arm64`, in its order.

    Raises:
        PlatformError: one is none, or stands twice.

    """
    found: list[Platform] = []
    for word in text.split(","):
        platform = parse_platform(word.strip())
        if any(same_platform(platform, other) for other in found):
            raise PlatformError(f"`{platform}` stands twice in `{text}`", "name each platform once")
        found.append(platform)
    return tuple(found)


def same_platform(one: Platform, other: Platform) -> bool:
    """Whether two platforms are one: a missing variant is the usual one of its architecture."""
    return _full(one) == _full(other)


def _full(platform: Platform) -> tuple[str, str, str]:
    return platform.os, platform.arch, platform.variant or _DEFAULT_VARIANTS.get(platform.arch, "")


def host_platform() -> Platform:
    """The platform this process runs on."""
    machine = os.uname().machine
    arch = _MACHINES.get(machine, machine)
    return Platform(os="linux", arch=arch, variant={"armv7l": "v7", "armv6l": "v6"}.get(machine, ""))
