"""The manifest that a commit writes in one go is the one that its rows give."""

import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metalor_lang.store import manifest
from tests.support.steps import STEP, play


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEP, max_size=30))
def test_both_ways_give_the_same_bytes(steps: list) -> None:
    with tempfile.TemporaryDirectory() as name:
        play(Path(name), steps)
        os.symlink(b'\xff "quoted" \n \xc3\xa9', os.path.join(os.fsencode(name), b'\xfe "name" \t'))
        os.link(f'{name}/{os.fsdecode(bytes([0xFE]))} "name" \t', f"{name}/again", follow_symlinks=False)
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            found = manifest.survey(fd)
            assert manifest.surveyed(fd) == (manifest.encode_rows(found.rows), found.size, found.entries)
            assert manifest.decode_rows(manifest.surveyed(fd)[0]) == found.rows
        finally:
            os.close(fd)


NAMES = st.lists(st.text(st.characters(exclude_characters="/\0"), min_size=1), min_size=1, max_size=5)


@given(prefix=st.text(st.characters(exclude_characters="\0")), names=NAMES, number=st.integers(-(2**40), 2**40))
def test_lines_whose_place_is_told_later_are_the_same(prefix: str, names: list[str], number: int) -> None:
    rest = [0o100644] * len(names), [abs(number)] * len(names), (7, 8), number
    assert manifest.placed(prefix, manifest.tails_of(names, *rest)) == "".join(manifest.lines_of(prefix, names, *rest))
