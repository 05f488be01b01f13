"""A lock: what the names of a recipe that others can move stood for when it was written.

Invariant: a value; equal facts are equal locks, in whatever order they were found.
"""

from collections.abc import Mapping

from metalor_lang.checker.platforms import same_platform
from metalor_lang.checker.program import ImageBase, Platform, RootfsBase, Transport
from metalor_lang.hints import Final
from metalor_lang.plan.graph import BaseInfo, CloneGit, FetchFile
from metalor_lang.record import dataclass, field, replace

VERSION: Final = 1
"""Of the file that `plan.lockfile` reads and writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The facts of one lock.

    Args:
        platforms: it is for, in order.
        bases: by the name of a base and the platform that was asked for; each as `settled_info` gives it.
        fetched: by address, the SHA-256 (64 hexadecimal digits) of what an unpinned FETCH brings.
        commits: by address and branch, the commit of an unpinned GIT.
        imports: by path, the SHA-256 of a recipe that is imported, as hexadecimal digits.

    """

    platforms: tuple[Platform, ...] = ()
    bases: Mapping[str, Mapping[Platform, BaseInfo]] = field(default_factory=dict)
    fetched: Mapping[str, str] = field(default_factory=dict)
    commits: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    imports: Mapping[str, str] = field(default_factory=dict)

    def base(self, base: ImageBase | RootfsBase, platform: Platform) -> BaseInfo | None:
        """What is known of a base for a platform, however its variant is written; None where nothing is."""
        found = self.bases.get(base_name(base))
        if found is None:
            return None
        if platform in found:
            return found[platform]
        return next((info for each, info in found.items() if same_platform(each, platform)), None)

    def pinned(self, action: FetchFile | CloneGit) -> str | None:
        """The hash of what an unpinned FETCH or GIT brings; None where it is not known."""
        if isinstance(action, FetchFile):
            return self.fetched.get(action.url)
        return self.commits.get(action.url, {}).get(action.branch)

    def covers(self, platform: Platform) -> bool:
        """Whether it is for a platform."""
        return any(same_platform(each, platform) for each in self.platforms)


def base_name(base: ImageBase | RootfsBase) -> str:
    """A base as a recipe names it, arguments put in."""
    if isinstance(base, RootfsBase):
        return f"rootfs:{base.path}"
    text = base.location if base.transport is Transport.REGISTRY else f"{base.transport}:{base.location}"
    return f"{text}:{base.tag}" if base.tag else text


def action_name(action: FetchFile | CloneGit) -> str:
    """An unpinned FETCH or GIT as messages name it: its address, and its branch behind it."""
    return action.url if isinstance(action, FetchFile) else f"{action.url} {action.branch}"


def short(digest: str) -> str:
    """The beginning of a digest, for people."""
    return digest.removeprefix("sha256:")[:12]


def settled_info(info: BaseInfo) -> BaseInfo:
    """What a lock holds of a base: what has no order in an image's configuration is sorted."""
    state = info.state
    state = replace(
        state,
        labels=tuple(sorted(state.labels)),
        exposed=tuple(sorted(state.exposed)),
        volumes=tuple(sorted(state.volumes)),
    )
    return replace(info, state=state)


# --- what differs -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one name stands for in two locks; "" where one of them does not have it.

    Args:
        path: of the fact in the document: `bases`, a name and a platform; `fetch` and an address; `git`, an address
            and a branch; `imports` and a path.
        old, new: digests as they are written, or hashes of commits. Where they are equal, what else is known of the
            base differs.

    """

    path: tuple[str, ...]
    old: str = ""
    new: str = ""

    @property
    def name(self) -> str:
        """As messages name it."""
        section, name, *rest = self.path
        return f"{name} ({rest[0]})" if section == "bases" else " ".join((name, *rest))


def changes(old: Lock, new: Lock) -> tuple[Change, ...]:
    """What differs between two locks, sorted: bases, FETCH, GIT, imports."""
    before, after = _facts(old), _facts(new)
    return tuple(
        Change(path=path, old=_hash(before.get(path)), new=_hash(after.get(path)))
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    )


def _facts(lock: Lock) -> dict[tuple[str, ...], BaseInfo | str]:
    found: dict[tuple[str, ...], BaseInfo | str] = {}
    for name, infos in lock.bases.items():
        found |= {("bases", name, str(platform)): info for platform, info in infos.items()}
    found |= {("fetch", url): f"sha256:{digest}" for url, digest in lock.fetched.items()}
    for url, commits in lock.commits.items():
        found |= {("git", url, branch): commit for branch, commit in commits.items()}
    found |= {("imports", path): f"sha256:{digest}" for path, digest in lock.imports.items()}
    return found


def _hash(fact: BaseInfo | str | None) -> str:
    return fact.digest if isinstance(fact, BaseInfo) else fact or ""
