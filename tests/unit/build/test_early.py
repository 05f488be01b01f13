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
    recipe.write_text("FROM scratch\n")
    with Store.open(tmp_path / "store") as store:
        assert likely(store, str(recipe), NAME)  # never built here
        store._uses.note(NAME)
        assert not likely(store, str(recipe), NAME)
        later = store.last_use(NAME) + 1
        os.utime(recipe, ns=(later, later))
        assert likely(store, str(recipe), NAME)
        assert not likely(store, "-", "stdin")
        assert not likely(store, str(tmp_path / "none.metalor"), "none")


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
