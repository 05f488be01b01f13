"""Hash the many small files of a context that nobody has seen yet.

Invariant: a digest counts only when every file of its directory was, after it was read, what it was when it was listed;
else nothing is said of that directory, and its files are looked at one by one, which finds what is wrong.
"""

from collections.abc import Iterable

from metalor_lang.build.listed import Folder, Found
from metalor_lang.build.pieces import Hashed, hashed_files
from metalor_lang.build.statcache import StatCache, packed
from metalor_lang.kernel import bulk
from metalor_lang.kernel.shared import BATCH, Failed, Job, do_all


def hash_unknown(root: int, found: Found, folders: Iterable[Folder], cache: StatCache) -> dict[str, Hashed]:
    """The digests of the files in those of some directories of which the cache knows nothing.

    Args:
        root: the open tree.
        found: in it.
        folders: of what was found.
        cache: is asked.

    Returns:
        by path of the directory beneath the source.

    """
    unknown = []
    jobs: list[Job] = []
    for folder in folders:
        names, infos = folder.files
        if not names or max(info.st_size for info in infos) > bulk.MOST:
            continue
        if any(cache.digests(folder.info, names, infos)):
            continue
        unknown.append((folder, names, infos))
        place = f"{found.origin}/{folder.path}"
        for at in range(0, len(names), BATCH):
            sizes = [info.st_size for info in infos[at : at + BATCH]]
            jobs.append(((place,), list(names[at : at + BATCH]), sizes))
    hashed: dict[str, Hashed] = {}
    try:
        answers = iter(do_all(jobs, (root,), sum(len(names) for _, names, _ in unknown)))
    except Failed:
        return hashed
    for folder, names, infos in unknown:
        status = shas = b""
        for _ in range(0, len(names), BATCH):
            before, some = next(answers)
            status, shas = status + before, shas + some
        if status == packed(infos):
            hashed[folder.path] = hashed_files(folder, status, shas)
    return hashed
