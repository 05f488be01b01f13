"""Commits by git, with their submodules, each kept in the store as one tar of its files.

Invariant: what is kept is exactly what the commit holds, bytes and executable bits, whatever attributes say; there is
no `.git` in it, and nothing of the machine that fetched it.
"""

import os
import re
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

from metalor_lang.hints import BinaryIO, Final, cast
from metalor_lang.kernel.process import ToolFailed
from metalor_lang.record import dataclass
from metalor_lang.remote.dialing import Halt
from metalor_lang.remote.errors import FetchRefused
from metalor_lang.remote.repository import Repository, refusal
from metalor_lang.store.downloads import DownloadRecord
from metalor_lang.store.store import Store

_SCHEMES: Final = ("https", "http", "ssh", "git")
_DEEPEST: Final = 8
_MOST: Final = 200
_SHA256: Final = 64
_LINK: Final = b"160000"
_SCP: Final = re.compile(r"(?P<host>(?:[\w.-]+@)?[\w.-]+):(?P<path>[^/:].*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Link:
    """A submodule: where it lies, which commit, where from."""

    path: str
    commit: str
    url: str


class Commits:
    """Fetches commits into a store.

    Args:
        store: keeps them.
        halt: ends everything.

    """

    def __init__(self, store: Store, halt: Halt | None = None) -> None:
        self._store = store
        self._halt = halt or Halt()

    def latest(self, url: str, branch: str, max_age: int | None = None) -> str:
        """The commit that a branch or tag is now, fetched.

        Args:
            url: of the repository.
            branch: its name, or a tag's.
            max_age: seconds; what it was so long ago is good enough.

        Raises:
            FetchRefused: there is none, or the server cannot be asked.
            InterruptedError: it was ended.
            StoreFull: no room.

        """
        key = f"latest git {branch} {url}"
        with self._store.locks.exclusive(f"download:{key}", stop=self._stopped):
            known = self._store.downloads.get(key)
            if known is not None and max_age is not None and known.checked + max_age > time.time():
                return known.notes["commit"]
            commit = self._ask(url, branch)
        record = self._kept(url, commit)
        with self._store.locks.exclusive(f"download:{key}", stop=self._stopped):
            self._keep(key, url, commit, record.digest, record.size)
        return commit

    def commit(self, url: str, commit: str) -> str:
        """The digest of the tar of a commit's files; errors as `latest`.

        Args:
            url: of the repository.
            commit: its whole hash.

        """
        return self._kept(url, commit).digest

    def _kept(self, url: str, commit: str) -> DownloadRecord:
        key = f"git {commit} {url}"
        with self._store.locks.exclusive(f"download:{key}", stop=self._stopped):
            known = self._store.downloads.get(key)
            if known is not None:
                return known
            with self._store.workspace("git") as work:
                digest, size = self._pack(url, commit, work)
            return self._keep(key, url, commit, digest, size)

    def _keep(self, key: str, url: str, commit: str, digest: str, size: int) -> DownloadRecord:
        record = DownloadRecord(
            key=key, digest=digest, size=size, source=url, checked=int(time.time()), notes={"commit": commit}
        )
        self._store.downloads.put(record)
        return record

    def _stopped(self) -> bool:
        return self._halt.fired

    def _ask(self, url: str, branch: str) -> str:
        wanted = (f"refs/heads/{branch}", f"refs/tags/{branch}^{{}}", f"refs/tags/{branch}")
        with self._store.workspace("git") as work:
            try:
                said = Repository(work, self._halt).git(url, "ls-remote", "--quiet", "--", url, *wanted)
            except ToolFailed as error:
                raise refusal(url, error) from None
        found = dict(line.split("\t", 1)[::-1] for line in said.stdout.decode("utf-8", "replace").splitlines())
        for name in wanted:
            if name in found:
                return found[name]
        raise FetchRefused(
            f"{url} has no branch or tag `{branch}`", help=f"`git ls-remote --heads --tags {url}` lists what it has"
        )

    # --- a commit and its submodules ------------------------------------------------------------------------------

    def _pack(self, url: str, commit: str, work: Path) -> tuple[str, int]:
        """Make one tar of a commit and all its submodules, as a blob."""
        with self._store.blobs.writer() as writer:
            # Its own block size would pad the end anew with each version of Python.
            with tarfile.open(fileobj=cast(BinaryIO, writer), mode="w|", format=tarfile.PAX_FORMAT) as tar:
                for path in self._archives(url, commit, "", work, 0, [0]):
                    self._halt.check()
                    _append(tar, path)
            return writer.commit()

    def _archives(self, url: str, commit: str, prefix: str, work: Path, depth: int, count: list[int]) -> Iterator[Path]:
        """The tars of a commit and of its submodules, each gone when the next one is asked for."""
        count[0] += 1
        if depth > _DEEPEST or count[0] > _MOST:
            raise FetchRefused(
                f"{url} has submodules more than {_DEEPEST} deep, or more than {_MOST}: `{prefix}` is one too many"
            )
        place = work / str(count[0])
        place.mkdir()
        repository = Repository(place, self._halt, "sha256" if len(commit) == _SHA256 else "sha1")
        self._fetch(repository, url, commit, prefix)
        links = _links(repository, url, commit)
        path = place / "files.tar"
        flags = (f"--prefix={prefix}",) if prefix else ()
        repository.git(url, "archive", "--format=tar", *flags, f"--output={path}", commit)
        yield path
        self._store.discard(place)
        for link in links:
            yield from self._archives(link.url, link.commit, f"{prefix}{link.path}/", work, depth + 1, count)

    def _fetch(self, repository: Repository, url: str, commit: str, prefix: str) -> None:
        where = f"the submodule `{prefix.rstrip('/')}`, " if prefix else ""
        fetch = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head")
        try:
            repository.git(url, *fetch, "--depth=1", "--", url, commit)
        except ToolFailed as first:
            # Servers that give no commit by its hash, or know nothing of depth, give all that they have.
            try:
                repository.git(url, *fetch, "--", url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
            except ToolFailed:
                error = refusal(url, first)
                raise FetchRefused(where + error.message, help=error.help) from None
        try:
            repository.git(url, "cat-file", "-e", f"{commit}^{{commit}}")
        except ToolFailed:
            raise FetchRefused(
                f"{where}{url} has no commit {commit}",
                help="`git rev-parse HEAD` prints the hash of a commit; was it pushed?",
            ) from None


def _links(repository: Repository, url: str, commit: str) -> list[_Link]:
    """The submodules of a commit."""
    listed = repository.git(url, "ls-tree", "-r", "-z", "--full-tree", commit).stdout
    links: dict[str, str] = {}
    for row in listed.split(b"\0"):
        head, _, name = row.partition(b"\t")
        path = os.fsdecode(name)
        if any(part.lower() == ".git" for part in path.split("/")):
            raise FetchRefused(f"the commit {commit} of {url} has a file `{path}`, which no git lets one add")
        if head.startswith(_LINK):
            links[path] = head.split()[2].decode()
    if not links:
        return []
    try:
        said = repository.git(url, "config", "--blob", f"{commit}:.gitmodules", "--list", "-z").stdout
    except ToolFailed:
        said = b""
    modules: dict[str, dict[str, str]] = {}
    for entry in os.fsdecode(said).split("\0"):
        key, _, value = entry.partition("\n")
        if key.startswith("submodule.") and key.count(".") >= 2:
            module, _, field = key.removeprefix("submodule.").rpartition(".")
            modules.setdefault(module, {})[field] = value
    places = {each["path"].rstrip("/"): each["url"] for each in modules.values() if "path" in each and "url" in each}
    return [
        _Link(path=path, commit=links[path], url=_beside(url, places.get(path, ""), path)) for path in sorted(links)
    ]


def _beside(url: str, text: str, path: str) -> str:
    """The address of a submodule, which may be relative to that of its parent (gitmodules(5)).

    Raises:
        FetchRefused: it is none that is fetched.

    """
    scp = _SCP.fullmatch(text)
    if text.startswith(("./", "../")):
        base = url.rstrip("/")
        while text.startswith(("./", "../")):
            if text.startswith("../"):
                base = base.rpartition("/")[0]
            text = text.partition("/")[2]
        found = f"{base}/{text}"
    elif scp is not None and "://" not in text:
        found = f"ssh://{scp['host']}/{scp['path']}"
    else:
        found = text
    scheme, mark, rest = found.partition("://")
    host = rest.partition("/")[0]
    if not mark or scheme not in _SCHEMES or not host or host.startswith("-") or ":" in host.rpartition("@")[0]:
        shown = text if "@" not in text else "…"
        raise FetchRefused(
            f"the submodule `{path}` of {url} is at `{shown}`, which is no address that is fetched",
            help="what is fetched is https, http, ssh or git; COPY the folder from a context instead",
        )
    return found


def _append(tar: tarfile.TarFile, path: Path) -> None:
    """Append the members of a tar that git wrote, without all that is not in the commit."""
    with tarfile.open(path) as source:
        for member in source:
            plain = tarfile.TarInfo(member.name)
            plain.type, plain.mode, plain.size, plain.linkname = member.type, member.mode, member.size, member.linkname
            tar.addfile(plain, source.extractfile(member) if member.isreg() else None)
