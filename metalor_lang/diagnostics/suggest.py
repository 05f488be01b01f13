"""The nearest known name, for "did you mean".

Invariant: deterministic; a suggestion is at most a third of the name away (one edit for short names),
else there is none.
"""

from collections.abc import Iterable


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate closest to `name`, or None when none is close enough.

    Distance counts insertions, deletions, replacements and swaps of neighbours, whatever the case. Ties go to the
    candidate in the same case, then to one of the same letters, then to the one that shares the longer beginning, then
    to the first in order.
    """
    best: tuple[int, bool, bool, int, int] | None = None
    folded = name.lower()
    found = None
    for index, candidate in enumerate(candidates):
        if candidate == name:
            continue
        limit = max(1, max(len(name), len(candidate)) // 3)
        if abs(len(name) - len(candidate)) > limit:
            continue
        distance = _distance(folded, candidate.lower())
        if distance > limit or distance >= max(len(name), len(candidate)):
            continue
        letters = sorted(folded) != sorted(candidate.lower())
        rank = (distance, name.islower() != candidate.islower(), letters, -_common(name, candidate), index)
        if best is None or rank < best:
            best, found = rank, candidate
    return found


def _common(left: str, right: str) -> int:
    count = 0
    for one, other in zip(left, right):
        if one != other:
            break
        count += 1
    return count


def _distance(left: str, right: str) -> int:
    """Optimal string alignment distance (Damerau-Levenshtein without repeated edits of one place)."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, one in enumerate(left, 1):
        before, last, row = row, before, [i]
        for j, other in enumerate(right, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (one != other))
            if i > 1 and j > 1 and one == right[j - 2] and left[i - 2] == other:
                best = min(best, last[j - 2] + 1)
            row.append(best)
    return row[-1]
