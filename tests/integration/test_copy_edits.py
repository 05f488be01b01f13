"""A COPY on top of the last whole copy, or written ahead as a tree, gives what copying everything gives: the same view,
the same layer.
"""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from metalor_lang.build import copies
from metalor_lang.errors import MetalorError
from metalor_lang.runtime.rootfs import CopySnapshotter, OverlaySnapshotter
from tests.support.copyshop import EPOCH, files, shop
from tests.support.copytrees import plant

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _edit_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "_FEW", 0)
    monkeypatch.setattr(copies, "_PART", 1)


TREE = {f"src/d{number}/f{name}": f"{number}{name}" for number in range(4) for name in range(5)} | {"src/l": "-> d0/f0"}
BASE = {"etc/": "", "app/": "700", "app/d1/": "750", "app/d1/old": "there", "app/d1/f1": "other"}


@pytest.mark.parametrize("snapshotter", [OverlaySnapshotter, CopySnapshotter])
@pytest.mark.parametrize("epoch", [EPOCH, 0, 4_000_000_000])
def test_an_edit_is_written_on_the_whole_copy(snapshotter: type, epoch: int) -> None:
    with shop(snapshotter) as at:
        base = at.base(BASE)
        plant(at.context, TREE)
        copy = files("src/", "/app")
        whole = at.perform(base, copy, epoch=epoch)
        (at.context / "src/d2/f3").write_text("edited")
        (at.context / "src/d1/f1").chmod(0o755)
        (at.context / "src/d3/new").mkdir()
        (at.context / "src/d3/new/file").write_text("new")
        edited = at.perform(base, copy, epoch=epoch)
        cold = at.perform(base, copy, anew=True, epoch=epoch)
        if snapshotter is OverlaySnapshotter:
            assert edited[:-1] == whole
            top = at.store.snapshots.fs_path(edited[-1])
            changed = sorted(str(path.relative_to(top)) for path in top.rglob("*") if not path.is_dir())
            assert changed == ["app/d1/f1", "app/d2/f3", "app/d3/new/file"]
        if epoch < 2_000_000_000:  # else the directories of the base that were written into show when that was
            assert at.facts(base, edited) == at.facts(base, cold)
        # The next edit stands on the whole copy too: repeated edits do not pile up.
        (at.context / "src/d2/f3").write_text("again")
        again = at.perform(base, copy, epoch=epoch)
        assert len(again) == len(edited)
        if snapshotter is OverlaySnapshotter:
            assert again[:-1] == whole


@pytest.mark.parametrize(
    "edit",
    [
        lambda ctx: (ctx / "src/d2/f3").unlink(),
        lambda ctx: ((ctx / "src/d2/f3").unlink(), (ctx / "src/d2/f3").mkdir()),
        lambda ctx: ((ctx / "src/l").unlink(), (ctx / "src/l").write_text("no link")),
        lambda ctx: ((ctx / "src/d2/f3").unlink(), (ctx / "src/d2/f3").symlink_to("f2")),
    ],
)
def test_what_went_or_is_another_kind_is_copied_whole(edit: Any) -> None:
    with shop() as at:
        base = at.base(BASE)
        plant(at.context, TREE)
        copy = files("src", "/app/")
        at.perform(base, copy)
        edit(at.context)
        after = at.perform(base, copy)
        assert after[:-1] == base
        assert at.facts(base, after) == at.facts(base, at.perform(base, copy, anew=True))


def test_a_whole_copy_counts_only_while_its_step_is_known() -> None:
    with shop() as at:
        base = at.base(BASE)
        plant(at.context, TREE)
        copy = files("src", "/app/")
        at.perform(base, copy)
        key = f"sha256:{at.count:064x}"
        (at.context / "src/d2/f3").write_text("edited")
        assert at.store.steps.remove(key)
        assert at.perform(base, copy)[:-1] == base


@pytest.mark.parametrize("folder", ["copies", "listings"])
def test_a_damaged_memory_copies_whole(folder: str) -> None:
    good, bad = {"copies": (b'"chain"', b'"chair"'), "listings": (b"\0f3\0f\0", b"\0f9\0f\0")}[folder]
    with shop() as at:
        base = at.base(BASE)
        plant(at.context, TREE)
        copy = files("src", "/app/")
        at.perform(base, copy)
        for name in (at.store.root / folder).iterdir():
            data = name.read_bytes()
            assert good in data
            name.write_bytes(data.replace(good, bad))
        (at.context / "src/d2/f3").write_text("edited")
        assert at.perform(base, copy)[:-1] == base


