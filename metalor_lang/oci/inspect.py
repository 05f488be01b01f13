"""What an image of a registry is, without its layers: manifest and configuration, by skopeo.

Invariant: every document is checked against the digest that names it; the choice among platforms is `Layout.select`'s,
so what is inspected is what would be built on.
"""

import json
from pathlib import Path

from metalor_lang.hints import Final
from metalor_lang.kernel.process import ToolFailed
from metalor_lang.oci.errors import PlatformMissing
from metalor_lang.oci.layout import Layout, Selection
from metalor_lang.oci.reference import Reference
from metalor_lang.oci.skopeo import explain, skopeo_inspect
from metalor_lang.oci.spec import INDEXES, MANIFESTS, OCI_INDEX, OCI_MANIFEST, Descriptor, Index, Manifest, Platform

_TAG: Final = "image"
_DEEPEST: Final = 4


def inspect(location: str, platform: Platform, work: Path) -> Selection:
    """Ask a registry what a reference is for a platform now.

    Args:
        location: the reference.
        platform: for which machine.
        work: an empty directory to work in.

    Raises:
        FetchFailed: the registry refused, or cannot be reached; BadReference; the errors of `Layout.select`.
        MachineError: skopeo is missing.

    """
    asker = _Asker(Reference.parse(location), platform, Layout.create(work / "layout"))
    return asker.ask()


class _Asker:
    """Brings the documents of one image to a layout that has nothing else."""

    def __init__(self, reference: Reference, platform: Platform, into: Layout) -> None:
        self._reference = reference
        self._platform = platform
        self._into = into

    def ask(self) -> Selection:
        """The documents, and which of them are for the platform."""
        data = self._raw(self._reference.pullable)
        root = self._into.put_blob(data, _media_type(data))
        self._bring(root, data, 0)
        self._into.add_manifest(root, _TAG)
        try:
            return self._into.select(_TAG, self._platform)
        except PlatformMissing as error:
            # Its message names a directory that nobody knows.
            there = ", ".join(error.platforms)
            message = f"{self._reference.familiar} is not there for {self._platform}; it is there for {there}"
            raise PlatformMissing(message, platforms=error.platforms, help=error.help) from None

    def _bring(self, descriptor: Descriptor, data: bytes, depth: int) -> None:
        where = self._at(descriptor)
        if descriptor.media_type in INDEXES and depth < _DEEPEST:
            for entry in Index.from_json(data, f"the index {descriptor.digest}").manifests:
                wanted = entry.platform is None or not entry.platform.os or self._platform.accepts(entry.platform)
                if wanted and entry.media_type in INDEXES | MANIFESTS:
                    inner = self._raw(self._at(entry))
                    self._into.put_blob(inner, entry.media_type)
                    self._bring(entry, inner, depth + 1)
        elif descriptor.media_type in MANIFESTS:
            config = Manifest.from_json(data, f"the manifest {descriptor.digest}").config
            self._into.put_blob(self._raw(where, "--config"), config.media_type)

    def _at(self, descriptor: Descriptor) -> str:
        return f"{self._reference.name}@{descriptor.digest}"

    def _raw(self, location: str, *flags: str) -> bytes:
        try:
            return skopeo_inspect(f"docker://{location}", *flags)
        except ToolFailed as error:
            said = error.stderr.decode("utf-8", "replace")
            source = self._reference.familiar
            raise explain(said, source=source, location=location, platform=str(self._platform)) from None


def _media_type(data: bytes) -> str:
    """What a manifest or an index calls itself; OCI's need not."""
    try:
        value = json.loads(data)
    except ValueError:
        return OCI_MANIFEST  # whoever reads it says what is wrong
    if not isinstance(value, dict):
        return OCI_MANIFEST
    stated = value.get("mediaType")
    return stated if isinstance(stated, str) else OCI_INDEX if "manifests" in value else OCI_MANIFEST
