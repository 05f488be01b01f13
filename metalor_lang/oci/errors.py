"""What can be wrong with an image, its documents and where it comes from.

Invariant: each error names the thing (path, digest, tag), what was expected and what was found, and a next step.
"""

from collections.abc import Sequence

from metalor_lang.errors import MetalorError


class ImageError(MetalorError):
    """Base of everything that is wrong with an image or a place of images."""


class BadDocument(ImageError):
    """A manifest, index or config is not what the OCI image specification says."""


class UnknownMediaType(ImageError):
    """A document or layer has a media type that is not a container image's."""


class BadReference(ImageError):
    """The text is no registry reference."""


class NotALayout(ImageError):
    """A path is not an OCI image layout."""


class BlobMissing(ImageError):
    """A blob that a document names is not in the layout."""


class BlobDamaged(ImageError):
    """A blob's bytes are not what its digest says.

    Args:
        expected, found: digests, or sizes in bytes as text.

    """

    def __init__(self, message: str, *, expected: str, found: str, help: str = "") -> None:
        super().__init__(message, help=help)
        self.expected = expected
        self.found = found


class BlobTruncated(BlobDamaged):
    """A blob is shorter than its descriptor says."""


class ManifestMissing(ImageError):
    """No image under the wanted tag; `tags` are the tags there are."""

    def __init__(self, message: str, *, tags: Sequence[str], help: str = "") -> None:
        super().__init__(message, help=help)
        self.tags = tuple(tags)


class PlatformMissing(ImageError):
    """The image is not there for the wanted platform; `platforms` are those there are."""

    def __init__(self, message: str, *, platforms: Sequence[str], help: str = "") -> None:
        super().__init__(message, help=help)
        self.platforms = tuple(platforms)


class FetchFailed(ImageError):
    """A registry or an archive did not give the image."""


class NotExportable(ImageError):
    """A tree holds something that no layer can say."""


class BadOutput(ImageError):
    """An output cannot be written as asked."""
