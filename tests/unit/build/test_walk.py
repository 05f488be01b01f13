import threading
import time
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalor_lang.build.walk import Aside, Stopped, walk


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


def nothing():
    pass


def test_what_is_left_aside_runs_beside_its_node_and_is_waited_for():
    aside, done = Aside(), []
    met = threading.Barrier(2, timeout=20)

    def work(node, results):
        assert aside.take(lambda: (met.wait(), time.sleep(0.05), done.append("task")), lambda: done.append("prepared"))
        met.wait()
        done.append("node")
        return "result"

    assert walk({0: ()}, work, jobs=2, stop=lambda: None, aside=aside) == {0: "result"}
    assert done == ["prepared", "node", "task"]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.integers(1, 3))
def test_tasks_and_nodes_together_are_never_more_than_the_jobs(tasks, jobs):
    lock, running, most, done = threading.Lock(), 0, 0, []
    aside = Aside()

    def busy(what):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.0005)
        with lock:
            running -= 1
            done.append(what)

    def work(node, results):
        busy(node)
        for number in range(tasks[node]):
            task = partial(busy, (node, number))
            if not aside.take(task, nothing):
                task()

    needs = {node: (node - 2,) if node > 1 else () for node in range(len(tasks))}
    walk(needs, work, jobs=jobs, stop=lambda: None, aside=aside)
    assert most <= jobs and len(set(done)) == len(done) == len(tasks) + sum(tasks)


def test_a_task_that_fails_ends_the_walk():
    aside, stopped, started = Aside(), threading.Event(), []

    def fail():
        raise RuntimeError("the cause")

    def work(node, results):
        started.append(node)
        if node == 0:
            assert aside.take(fail, nothing) and stopped.wait(20)
            assert not aside.take(lambda: started.append("too late"), lambda: started.append("too late"))
            raise Stopped("ended")

    with pytest.raises(RuntimeError, match="the cause"):
        walk({0: (), 1: (0,)}, work, jobs=2, stop=stopped.set, aside=aside)
    assert started == [0]


def test_no_task_is_taken_where_all_jobs_have_work():
    aside, answers = Aside(), []
    met = threading.Barrier(2, timeout=20)

    def work(node, results):
        met.wait()
        answers.append(aside.take(nothing, nothing))
        met.wait()

    walk({0: (), 1: ()}, work, jobs=2, stop=lambda: None, aside=aside)
    assert answers == [False, False]
    assert not Aside().take(nothing, nothing), "nobody walks"
