"""Mutated archives read by us and by three others: what we accept means the same to all who accept it too."""

import shutil
from collections import Counter
from collections.abc import Callable

import pytest

from tests.adversarial import readers
from tests.adversarial.counts import MUTANTS, SEED
from tests.adversarial.mutants import SEEDS, mutant
from tests.adversarial.readers import Row
from tests.support.tars import END

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("tar", "bsdtar"))), reason="GNU tar and bsdtar (libarchive-tools) are compared with"
)

OTHERS: dict[str, Callable[[bytes], list[Row] | None]] = {
    "tarfile": readers.python_tarfile, "GNU tar": readers.gnu_tar, "libarchive": readers.libarchive,
}  # fmt: skip


def same(one: Row, two: Row) -> bool:
    return all(mine == theirs or theirs is None or mine is None for mine, theirs in zip(one, two))


def differences(mine: list[Row], theirs: list[Row], name: str) -> list[tuple[Row | None, Row | None]]:
    if name != "libarchive":
        if len(mine) != len(theirs):
            return [(mine[-1] if mine else None, theirs[-1] if theirs else None)]
        return [(one, two) for one, two in zip(mine, theirs) if not same(one, two)]
    # Its manifest is sorted, has each name once, adds parents, and shows a hard link as the file it is.
    last = {row[0]: row for row in mine}
    found = {row[0]: row for row in theirs}
    parents = {str(path)[:at] for path in last for at, char in enumerate(str(path)) if char == "/"} | {"."}
    wrong: list[tuple[Row | None, Row | None]] = [
        (None, row) for path, row in found.items() if path not in last and path not in parents
    ]
    for path, row in last.items():
        other = found.get(path)
        if other is None:
            wrong.append((row, None))
        elif row[1] != "hard" and not same(row, other):
            wrong.append((row, other))
    return wrong


def test_seeds_are_right() -> None:
    for number, parts in enumerate(SEEDS):
        data = b"".join(parts) + END
        mine = readers.ours(data)
        assert mine
        for name, reader in OTHERS.items():
            theirs = reader(data)
            assert theirs is not None, (number, name)
            assert differences(mine, theirs, name) == [], (number, name)


def test_accepted_and_different() -> None:
    counts: Counter[str] = Counter()
    different = []
    for number in range(MUTANTS):
        data = mutant(SEED, number)
        mine = readers.ours(data)
        if mine is None:
            counts["refused by us"] += 1
            continue
        counts["accepted by us"] += 1
        for name, reader in OTHERS.items():
            theirs = reader(data)
            if theirs is None:
                counts[f"refused by {name}"] += 1
                continue
            counts[f"accepted by {name} too"] += 1
            if wrong := differences(mine, theirs, name):
                different.append((number, name, wrong[0]))
    print(dict(counts))
    assert different == []
    assert counts["accepted by us"] > MUTANTS // 20
    assert all(counts[f"accepted by {name} too"] > MUTANTS // 40 for name in OTHERS)
