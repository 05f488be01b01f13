"""Layers of overlay snapshots: what overlay's upper directories narrow the search to is all there is to find."""

import io
import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metalor_lang.errors import MachineError
from metalor_lang.kernel.paths import Root
from metalor_lang.oci.candidates import Candidates, candidates
from metalor_lang.oci.copytree import copy_tree
from metalor_lang.oci.diff import diff, diff_in_runs
from metalor_lang.oci.layer import write_layer
from metalor_lang.oci.media import Compression
from metalor_lang.oci.origins import Origins
from metalor_lang.oci.pairs import Pair, Run, pairs_and_runs
from metalor_lang.oci.unpack import LayerSource, apply_layers
from metalor_lang.runtime.overlay import mount_view
from tests.support.listing import listing_of, tree_listing
from tests.support.steps import STEP, play

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="overlay mounts need root"),
]

HISTORY = st.lists(STEP, max_size=12)


def draft(lowers: list[Path], place: Path, steps: list[tuple[str, str, object]]) -> Path:
    """Play steps in an overlay on top of `lowers`; its upper directory."""
    upper, work = place / "fs", place / "work"
    upper.mkdir(parents=True)
    work.mkdir()
    fd = mount_view(lowers, upper, work)
    try:
        play(Path(f"/proc/self/fd/{fd}"), steps)
    finally:
        os.close(fd)
    return upper


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=st.lists(STEP, max_size=20), first=HISTORY, second=HISTORY, third=HISTORY)
def test_layers_of_overlay_snapshots(before: list, first: list, second: list, third: list) -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "base").mkdir()
        play(place / "base", before)
        chain = [place / "base"]
        try:
            for number, steps in enumerate((first, second, third)):
                chain.append(draft(chain, place / str(number), steps))
        except MachineError as error:
            pytest.skip(str(error))
        for low, high in ((1, 2), (1, 4), (2, 4), (3, 4)):
            check(place / f"result-{low}-{high}", chain[:low], chain[:high])


def check(result: Path, below: list[Path], above: list[Path]) -> None:
    with Root(mount_view(below)) as lower, Root(mount_view(above)) as upper:
        where = candidates(above[len(below) :])
        changes = list(diff(lower, upper, where))
        sink = io.BytesIO()
        written = write_layer(changes, upper, sink, compression=Compression.NONE)
        whole = io.BytesIO()
        write_layer(diff(lower, upper), upper, whole, compression=Compression.NONE)
        streamed = io.BytesIO()
        narrow = candidates(above[len(below) :], lower)
        write_layer(diff(lower, upper, narrow), upper, streamed, compression=Compression.NONE)
        assert streamed.getvalue() == whole.getvalue()
        assert in_runs(lower, upper, narrow, above) == whole.getvalue()
        everything = io.BytesIO()
        write_layer(diff(None, upper), upper, everything, compression=Compression.NONE)
        assert in_runs(None, upper, None, above) == everything.getvalue()
        result.mkdir()
        with Root.at(result) as root:
            copy_tree(lower, root.fd)
            data = sink.getvalue()
            source = LayerSource(open=lambda: io.BytesIO(data), compression=Compression.NONE, diff_id=written.diff_id)
            apply_layers([source], root.fd)
            assert plain(tree_listing(root.fd)) == plain(tree_listing(upper.fd))
    assert listing_of(result) == plain(listing_of(result))
    assert sink.getvalue() == whole.getvalue()


def in_runs(lower: Root | None, upper: Root, where: Candidates | None, layers: list[Path]) -> bytes:
    """A layer whose files are read where they lie, as far as that is possible."""
    sink = io.BytesIO()
    with Origins(layers[::-1], worth=1) as origins:
        changes = diff_in_runs(lower, upper, where, origins=origins)
        write_layer(changes, upper, sink, compression=Compression.NONE)
    return sink.getvalue()


