"""How a step is named for `metalor why`."""

import pytest

from metalor_lang.cli.commands.why import choose
from metalor_lang.errors import UsageError
from tests.support.recipes import plan_of

PLAN = plan_of(
    """\
ARG V=1
FROM debian:12 AS unused
SH x
FROM debian:12 AS build
SH one
SH '''
  two
  '''
FROM build
SH $V
CMD ["x"]
"""
)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("build.1", (1, 1)),
        ("build.2", (1, 2)),
        ("2.2", (1, 2)),
        ("1", (2, 1)),
        ("2", (2, 2)),
        ("stage 3.1", (2, 1)),
        (":5", (1, 1)),
        (":6", (1, 2)),
        (":7", (1, 2)),
        (":8", (1, 2)),
        (":10", (2, 1)),
    ],
)
def test_a_step_is_named_by_its_place_or_its_line(text: str, place: tuple[int, int]) -> None:
    assert choose(PLAN, text) == (place,)


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        ("SH", "'SH' names no step", "write STAGE.NUMBER, NUMBER or :LINE, such as build.3 or :12"),
        ("build.", "'build.' names no step", "write STAGE.NUMBER, NUMBER or :LINE, such as build.3 or :12"),
        ("build.x", "'build.x' names no step", "write STAGE.NUMBER, NUMBER or :LINE, such as build.3 or :12"),
        ("", "'' names no step", "write STAGE.NUMBER, NUMBER or :LINE, such as build.3 or :12"),
        ("build.0", "the stage build has no step 0", "it has the steps 1 to 2; `metalor plan` shows them"),
        ("3", "stage 3 has no step 3", "it has the steps 1 to 2; `metalor plan` shows them"),
        ("nope.1", "there is no stage 'nope' to build", "the stages are build, stage 3; not needed: unused"),
        ("unused.1", "there is no stage 'unused' to build", "the stages are build, stage 3; not needed: unused"),
        (":", "':' names no line", "write :12 for line 12 of the recipe"),
        (":x", "':x' names no line", "write :12 for line 12 of the recipe"),
        (":1", "line 1 is no step of the stages that are built", "name a line of a statement after a FROM"),
        (":3", "line 3 is no step of the stages that are built", "name a line of a statement after a FROM"),
    ],
)
def test_what_names_none_is_said(text: str, message: str, help: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose(PLAN, text)
    assert caught.value.message == message
    assert caught.value.help.startswith(help)
