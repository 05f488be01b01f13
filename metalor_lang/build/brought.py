"""Put what was brought from elsewhere into a view: a file, or the tree of an archive.

Invariant: files belong to USER or to --chown, whatever the archive says; an archive is unpacked beside the image first,
and its tree lands by the rules of COPY, so that no link in it leads anywhere but into itself.
"""

import os
from collections.abc import Callable

from metalor_lang.build.copying import copy_into
from metalor_lang.build.files import write_file
from metalor_lang.build.placing import is_directory_spelling
from metalor_lang.build.users import resolve
from metalor_lang.checker.flags import last_name
from metalor_lang.hints import Final
from metalor_lang.kernel.paths import Root
from metalor_lang.oci.archives import unpack_archive
from metalor_lang.plan.graph import CloneGit, CopyFiles, CopySource, FetchFile, WriteFile
from metalor_lang.store.store import Store

_NANO: Final = 1_000_000_000
_NO_STAGE: Final = -1
"""For a COPY of a tree that is given, as one from a stage is: nothing is looked up by it."""


def put(
    view: Root,
    action: FetchFile | CloneGit,
    store: Store,
    digest: str,
    *,
    epoch: int,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Do a FETCH or a GIT with what was brought.

    Args:
        view: the tree to write into.
        action: what to do.
        store: has the blob.
        digest: of the blob.
        epoch: seconds since 1970.
        check: called now and then; what it raises ends the work.

    Raises:
        CopyError: it does not fit.
        ArchiveRefused: the archive cannot be unpacked.
        UserError: an owner that the image does not have.
        MachineError: writing failed; the view is to be discarded.

    """
    if isinstance(action, FetchFile) and not action.unpack:
        _put_file(view, action, store, digest, epoch)
        return
    with store.workspace("brought") as path, Root.at(path) as tree:
        os.chmod(path, 0o755)
        with store.blobs.open(digest) as stream:
            # What git keeps has no times at all.
            mtime = epoch * _NANO if isinstance(action, CloneGit) else None
            unpack_archive(stream, store.blobs.path(digest), tree.fd, mtime=mtime, check=check)
        os.utime(path, (epoch, epoch))
        _put_tree(view, action, tree, epoch)


def _put_file(view: Root, action: FetchFile, store: Store, digest: str, epoch: int) -> None:
    destination = action.destination
    if is_directory_spelling(destination):
        destination = f"{destination}/{last_name(action.url)}"
    file = WriteFile(
        destination=destination,
        content=b"",
        workdir=action.workdir,
        user=action.user,
        chown=action.chown,
        chmod=action.chmod,
    )
    with store.blobs.open(digest) as stream:
        write_file(view, file, epoch=epoch, word="FETCH", source=stream)


def _put_tree(view: Root, action: FetchFile | CloneGit, tree: Root, epoch: int) -> None:
    identity = resolve(view, action.user)
    files = CopyFiles(
        stage=_NO_STAGE,
        context="",
        sources=(CopySource(path=".", glob=False),),
        destination=f"{action.destination}/",
        workdir=action.workdir,
        user=action.user,
        chown=action.chown,
        chmod=action.chmod,
    )
    copy_into(view, files, epoch=epoch, source_view=tree, brought=(identity.uid, identity.gid))
