import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalor_lang.build.walk import Stopped, walk


@given(st.lists(st.sets(st.integers(0, 11)), max_size=12), st.integers(1, 4))
def test_a_node_sees_the_results_of_all_it_needs(raw, jobs):
    needs = {node: tuple(sorted(before for before in wanted if before < node)) for node, wanted in enumerate(raw)}

    def work(node, done):
        return 1 + sum(done[before] for before in needs[node])

    expected = {}
    for node in needs:
        expected[node] = 1 + sum(expected[before] for before in needs[node])
    assert walk(needs, work, jobs=jobs, stop=lambda: None) == expected


def test_independent_nodes_meet():
    barrier = threading.Barrier(3, timeout=20)
    walk({0: (), 1: (), 2: ()}, lambda node, done: barrier.wait(), jobs=3, stop=lambda: None)


def test_the_cause_is_raised_and_nothing_new_starts():
    stopped = threading.Event()
    started = []

    def work(node, done):
        started.append(node)
        if node == 0:
            while not stopped.wait(0.01):
                pass
            raise Stopped("ended")
        if node == 1:
            time.sleep(0.02)
            raise RuntimeError("the cause")

    with pytest.raises(RuntimeError, match="the cause"):
        walk({0: (), 1: (), 2: (0,), 3: (1,)}, work, jobs=2, stop=stopped.set)
    assert sorted(started) == [0, 1]


def test_a_graph_that_never_becomes_ready_is_a_bug():
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        walk({0: (1,), 1: (0,)}, lambda node, done: None, jobs=1, stop=lambda: None)
