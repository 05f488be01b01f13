"""Registry references: domain, path, tag, digest. No network.

Invariant: Reference.parse(str(ref)) == ref, and str(ref) is what a registry client accepts.
The grammar is that of the distribution project's reference package: lower-case paths, tags of at most 128 characters.
"""

from metalor_lang.digest import valid_digest
from metalor_lang.hints import Final, Self
from metalor_lang.oci.errors import BadReference
from metalor_lang.pattern import pattern
from metalor_lang.record import dataclass

DEFAULT_DOMAIN: Final = "docker.io"
_LIBRARY: Final = "library"

_COMPONENT = pattern(r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*")
_TAG = pattern(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_DOMAIN = pattern(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
_EXAMPLE: Final = "write it as debian:12 or registry.example:5000/team/app:1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A registry reference with its domain and `library/` spelt out."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference as people write it (`debian:12`, `ghcr.io/o/app@sha256:…`).

        Raises:
            BadReference: with the part that is wrong and a right example.

        """
        if not text:
            raise BadReference("an image reference must not be empty", help=_EXAMPLE)
        if "://" in text:
            scheme, rest = text.split("://", 1)
            raise BadReference(f"{text!r} has a scheme ({scheme}://)", help=f"write the reference alone: {rest}")
        rest, at, digest = text.partition("@")
        if at and not valid_digest(digest):
            raise BadReference(
                f"{text!r}: {digest!r} is no digest", help="a digest is sha256: and 64 lower-case hex digits"
            )
        head, slash, last = rest.rpartition("/")
        last, colon, tag = last.partition(":")
        if colon and not _TAG.fullmatch(tag):
            raise BadReference(
                f"{text!r}: {tag!r} is no tag",
                help="a tag is at most 128 letters, digits, '_', '.' and '-', and starts with no '.' or '-'",
            )
        domain, path = _split(head + slash + last)
        if not _DOMAIN.fullmatch(domain) or not 0 < int(domain.rpartition("]")[2].partition(":")[2] or 1) < 65536:
            raise BadReference(f"{text!r}: {domain!r} is no registry name", help=_EXAMPLE)
        for component in path.split("/"):
            _check_component(text, path, component)
        if len(path) > 255:
            raise BadReference(
                f"the name of an image may have 255 characters, this one has {len(path)}: {text[:60]!r}…"
            )
        return cls(domain=domain, path=path, tag=tag, digest=digest)

    @property
    def name(self) -> str:
        """Domain and path."""
        return f"{self.domain}/{self.path}"

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    @property
    def familiar(self) -> str:
        """As people write it: `debian:12` for `docker.io/library/debian:12`."""
        text = str(self)
        if self.domain == DEFAULT_DOMAIN:
            text = text.removeprefix(f"{DEFAULT_DOMAIN}/").removeprefix(f"{_LIBRARY}/")
        return text

    @property
    def pullable(self) -> str:
        """What is asked of a registry: the digest wins over the tag (clients refuse both at once)."""
        if self.digest:
            return f"{self.name}@{self.digest}"
        return f"{self.name}:{self.tag or 'latest'}"


def _split(name: str) -> tuple[str, str]:
    """Domain and path; the first part is a domain if it has a dot or a port, or is localhost."""
    first, slash, rest = name.partition("/")
    is_domain = slash and ("." in first or ":" in first or first == "localhost")
    domain, path = (first, rest) if is_domain else (DEFAULT_DOMAIN, name)
    if domain in ("index.docker.io", "registry-1.docker.io"):
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = f"{_LIBRARY}/{path}"
    return domain, path


def _check_component(text: str, path: str, component: str) -> None:
    if _COMPONENT.fullmatch(component):
        return
    if not component:
        raise BadReference(f"{text!r} has an empty part between its slashes", help=_EXAMPLE)
    if _COMPONENT.fullmatch(component.lower()):
        raise BadReference(
            f"{text!r}: the name of an image is lower case", help=f"write {path.lower().removeprefix('library/')!r}"
        )
    raise BadReference(
        f"{text!r}: {component!r} is no part of an image name",
        help="parts are lower-case letters and digits, joined by '.', '_', '__' or '-'",
    )
