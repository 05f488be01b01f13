"""Layers that we write, unpacked by umoci: other tools read in them what we meant."""

import io
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metalor_lang.kernel.paths import Root
from metalor_lang.oci.copytree import copy_tree
from metalor_lang.oci.diff import diff
from metalor_lang.oci.layer import write_layer
from metalor_lang.oci.media import Compression
from metalor_lang.oci.unpack import unpack_with_umoci
from tests.support.images import make_layout
from tests.support.listing import listing_of
from tests.support.steps import STEP, play

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="keeping owners needs root"),
    pytest.mark.skipif(shutil.which("umoci") is None, reason="umoci is not installed"),
]


def layer(lower: Path | None, upper: Path) -> bytes:
    sink = io.BytesIO()
    with Root.at(upper) as above:
        if lower is None:
            write_layer(diff(None, above), above, sink, compression=Compression.NONE)
        else:
            with Root.at(lower) as below:
                write_layer(diff(below, above), above, sink, compression=Compression.NONE)
    return sink.getvalue()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=st.lists(STEP, max_size=25), after=st.lists(STEP, max_size=15))
def test_umoci_makes_the_upper_tree(before: list, after: list) -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        lower, upper = place / "lower", place / "upper"
        lower.mkdir()
        upper.mkdir()
        play(lower, before)
        with Root.at(lower) as one, Root.at(upper) as two:
            copy_tree(one, two.fd)
        play(upper, after)
        make_layout(place / "oci", [layer(None, lower), layer(lower, upper)])
        unpack_with_umoci(place / "oci", "latest", place / "umoci")
        # An attribute without a value is none to umoci: Go's archive/tar reads an empty PAX value as "not there".
        assert with_values(listing_of(place / "umoci")) == with_values(listing_of(upper))


def with_values(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    return [(*row[:9], tuple(pair for pair in row[9] if pair[1]), *row[10:]) for row in rows]  # type: ignore[attr-defined]
