"""The guess that a step will run, and the helper that is started on it."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from metalor_lang.build.early import EarlyHelper, likely
from metalor_lang.errors import MachineError
from metalor_lang.store import Store

NAME = "app"


class Helper(SimpleNamespace):
    ended = False

    def close(self) -> None:
        self.ended = True


def test_a_recipe_that_is_younger_than_its_last_use_is_likely_to_run(tmp_path: Path) -> None:
    recipe = tmp_path / "app.metalor"
    recipe.write_text('FROM busybox\nRUN ["true"]\n')
    with Store.open(tmp_path / "store") as store:
        assert likely(store, str(recipe), NAME)  # never built here
        store._uses.note(NAME)
        assert not likely(store, str(recipe), NAME)
        assert likely(store, str(recipe), NAME, anew=True)
        later = store.last_use(NAME) + 1
        os.utime(recipe, ns=(later, later))
        assert likely(store, str(recipe), NAME)
        assert not likely(store, "-", "stdin")
        assert not likely(store, str(tmp_path / "none.metalor"), "none")


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("FROM scratch\nCOPY a /RUN/\n", False),
        ('FROM scratch\nSHELL ["/bin/sh", "-c"]\n# RUN\nENV RUN=1 SH=2\n', False),
        ("FROM a\nIF ${x} == y\n\tSH make\nEND\n", True),
        ("FROM a\nSH\n", True),
        ("FROM a\nTEST true\n", True),
        ("IMPORT lib.metalor AS lib\nFROM scratch\n", True),
        ("", False),
    ],
)
def test_only_what_runs_commands_or_may_bring_some_needs_a_helper(tmp_path: Path, text: str, runs: bool) -> None:
    recipe = tmp_path / "app.metalor"
    recipe.write_text(text)
    with Store.open(tmp_path / "store") as store:
        assert likely(store, str(recipe), NAME) is runs


def test_a_recipe_in_a_pipe_is_left_to_who_builds_it(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, b"FROM scratch\nSH make\n")
        os.close(writing)
        with Store.open(tmp_path / "store") as store:
            assert not likely(store, f"/dev/fd/{reading}", NAME, anew=True)
        assert os.read(reading, 100) == b"FROM scratch\nSH make\n"
    finally:
        os.close(reading)


def test_a_helper_that_nobody_takes_is_ended_and_one_that_is_taken_is_not() -> None:
    first, second = Helper(), Helper()
    EarlyHelper(lambda: first).close()  # type: ignore[arg-type, return-value]
    early = EarlyHelper(lambda: second)  # type: ignore[arg-type, return-value]
    assert early.take() is second and early.take() is None
    early.close()
    assert (first.ended, second.ended) == (True, False)


def test_a_machine_that_cannot_run_steps_says_so_only_to_who_needs_one() -> None:
    def refuse() -> None:
        raise MachineError("no steps here")

    early = EarlyHelper(refuse)  # type: ignore[arg-type, return-value]
    assert early.take() is None
    early.close()
    with pytest.raises(MachineError):
        refuse()
