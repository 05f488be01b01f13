"""Local images in place of registry references, for a conversion that asks what its bases say of themselves.

Invariant: a reference means the same image to the converter and to both builders.
"""

from collections.abc import Mapping
from pathlib import Path

from metalor_lang.build.dockerfolder import DockerFolder, facts
from metalor_lang.build.known import HereAlready
from metalor_lang.checker.platforms import host_platform, parse_platform
from metalor_lang.checker.program import ImageBase, Transport
from metalor_lang.convert.model import BaseFacts
from metalor_lang.errors import UsageError
from metalor_lang.hints import Final
from metalor_lang.oci.errors import BadReference
from metalor_lang.oci.reference import Reference
from metalor_lang.plan.graph import InputError

_KINDS: Final = ("oci:", "oci-archive:", "docker-archive:")
_EXAMPLE: Final = "write --base debian:12=oci:DIR:TAG"


def parse_bases(words: list[str]) -> dict[str, str]:
    """`--base NAME=oci:DIR[:TAG]` as images by name, with their paths made absolute.

    Raises:
        UsageError: a word is no such pair.

    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, place = word.partition("=")
        kind = next((each for each in _KINDS if place.startswith(each)), None)
        if not equals or kind is None:
            raise UsageError(f"--base {word!r} does not say which local image stands for which name", help=_EXAMPLE)
        try:
            Reference.parse(name)
        except BadReference as error:
            raise UsageError(f"--base {word!r}: {error.message}", help=_EXAMPLE) from None
        path, colon, tag = place.removeprefix(kind).partition(":")
        found[name] = f"{kind}{Path(path).absolute()}{colon}{tag}"
    return found


class StandingFolder(DockerFolder):
    """A context, and the images that stand for the Dockerfile's bases.

    Args:
        context, dockerfile, store, platform: as for `DockerFolder`.
        bases: as `parse_bases` gives them.

    """

    def __init__(
        self, context: Path, dockerfile: Path, store: Path, platform: str | None, bases: Mapping[str, str]
    ) -> None:
        super().__init__(context, dockerfile, store, platform)
        self._standing = {Reference.parse(name).pullable: place for name, place in bases.items()}
        self._images = HereAlready(context, store)
        self._for = host_platform() if platform is None else parse_platform(platform)

    def base(self, reference: str) -> BaseFacts | None:
        """What a base says of itself: the image that stands for it, else one that is here already."""
        try:
            place = self._standing.get(Reference.parse(reference).pullable)
        except BadReference:
            place = None
        if place is None:
            return super().base(reference)
        kind, _, rest = place.partition(":")
        path, _, tag = rest.partition(":")
        try:
            image = self._images.image(ImageBase(transport=Transport(kind), location=path, tag=tag), self._for)
        except InputError as error:
            raise UsageError(f"--base {reference}={place}: {error.message}", help=error.help or _EXAMPLE) from None
        return facts(image.selection.config.config)
