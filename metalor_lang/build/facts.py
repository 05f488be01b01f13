"""What steps ask of the tree they run on, remembered from one step to the next: users, working directories.

Invariant: an answer is taken over only when the step in between has changed nothing under any top-level name that the
look-up went through; else the tree is asked again.
"""

import os
import stat
from _thread import LockType
from collections.abc import Callable
from pathlib import Path

from metalor_lang.build.lookup import Chain
from metalor_lang.build.users import GROUPS, USERS, Identity, resolve
from metalor_lang.guards import Lock
from metalor_lang.hints import Final
from metalor_lang.kernel.paths import Root, split
from metalor_lang.record import dataclass, field

_MOST_LINKS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    users: dict[str, Identity] = field(default_factory=dict)
    directories: dict[str, bool | None] = field(default_factory=dict)
    tops: set[str] = field(default_factory=set)
    # Stages that begin on one base at the same time: one of them looks, the others need not even mount what they ask.
    asked: LockType = field(default_factory=Lock, repr=False, compare=False)


class Facts:
    """The answers of one build, by chain; safe to use from any number of threads."""

    def __init__(self) -> None:
        self._known: dict[Chain, _Known] = {}

    def identity(self, chain: Chain, user: str, view: Callable[[], Root]) -> Identity:
        """Who a user is; see `users.resolve`.

        Args:
            chain: of the tree.
            user: as in USER.
            view: gives the tree, where it must be asked.

        """
        known = self._of(chain)
        with known.asked:
            found = known.users.get(user)
            if found is None:
                root = view()
                found = resolve(root, user)
                known.tops.update(_tops(root, USERS), _tops(root, GROUPS))
                known.users[user] = found
            return found

    def directory(self, chain: Chain, path: str, view: Callable[[], Root]) -> bool | None:
        """Whether a path is a directory, links followed; None where there is nothing. Arguments as `identity`."""
        known = self._of(chain)
        with known.asked:
            if path not in known.directories:
                root = view()
                found = root.stat(path, follow=True)
                known.tops.update(_tops(root, path))
                known.directories[path] = None if found is None else stat.S_ISDIR(found.st_mode)
            return known.directories[path]

    def changed(self, before: Chain, after: Chain, upper: Path) -> None:
        """Take over what is known of a chain to the one that a step made of it.

        Args:
            before: what the step ran on.
            after: with its changes.
            upper: a directory with at least every name that it changed.

        """
        known = self._known.get(before)
        if known is None:
            return
        names = os.listdir(upper)
        with known.asked:
            if known.tops.isdisjoint(names):
                # A copy: what is asked of the older chain later need not hold for the younger one.
                self._known[after] = _Known(
                    users=dict(known.users), directories=dict(known.directories), tops=set(known.tops)
                )

    def _of(self, chain: Chain) -> _Known:
        return self._known.setdefault(chain, _Known())


def _tops(root: Root, path: str) -> set[str]:
    """The top-level names on the way to a path, those of links on it too; what is missing counts as well."""
    found: set[str] = set()
    done: list[str] = []
    todo = split(path)
    links = 0
    while todo:
        name = todo.pop(0)
        if name == "..":
            done = done[:-1]
            continue
        done.append(name)
        found.add(done[0])
        status = root.stat("/".join(done))
        if status is None:
            return found
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > _MOST_LINKS:
                return found
            target = root.readlink("/".join(done))
            done = [] if target.startswith("/") else done[:-1]
            todo = [*split(target), *todo]
    return found
