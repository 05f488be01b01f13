"""Where an image comes from, as text: a registry reference, or a transport's own spelling.

Invariant: a text without a transport means a registry; what is passed on to the copying tool is what its key says.
"""

import os

from metalor_lang.digest import Json
from metalor_lang.hints import Final, Self
from metalor_lang.isolated.errors import CommandRefused
from metalor_lang.oci.reference import Reference
from metalor_lang.record import dataclass

REGISTRY: Final = "docker://"

TRANSPORTS: Final = (
    REGISTRY, "atomic:", "containers-storage:", "dir:", "docker-archive:", "docker-daemon:", "oci:", "oci-archive:",
    "ostree:", "sif:", "tarball:",
)  # fmt: skip
"""What containers-transports(5) lists."""

_STAMPED: Final = {"oci:": "index.json", "dir:": "manifest.json", "oci-archive:": "", "docker-archive:": ""}
"""Local transports, and the file in their place that changes whenever the image does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource:
    """One image.

    Args:
        text: as the copying tool takes it, with the transport.
        location: without the transport, for errors.

    """

    text: str
    location: str

    @classmethod
    def parse(cls, reference: str) -> Self:
        """Read what a caller wrote; a bare reference means a registry.

        Raises:
            BadReference: it is neither a registry reference nor begins with a transport.
            CommandRefused: it has a NUL character.

        """
        if "\0" in reference:
            raise CommandRefused(f"an image reference must not contain NUL characters: {reference!r}")
        transport = next((one for one in TRANSPORTS if reference.startswith(one)), None)
        if transport is None:
            location = Reference.parse(reference).pullable
            return cls(text=REGISTRY + location, location=location)
        return cls(text=reference, location=reference.removeprefix(transport))

    def stamp(self) -> dict[str, Json]:
        """What tells that a local image is still the same; empty for a registry (a tag stays what it was)."""
        for transport, file in _STAMPED.items():
            if self.text.startswith(transport):
                path, _, _ = self.location.partition(":")
                try:
                    found = os.stat(os.path.join(path, file) if file else path)
                except OSError:
                    return {}
                return {"size": found.st_size, "mtime_ns": found.st_mtime_ns, "inode": found.st_ino}
        return {}
