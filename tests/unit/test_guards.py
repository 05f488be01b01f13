"""Conditions that import `threading` when somebody waits."""

import subprocess
import sys
import threading
import time

from metalor_lang.guards import Condition, Local, Lock


def test_who_waits_is_woken_by_who_notifies() -> None:
    changed, found = Condition(), list[int]()

    def wait() -> None:
        with changed:
            if changed.wait_for(lambda: found, 30):
                found.append(2)

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    with changed, changed:  # its holder may take it again
        found.append(1)
        changed.notify_all()
    for thread in threads:
        thread.join(30)
    assert found == [1, 2, 2, 2]


def test_waiting_ends_with_its_time() -> None:
    changed, began = Condition(), time.monotonic()
    with changed:
        assert not changed.wait(0.01) and not changed.wait_for(lambda: False, 0.01) and changed.wait_for(lambda: True)
    assert 0.02 <= time.monotonic() - began < 10


def test_locks_and_locals_are_those_of_threading() -> None:
    assert (Lock, Local) == (threading.Lock, threading.local)


def test_threading_is_imported_by_the_first_who_waits() -> None:
    code = f"import sys; sys.path[:0] = {sys.path!r}; from metalor_lang.guards import *\n"
    code += "c = Condition(); c.__enter__(); c.notify_all(); first = 'threading' in sys.modules\n"
    code += "c.wait(0); sys.exit(first * 2 + ('threading' in sys.modules))"
    assert subprocess.run([sys.executable, "-I", "-S", "-c", code], check=False).returncode == 1
