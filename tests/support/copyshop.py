"""A store with a base tree and a context, and COPY done in it as a build does, in every way that there is."""

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from metalor_lang.build.contexts import LocalContexts
from metalor_lang.build.events import NullSink
from metalor_lang.build.nursery import Nursery
from metalor_lang.build.perform import Machine
from metalor_lang.kernel import shared
from metalor_lang.oci.diff import diff
from metalor_lang.oci.layer import write_layer
from metalor_lang.plan.graph import CopyFiles, CopySource, Kind
from metalor_lang.runtime.drafts import DraftView
from metalor_lang.runtime.rootfs import OverlaySnapshotter
from metalor_lang.store import manifest
from metalor_lang.store.records import StepRecord
from metalor_lang.store.store import Store
from tests.support.copytrees import plant
from tests.support.listing import tree_listing

Chain = tuple[str, ...]
OLD = 1_000_000_000
EPOCH = 1_500_000_000


class Shop:
    """A store, a base tree in it, a context."""

    def __init__(self, path: Path, snapshotter: type = OverlaySnapshotter) -> None:
        self.path = path
        self.context = path / "ctx"
        self.context.mkdir()
        self.store = Store.open(path / "store")
        self.snapshotter = snapshotter(self.store)
        self.count = 0
        self.grown: list[str] = []
        """The places that trees were put in."""

    def base(self, tree: dict[str, str]) -> Chain:
        with self.snapshotter.draft(()) as draft:
            plant(draft.upper, tree)
            for folder, folders, files in os.walk(draft.upper, topdown=False):
                for name in (*folders, *files):
                    os.utime(os.path.join(folder, name), (OLD, OLD), follow_symlinks=False)
            return draft.commit({})

    def perform(self, chain: Chain, files: CopyFiles, *, anew: bool = False, epoch: int = EPOCH) -> Chain:
        """Do a COPY as a build does, and record it; `anew`: entry by entry into the view, whatever is remembered."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shared, "WORTH", 10**9 if anew else 0)
            adopt = DraftView.adopt

            def noted(draft: DraftView, place: str, *rest: Any) -> None:
                self.grown.append(place)
                adopt(draft, place, *rest)

            patch.setattr(DraftView, "adopt", noted)
            after = self._perform(chain, files, anew, epoch)
        self.check(after[-1])
        assert self.left() == []
        return after

    def left(self) -> list[str]:
        """Trees that are in no place."""
        return [name for name in os.listdir(self.store.tmp) if "ahead" in name or "grown" in name]

    def check(self, snapshot: str) -> None:
        """A manifest says what is there, whoever wrote its lines."""
        info = self.store.snapshots.info(snapshot)
        fd = os.open(self.store.snapshots.fs_path(snapshot), os.O_RDONLY)
        try:
            rows, size, entries = manifest.surveyed(fd)
        finally:
            os.close(fd)
        assert (self.store.snapshots.path(snapshot) / "manifest").read_bytes() == rows
        assert (info.size, info.entries) == (size, entries)

    def _perform(self, chain: Chain, files: CopyFiles, anew: bool, epoch: int) -> Chain:
        self.count += 1
        key = f"sha256:{self.count:064x}"
        ahead = None if anew else partial(Nursery, self.store)
        with LocalContexts(self.context / "../recipe.metalor", default=self.context, ahead=ahead) as contexts:
            contexts.content(files, epoch)
            machine = Machine(
                store=self.store, runtime=None, snapshotter=self.snapshotter, bases=None,  # type: ignore[arg-type]
                contexts=lambda: contexts, events=NullSink(), titles={}, anew=anew,
            )  # fmt: skip
            if anew:  # the other side of a comparison: it leaves no trace
                machine._copies()._copies = SimpleNamespace(remember=lambda *_: None)  # type: ignore[assignment]
            step: Any = SimpleNamespace(action=files, key=key, text="COPY", kind=Kind.COPY)
            stage: Any = SimpleNamespace(epoch=epoch)
            after = machine.perform(stage, step, chain, {}, None)  # type: ignore[arg-type]
        if not anew:
            self.store.steps.put(StepRecord(key=key, chain=after, parent=chain))
        return after

    def facts(self, before: Chain, after: Chain) -> tuple[object, ...]:
        with self.snapshotter.view(before) as one, self.snapshotter.view(after) as two:
            root = os.stat(".", dir_fd=two.fd)
            written = write_layer(diff(one, two), two, io.BytesIO())
            return tree_listing(two.fd), root.st_mode, root.st_mtime_ns, written.diff_id


@contextmanager
def shop(snapshotter: type = OverlaySnapshotter) -> Iterator[Shop]:
    with tempfile.TemporaryDirectory() as name:
        made = Shop(Path(name), snapshotter)
        try:
            yield made
        finally:
            made.store.close()


def files(sources: str, destination: str, **more: Any) -> CopyFiles:
    return CopyFiles(
        stage=None,
        context="",
        sources=tuple(CopySource(path=word, glob="*" in word) for word in sources.split()),
        destination=destination,
        workdir="/",
        **{"user": "", **more},
    )