def plain(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Rows without overlay's own attributes."""
    return [
        (*row[:9], tuple(item for item in row[9] if ".overlay." not in item[0]), *row[10:])  # type: ignore[attr-defined]
        for row in rows
    ]


def test_a_hard_link_whose_other_name_was_replaced_above(tmp_path: Path) -> None:
    """The layer is the same, however the change was looked for."""
    (tmp_path / "base").mkdir()
    chain = [tmp_path / "base"]
    for number, steps in enumerate(([("write", "a", b""), ("link", "b", "a")], [("write", "a", b"")])):
        chain.append(draft(chain, tmp_path / str(number), steps))
    check(tmp_path / "result", chain[:1], chain)
    check(tmp_path / "again", chain[:2], chain)


A, N = ("mkdir", "a", 0o755), ("mkdir", "n", 0o755)
FILE, TWIN = ("write", "a/f", b"1"), ("link", "a/g", "a/f")
LINKED = [
    ([A, FILE], [TWIN]),  # a file that was copied up has a new name beside it
    ([A, FILE], [N, ("link", "n/g", "a/f")]),  # in a new directory
    ([A], [N, ("write", "n/f", b"1"), ("link", "n/g", "n/f")]),  # all of it is new
    ([A], [FILE, TWIN]),
    ([A, FILE, TWIN], [("write", "a/f", b"2")]),
    ([A, FILE, TWIN], [("remove", "a", None), A]),
]


@pytest.mark.parametrize(("before", "after"), LINKED)
def test_hard_links_are_found_in_each_way_of_looking(tmp_path: Path, before: list, after: list) -> None:
    (tmp_path / "base").mkdir()
    play(tmp_path / "base", before)
    chain = [tmp_path / "base"]
    chain.append(draft(chain, tmp_path / "0", after))
    chain.append(draft(chain, tmp_path / "1", [("write", "later", b"")]))
    check(tmp_path / "result", chain[:1], chain[:2])
    check(tmp_path / "both", chain[:1], chain)


def test_new_directories_are_not_searched_for_candidates(tmp_path: Path) -> None:
    (tmp_path / "base/a").mkdir(parents=True)
    (tmp_path / "base/old").write_text("")
    after = [
        ("mkdir", "n", 0o755),
        ("mkdir", "n/m", 0o755),
        ("write", "n/m/f", b"1"),
        ("link", "n/m/g", "n/m/f"),
        ("remove", "old", None),
    ]
    chain = [tmp_path / "base", draft([tmp_path / "base"], tmp_path / "0", after)]
    with Root(mount_view(chain[:1])) as below:
        where = candidates(chain[1:], below)
    assert where.children["n"].everything
    assert not where.linked, "names of one file in a new directory need no second look"
    linked = draft(chain, tmp_path / "1", [("link", "twin", "n/m/f")])
    with Root(mount_view(chain[:1])) as below:
        assert candidates([*chain[1:], linked], below).linked


def test_only_the_touched_places_are_read(tmp_path: Path) -> None:
    """A tree of many files with one changed: the narrowed search opens few directories."""
    base = tmp_path / "base"
    generator = random.Random(1)
    for number in range(300):
        path = base / f"d{number % 30}" / f"e{generator.randrange(5)}" / f"f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))
    upper = draft([base], tmp_path / "0", [("chmod", "d7", 0o750)])
    where = candidates([upper])
    assert list(where.children) == ["d7"]
    with Root(mount_view([base])) as below, Root(mount_view([base, upper])) as above:
        assert [(change.path, change.kind.value) for change in diff(below, above, where)] == [("d7", "modify")]


HIDING = [
    # A later layer replaces a file of a new directory, takes one away, and hides a directory behind another.
    [("mkdir", "n", 0o755), ("write", "n/a", b"1"), ("write", "n/b", b"1"), ("write", "n/c", b"1")],
    [("write", "n/a", b"22"), ("remove", "n/b", None)],
    [("mkdir", "n/m", 0o755), ("write", "n/m/d", b"3"), ("write", "n/m/e", b"3")],
    [("remove", "n/m", None), ("mkdir", "n/m", 0o700), ("write", "n/m/e", b"4")],
]


def test_files_are_read_in_the_topmost_layer_that_has_them(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    chain = [tmp_path / "base"]
    for number, steps in enumerate(HIDING):
        chain.append(draft(chain, tmp_path / str(number), steps))
        check(tmp_path / f"result-{number}", chain[:1], chain)


def test_runs_lie_in_one_layer(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    files = [("write", f"n/{number}", b"x") for number in range(8)]
    layer = draft([tmp_path / "base"], tmp_path / "0", [("mkdir", "n", 0o755), *files])
    chain = [tmp_path / "base", layer]
    with Root(mount_view(chain[:1])) as lower, Root(mount_view(chain)) as upper, Origins(chain[::-1]) as origins:
        (run,) = (entry for entry in taken(pairs_and_runs(lower, upper, None, origins)))
        assert run == (os.stat(layer / "n").st_ino, os.stat(layer / "n").st_dev, 8)


def taken(walk: Iterator[Pair | Run]) -> Iterator[tuple[int, int, int]]:
    for entry in walk:
        if isinstance(entry, Run):
            where = os.fstat(entry.folder)
            entry.done = len(entry.names)
            yield where.st_ino, where.st_dev, entry.done
