"""Whatever happens to a tree, a layer of the difference makes it again: unpack(layer(diff(lower, upper))) on lower."""

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metalor_lang.kernel.paths import Root
from metalor_lang.oci.changes import ChangeKind
from metalor_lang.oci.copytree import copy_tree
from metalor_lang.oci.diff import diff
from metalor_lang.oci.layer import write_layer, write_tree_tar
from metalor_lang.oci.media import Compression
from metalor_lang.oci.unpack import LayerSource, apply_layers
from tests.support.listing import listing_of
from tests.support.steps import STEP, play


@contextmanager
def three_directories() -> Iterator[tuple[Path, Path, Path]]:
    with tempfile.TemporaryDirectory() as name:
        paths = Path(name) / "lower", Path(name) / "upper", Path(name) / "result"
        for path in paths:
            path.mkdir()
        yield paths


def copy(source: Path, target: Path) -> None:
    with Root.at(source) as one, Root.at(target) as two:
        copy_tree(one, two.fd)


def apply(data: bytes, diff_id: str, target: Path, compression: Compression) -> None:
    with Root.at(target) as root:
        layer = LayerSource(open=lambda: io.BytesIO(data), compression=compression, diff_id=diff_id)
        apply_layers([layer], root.fd)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=st.lists(STEP, max_size=25), after=st.lists(STEP, max_size=15))
def test_a_layer_makes_the_upper_tree_again(before: list, after: list) -> None:
    with three_directories() as (lower, upper, result):
        play(lower, before)
        copy(lower, upper)
        assert listing_of(upper) == listing_of(lower)
        play(upper, after)
        copy(lower, result)
        with Root.at(lower) as one, Root.at(upper) as two:
            changes = list(diff(one, two))
            sink = io.BytesIO()
            written = write_layer(changes, two, sink)
        assert written.size == len(sink.getvalue())
        apply(sink.getvalue(), written.diff_id, result, Compression.GZIP)
        assert listing_of(result) == listing_of(upper)
        if listing_of(lower) == listing_of(upper):
            assert changes == []
        with Root.at(result) as one, Root.at(upper) as two:
            assert list(diff(one, two)) == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEP, max_size=30), compression=st.sampled_from(Compression))
def test_a_whole_tree_comes_back(steps: list, compression: Compression) -> None:
    with three_directories() as (lower, upper, result):
        play(lower, steps)
        copy(lower, upper)
        with Root.at(lower) as one, Root.at(upper) as two:
            changes = list(diff(None, one))
            first, second = io.BytesIO(), io.BytesIO()
            written = write_layer(changes, one, first, compression=compression)
            assert write_layer(diff(None, two), two, second, compression=compression) == written
            assert first.getvalue() == second.getvalue()
            plain = io.BytesIO()
            assert write_tree_tar(one, plain) == len(changes)
        assert all(change.kind in (ChangeKind.ADD, ChangeKind.LINK) for change in changes)
        apply(first.getvalue(), written.diff_id, result, compression)
        assert listing_of(result) == listing_of(lower)


@pytest.mark.parametrize("compression", list(Compression))
def test_an_empty_difference_is_an_empty_archive(tmp_path: Path, compression: Compression) -> None:
    sink = io.BytesIO()
    with Root.at(tmp_path) as root:
        written = write_layer(diff(root, root), root, sink, compression=compression)
    assert written.entries == 0
    assert written.diff_id == "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
