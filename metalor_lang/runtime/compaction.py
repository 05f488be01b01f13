"""Which layers of a long chain to fold into one: each lower of an overlay costs every mount, each fold costs a copy.

Invariant: pure. Folds are chosen so that what is copied together is of similar size: over a thousand equal steps each
of their files is copied 2 to 3 times (simulated and measured), and a large layer is not copied again for small ones.
"""

from collections.abc import Sequence

from metalor_lang.hints import Final

MAX_CHAIN: Final = 24
"""Layers of a chain before some are folded: each lower costs about 20 µs of a mount, and mount(2) takes one page."""

_MOST: Final = 16
"""Layers folded at a time."""

_FEWEST: Final = 4
_ENTRY: Final = 1 << 16
"""Bytes that can be copied in the time that one more entry takes."""


def weight(size: int, entries: int) -> int:
    """What copying a layer costs, in bytes.

    Args:
        size: bytes of its regular files.
        entries: names in it.

    """
    return size + (entries + 1) * _ENTRY


def cheapest(weights: Sequence[int]) -> tuple[int, int]:
    """The run of neighbours to fold, as a half-open range of indices: the least copying for each layer saved.

    Args:
        weights: of the layers that may be folded, at least two.

    """
    best: tuple[float, int, int] | None = None
    fallback: tuple[float, int, int] | None = None
    for start in range(len(weights) - 1):
        total = largest = weights[start]
        for end in range(start + 2, min(len(weights), start + _MOST) + 1):
            total += weights[end - 1]
            largest = max(largest, weights[end - 1])
            found = total / (end - start - 1), start, end
            # A layer that is most of the run would be copied again and again for its small neighbours.
            if end - start >= _FEWEST and 2 * largest <= total and (best is None or found < best):
                best = found
            if fallback is None or found < fallback:
                fallback = found
    chosen = best or fallback
    assert chosen is not None
    return chosen[1], chosen[2]
