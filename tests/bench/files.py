"""Parts of a cold FROM and of COPY: plain functions that give seconds, to see where the time of a build goes.

Every function works in a folder of the disk that is measured and leaves nothing behind but what it was given.
"""

import hashlib
import os
import shutil
from pathlib import Path

from metalor_lang.build.contexts import LocalContexts
from metalor_lang.build.copying import copy_into
from metalor_lang.build.statcache import StatCache
from metalor_lang.kernel import syscalls
from metalor_lang.kernel.paths import Root
from metalor_lang.oci.inflate import inflate
from metalor_lang.oci.layout import Layout
from metalor_lang.oci.unpack import layer_sources, unpack
from metalor_lang.plan.graph import CopyFiles, CopySource
from metalor_lang.store import manifest
from tests.bench.timing import seconds


def inflating(layout: Path, tag: str) -> float:
    """Read, inflate and hash the layers of an image, both digests, nothing written."""
    found = Layout.open(layout)
    selection = found.select(tag)

    def work() -> None:
        for source in layer_sources(found, selection.manifest, selection.config.diff_ids):
            hasher = hashlib.sha256()
            for chunk in inflate(source.open(), source.compression):
                hasher.update(chunk)
            assert f"sha256:{hasher.hexdigest()}" == source.diff_id

    return seconds(work)


def unpacking(layout: Path, tag: str, folder: Path) -> dict[str, float]:
    """Unpack an image into a new folder: `unpack`, `manifest` (of the written tree) and `sync`."""
    found = Layout.open(layout)
    selection = found.select(tag)
    folder.mkdir()
    try:
        with Root.at(folder) as root:
            return {
                "unpack": seconds(lambda: unpack(found, selection.manifest, selection.config.diff_ids, root.fd)),
                "manifest": seconds(lambda: manifest.surveyed(root.fd)),
                "sync": seconds(lambda: syscalls.syncfs(root.fd)),
            }
    finally:
        shutil.rmtree(folder)


def copying(context: Path, folder: Path) -> dict[str, float]:
    """COPY a whole context into a new folder.

    Returns:
        `digest` (nothing known), `digest again` (all known, loaded from its file), `copy`, `manifest`, `sync`.

    """
    files = CopyFiles(
        stage=None,
        context="",
        sources=(CopySource(path=".", glob=False),),
        destination="/copy",
        workdir="/",
        user="",
        chown="0:0",
    )
    memory = folder.with_name(f"{folder.name}.contexts")
    folder.mkdir()
    try:
        with LocalContexts(context / "none.metalor", cache=StatCache(memory)) as contexts:
            first = seconds(lambda: contexts.content(files))
        with LocalContexts(context / "none.metalor", cache=StatCache(memory)) as contexts, Root.at(folder) as root:
            again = seconds(lambda: contexts.content(files))
            return {
                "digest": first,
                "digest again": again,
                "copy": seconds(lambda: copy_into(root, files, epoch=0, contexts=contexts)),
                "manifest": seconds(lambda: manifest.surveyed(root.fd)),
                "sync": seconds(lambda: syscalls.syncfs(root.fd)),
            }
    finally:
        shutil.rmtree(folder)
        memory.unlink(missing_ok=True)


def walking(context: Path) -> float:
    """The status of every file below a folder, by the interpreter alone: the least that an unchanged COPY costs."""

    def work() -> None:
        pending = [str(context)]
        while pending:
            with os.scandir(pending.pop()) as listing:
                for each in listing:
                    if each.is_dir(follow_symlinks=False):
                        pending.append(each.path)
                    else:
                        each.stat(follow_symlinks=False)

    return seconds(work)
