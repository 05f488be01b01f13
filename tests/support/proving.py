"""A store, a runtime and a Buildah in one folder, to build both ways."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from metalor_lang.proving.buildah import Buildah
from metalor_lang.proving.prove import Prover
from metalor_lang.runtime.client import start_runtime
from metalor_lang.runtime.rootfs import choose_snapshotter
from metalor_lang.store.store import Store


@contextmanager
def prover_in(folder: Path) -> Iterator[Prover]:
    """Builds both ways; what it keeps lies in the folder."""
    (folder / "buildah").mkdir()
    buildah = Buildah(folder / "buildah")
    with Store.open(folder / "store") as store, start_runtime(store=store.root) as runtime:
        yield Prover(store=store, runtime=runtime, snapshotter=choose_snapshotter(store), buildah=buildah)
