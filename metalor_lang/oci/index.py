"""Several images, one for each platform, under one index.

Invariant: the index follows from its images alone: it lists them in order of their platforms, however they came about.
"""

from collections.abc import Sequence

from metalor_lang.digest import sha256
from metalor_lang.oci.image import Image
from metalor_lang.oci.media import OCI_INDEX
from metalor_lang.oci.spec import Descriptor, Index
from metalor_lang.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageIndex:
    """A whole index but for the bytes of layers; `images` in the order in which it lists them."""

    images: tuple[Image, ...]
    index_bytes: bytes
    descriptor: Descriptor

    @property
    def digest(self) -> str:
        """The digest of the index."""
        return self.descriptor.digest

    @property
    def platforms(self) -> tuple[str, ...]:
        """As `linux/arm64`."""
        return tuple(each for image in self.images for each in image.platforms)

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        """Each layer once; images may share some."""
        return tuple({layer.digest: layer for image in self.images for layer in image.layers}.values())

    @property
    def documents(self) -> tuple[tuple[Descriptor, bytes], ...]:
        """Configs, manifests, the index: what points comes after what it points to."""
        inner = {one.digest: (one, data) for image in self.images for one, data in image.documents}
        return (*inner.values(), (self.descriptor, self.index_bytes))


def join(images: Sequence[Image]) -> ImageIndex:
    """Put images under one index.

    The annotations of a recipe are each manifest's; the index, which is made of them, has none.

    Raises:
        ValueError: none is given, or two are for one platform (a bug of the caller).

    """
    ordered = tuple(sorted(images, key=lambda image: image.platforms))
    platforms = [each for image in ordered for each in image.platforms]
    if not platforms or len(set(platforms)) != len(platforms):
        raise ValueError(f"an index needs images for different platforms, not for {platforms}")
    data = Index(manifests=tuple(image.descriptor for image in ordered)).to_json()
    descriptor = Descriptor(media_type=OCI_INDEX, digest=sha256(data), size=len(data))
    return ImageIndex(images=ordered, index_bytes=data, descriptor=descriptor)
