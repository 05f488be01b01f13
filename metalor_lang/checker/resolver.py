"""Stages: what a FROM stands on, which stage a name means, what the target needs.

Invariant: a stage refers to earlier stages only, so the graph has no cycle.
"""

from collections.abc import Callable, Mapping, Sequence

from metalor_lang.checker.flags import ValueProblem
from metalor_lang.checker.program import Base, Contexts, ImageBase, RootfsBase, ScratchBase, StageBase, Transport
from metalor_lang.diagnostics.suggest import nearest
from metalor_lang.errors import MetalorError
from metalor_lang.hints import Final
from metalor_lang.pattern import pattern
from metalor_lang.record import dataclass

STAGE_NAME = pattern(r"[a-z][a-z0-9_-]*")

_LOCAL: Final = {
    "oci": Transport.OCI,
    "oci-archive": Transport.OCI_ARCHIVE,
    "docker-archive": Transport.DOCKER_ARCHIVE,
}
_REFUSED: Final = ("docker", "docker-daemon", "containers-storage", "dir", "ostree", "sif", "https", "http")
"""Prefixes that people know from other tools."""

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*(?::[0-9]+)?)"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = pattern(
    rf"(?P<name>(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?P<tag>:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?P<digest>@sha256:[0-9a-f]{64})?"
)  # the grammar of distribution references


@dataclass(frozen=True, slots=True, kw_only=True)
class StageNames:
    """The names of stages as one stage sees them.

    Args:
        named: the first stage of each name.
        lines: where each stage starts, 1-based, by index.
        index: the stage that looks.

    """

    named: Mapping[str, int]
    lines: Sequence[int]
    index: int

    def earlier(self, name: str) -> int | None:
        """The stage of a name among those above."""
        found = self.named.get(name)
        return found if found is not None and found < self.index else None

    def later(self, name: str) -> str | None:
        """How a message calls a stage that is not above: "itself" or its line; None where there is none."""
        found = self.named.get(name)
        if found is None or found < self.index:
            return None
        return "itself" if found == self.index else f"only in line {self.lines[found]}"

    def listed(self) -> tuple[str, ...]:
        """The names of the stages above, in order."""
        return tuple(sorted((name for name in self.named if self.named[name] < self.index), key=self.named.__getitem__))


def classify(text: str, stages: StageNames, contexts: Contexts) -> Base:
    """What the text of a FROM stands for.

    Args:
        text: the base after expansion.
        stages: the names of stages, as the stage of that FROM sees them.
        contexts: asked whether local paths exist.

    Raises:
        ValueProblem: it stands for nothing.

    """
    if text == "scratch":
        return ScratchBase()
    stage = stages.earlier(text)
    if stage is not None:
        return StageBase(stage=stage)
    prefix, colon, rest = text.partition(":")
    if colon and prefix == "rootfs":
        return RootfsBase(path=_local(rest, "rootfs:DIR", contexts))
    if colon and prefix in _LOCAL:
        # As in other tools, the first colon ends the path: a path with a colon in it cannot be written.
        path, _, tag = rest.partition(":")
        return ImageBase(transport=_LOCAL[prefix], location=_local(path, f"{prefix}:PATH", contexts), tag=tag)
    later = stages.later(text)
    if later is not None:
        help = "move that stage up: a stage builds on what stands before it" if later != "itself" else ""
        message = f"stage `{text}` builds on itself" if not help else f"stage `{text}` comes {later}"
        raise ValueProblem("E0316", message, help or "name another stage or an image, such as debian:12")
    if colon and prefix in _REFUSED:
        rest = rest.removeprefix("//")
        right = f"write {rest}" if prefix == "docker" and rest else "write debian:12, oci:DIR, docker-archive:FILE …"
        raise ValueProblem("E0321", f"a base is not written with `{prefix}:`", right)
    return _registry(text, stages.listed)


def _local(path: str, form: str, contexts: Contexts) -> str:
    if not path:
        raise ValueProblem("E0321", "the path of the base is missing", f"write {form}")
    try:
        exists = contexts.exists(path)
    except MetalorError as error:
        raise ValueProblem("E0501", error.message, error.help) from None
    if not exists:
        raise ValueProblem("E0501", f"there is no `{path}`", "paths of bases are relative to the recipe's folder")
    return path


def _registry(text: str, stages: Callable[[], tuple[str, ...]]) -> ImageBase:
    match = _REFERENCE.fullmatch(text)
    if match is None:
        lower = text.lower()
        fits = lower != text and _REFERENCE.fullmatch(lower) is not None
        name, mark, digest = text.partition("@")
        if mark and _REFERENCE.fullmatch(name):
            message = f"`{digest}` is no digest"
            raise ValueProblem("E0321", message, f"a digest is sha256: and 64 hexadecimal digits: {name}@sha256:…")
        message = f"`{text}` is neither an earlier stage nor a reference of an image"
        raise ValueProblem("E0321", message, f"names are lower case: {lower}" if fits else "write name:tag: debian:12")
    if match["tag"] is None and match["digest"] is None:
        near = nearest(text, stages())
        if near is not None:
            help = f"for the stage write FROM {near}, for an image {text}:TAG"
        else:
            help = f"say which one: {text}:{'12' if text.endswith('debian') else 'TAG'}, or {text}@sha256:…"
        raise ValueProblem("E0320", f"`{text}` has no tag and no digest", help)
    return ImageBase(transport=Transport.REGISTRY, location=text)


def unknown_origin(name: str, stages: Sequence[str], contexts: Sequence[str], flag: str) -> ValueProblem:
    """The error for a name that is neither a stage nor a context."""
    near = nearest(name, (*stages, *contexts))
    known = []
    if stages:
        known.append("stages: " + ", ".join(stages))
    if contexts:
        known.append("contexts: " + ", ".join(contexts))
    hint = f"did you mean `{near}`? " if near else ""
    listed = "; ".join(known) or "there is no earlier stage with a name"
    help = f"{hint}{listed}; a context is given by --context {name}=DIR"
    return ValueProblem("E0317", f"`{name}` in {flag} is neither an earlier stage nor a context", help, cause=name)


def needed_by(target: int, needs: Mapping[int, Sequence[int]]) -> frozenset[int]:
    """The stages that a target needs, itself included."""
    found: set[int] = set()
    todo = [target]
    while todo:
        index = todo.pop()
        if index not in found:
            found.add(index)
            todo.extend(needs.get(index, ()))
    return frozenset(found)
