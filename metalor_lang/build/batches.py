"""Copy many small files, those of one directory together.

Invariant: what a batch copied is what was listed, or an error names the file that is not; every target is new.
"""

import errno
import os
from collections.abc import Callable, Iterator, Sequence

from metalor_lang.build.opening import SourceOpener
from metalor_lang.build.sources import changed
from metalor_lang.build.statcache import packed
from metalor_lang.guards import Closing
from metalor_lang.hints import Final
from metalor_lang.kernel import bulk
from metalor_lang.kernel.shared import BATCH, Failed, Team
from metalor_lang.record import dataclass, field

_HOLES: Final = 1 << 16
"""Bytes from which on it is worth to look whether a file has holes, and to keep them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Files of one directory, at most BATCH, each to be copied under its own name.

    Args:
        source: canonical path of the directory in its tree.
        target: path of the directory, which is there, beneath the tree that is written.
        names: of the files.
        infos: their statuses as they were listed.
        modes: of the copies.

    """

    source: str
    target: str
    names: list[str]
    infos: list[os.stat_result] = field(repr=False)
    modes: list[int] = field(repr=False)


def is_small(info: os.stat_result) -> bool:
    """Whether a file can be in a batch: it is read in one piece, and has no holes that are worth keeping."""
    size = info.st_size
    return size <= _HOLES or (size <= bulk.MOST and info.st_blocks * 512 >= size)


def batches_of(
    source: str, target: str, names: Sequence[str], infos: Sequence[os.stat_result], modes: Sequence[int]
) -> Iterator[Batch]:
    """Batches for any number of small files of one directory; arguments as `Batch`."""
    for at in range(0, len(names), BATCH):
        end = at + BATCH
        yield Batch(
            source=source,
            target=target,
            names=list(names[at:end]),
            infos=list(infos[at:end]),
            modes=list(modes[at:end]),
        )


class Copying(Closing):
    """Batches that are copied, by a worker from the first on; use as a context.

    Args:
        source: the open tree they come from.
        target: the open tree that is written.
        owner: (user, group) of the copies.
        time: of the copies, in nanoseconds since 1970.
        hashed: whether digests are wanted.
        worker: whether they are many.
        done: called when a batch was copied as it was listed: with its number, counted from 0 as they are added, what
            `packed` gives of its files, and their SHA-256, one after another; in any order, while others are copied.

    """

    def __init__(
        self,
        source: int,
        target: int,
        *,
        owner: tuple[int, int],
        time: int,
        hashed: bool = False,
        worker: bool,
        done: Callable[[int, bytes, bytes], None] | None = None,
    ) -> None:
        self._team = Team((source, target), worker=worker, heard=self._heard)
        self._done = done
        self._batches: list[Batch] = []
        self._listed: list[bytes] = []
        self._rest = owner, time, hashed

    def add(self, batch: Batch) -> None:
        """Have a batch copied."""
        self._batches.append(batch)
        self._listed.append(packed(batch.infos))
        sizes = [info.st_size for info in batch.infos]
        self._team.add(((batch.source, batch.target), batch.names, sizes, batch.modes, *self._rest))

    def _heard(self, at: int, answer: tuple[bytes, bytes]) -> None:
        status, shas = answer
        if self._done is not None and status == self._listed[at]:
            self._done(at, status, shas)

    def finish(self, opener: SourceOpener, *, mostly: Callable[[], None] | None = None) -> None:
        """Copy what is left.

        Args:
            opener: of the tree they come from.
            mostly: as of `Team.finish`.

        Raises:
            SourceError: a file is not what was listed, or cannot be read.
            OSError: a copy could not be written; its `filename` is the path of the first of its batch.

        """
        try:
            answers = self._team.finish(mostly=mostly)
        except Failed as failure:
            batch = self._batches[failure.index]
            _blame(batch, opener)
            cause = failure.__cause__
            assert isinstance(cause, OSError)
            if cause.errno == errno.ESTALE:
                raise changed(_inside(batch.source, batch.names[0])) from None
            raise OSError(cause.errno, cause.strerror, _inside(batch.target, batch.names[0])) from None
        for batch, listed, (found, _) in zip(self._batches, self._listed, answers):
            if found != listed:
                _blame(batch, opener)
                raise changed(_inside(batch.source, batch.names[0]))

    def close(self) -> None:
        """End the worker."""
        self._team.close()


def _blame(batch: Batch, opener: SourceOpener) -> None:
    """Raise SourceError where a source is what is wrong."""
    for name, info in zip(batch.names, batch.infos):
        os.close(opener.open_at(_inside(batch.source, name), info))


def _inside(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
