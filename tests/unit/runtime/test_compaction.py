"""Which layers are folded: two or more neighbours, rarely the same file twice, never a large one for small ones."""

import random

from hypothesis import given
from hypothesis import strategies as st

from metalor_lang.runtime.compaction import MAX_CHAIN, cheapest, weight


def grow(weights: list[int], steps: int, make: "random.Random | None" = None) -> tuple[float, list[int]]:
    """Add layers one by one, folding as a draft does; gives what was copied for each, and the chain."""
    copied = 0
    for _ in range(steps):
        while len(weights) + 1 > MAX_CHAIN:
            start, end = cheapest(weights)
            total = sum(weights[start:end])
            copied += total
            weights[start:end] = [total]
        weights.append(1 if make is None else make.choice((1, 1, 1, 30, 1000)))
    return copied / steps, weights


def test_each_file_of_equal_steps_is_copied_a_few_times_only() -> None:
    assert grow([], 100)[0] < 1.2
    assert grow([], 1000)[0] < 3
    assert grow([], 5000)[0] < 5


def test_a_large_layer_is_not_copied_for_small_ones() -> None:
    _, chain = grow([10**9], 200)
    assert 10**9 in chain


@given(st.lists(st.integers(1, 10**9), min_size=2, max_size=70))
def test_a_run_of_neighbours_is_chosen(weights: list[int]) -> None:
    start, end = cheapest(weights)
    assert 0 <= start < end - 1 < len(weights)


def test_entries_count_as_well_as_bytes() -> None:
    assert weight(0, 1000) > weight(1 << 20, 0)
    assert weight(0, 0) > 0