def test_entries_that_meet_through_a_link_are_refused_as_by_a_whole_copy() -> None:
    with shop() as at:
        base = at.base({"app/": "", "app/one/": "", "app/two": "-> one"})
        plant(at.context, {"src/one/a": "A", "src/two/b": "B"})
        copy = files("src/", "/app")
        at.perform(base, copy)
        (at.context / "src/two/a").write_text("meets the other")
        with pytest.raises(MetalorError, match="both land on"):
            at.perform(base, copy)


def test_what_is_kept_for_an_edit_is_kept_by_gc() -> None:
    with shop() as at:
        base = at.base(BASE)
        plant(at.context, TREE)
        copy = files("src", "/app/")
        at.perform(base, copy)
        (at.context / "src/d2/f3").write_text("edited")
        edited = at.perform(base, copy)
        before = at.facts(base, edited)
        at.store.steps.remove(f"sha256:{1:064x}")
        at.store.close()
        at.store.gc()
        assert at.facts(base, edited) == before


# --- whatever happens to a context ------------------------------------------------------------------------------------

NAME = st.sampled_from(["a", "b", "c.tmp", "d0", "d1", "é"])
PATH = st.lists(NAME, min_size=1, max_size=3).map("/".join)
EDIT = st.tuples(
    st.sampled_from(["write", "write", "write", "mode", "dir", "link", "remove", "same"]),
    PATH,
    st.sampled_from(["x", "yy", "a", "d0"]),
)
BASES = st.dictionaries(
    st.tuples(st.sampled_from(["app/", "app/src/", "", "app/d0/"]), NAME).map("".join),
    st.sampled_from(["base", "-> d0", "-> /app", "/", "700|mine"]),
    max_size=6,
)


def apply(root: Path, edit: tuple[str, str, str]) -> None:
    what, path, text = edit
    at = root / path
    try:
        if what in ("write", "dir", "link"):
            at.parent.mkdir(parents=True, exist_ok=True)
        if what == "write":
            at.write_text(text)
        elif what == "mode":
            at.chmod(0o644 if at.stat().st_mode & 0o100 else 0o755)
        elif what == "dir":
            at.mkdir()
        elif what == "link":
            at.symlink_to(text)
        elif what == "remove":
            at.unlink()
    except OSError:
        pass


def based(tree: dict[str, str]) -> dict[str, str]:
    """The entries that fit together: a name below a file or a link is left out."""
    found: dict[str, str] = {"etc/": "", "app/": "750"}
    for path, value in sorted(tree.items()):
        heads = ["/".join(path.split("/")[:n]) for n in range(1, path.count("/") + 1)]
        if any(head in found for head in heads) or f"{path}/" in found:
            continue
        if any(other.startswith(f"{path}/") for other in found):
            continue
        found[f"{path}/" if value == "/" else path] = "" if value == "/" else value
    return found


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(
    base=BASES,
    first=st.lists(EDIT, max_size=8),
    rounds=st.lists(st.lists(EDIT, min_size=1, max_size=4), min_size=1, max_size=3),
    sources=st.sampled_from(["src", "src/", "src other", "src/*", "src/ other/", "."]),
    destination=st.sampled_from(["/app/", "/app/", "/app/src/", "/new/deep/", "/"]),
    options=st.fixed_dictionaries(
        {},
        optional={
            "chown": st.just("7:8"),
            "chmod": st.sampled_from(["u=rwX,go=", "0711"]),
            "excludes": st.just(("*.tmp",)),
        },
    ),
)  # fmt: skip
def test_edits_give_what_a_whole_copy_gives(
    base: Any, first: Any, rounds: Any, sources: str, destination: str, options: Any
) -> None:
    with shop() as at:
        chain = at.base(based(base))
        plant(
            at.context, {"src/": "", "other/": "", "src/z": "Z", "other/y": "Y", "src/d0/x": "X", ".metalorignore": ""}
        )
        for edit in first:
            apply(at.context / "src", edit)
        copy = files(sources, destination, **options)
        for edits in ([], *rounds):
            for edit in edits:
                apply(at.context / "src", edit)
            outcomes: list[object] = []
            for anew in (False, True):
                try:
                    after = at.perform(chain, copy, anew=anew)
                    event("on a whole copy" if after[:-1] != chain else "whole")
                    outcomes.append(at.facts(chain, after))
                except MetalorError as error:
                    outcomes.append(str(error))
            assert outcomes[0] == outcomes[1]
