"""Accounts of builds and listings of contexts in a store: kept, damaged, forgotten."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from metalor_lang.build.accounts.ledger import noted, signature, whose
from metalor_lang.build.accounts.past import Past
from metalor_lang.build.listings import Kept, Listings
from metalor_lang.build.pieces import Piece, Pieces
from metalor_lang.plan.why.account import account_of
from metalor_lang.store import KeepPolicy, StepRecord, Store
from tests.support.recipes import plan_of

TEXT = "ARG V=1\nFROM debian:12 AS build\nSH echo $V\nFILE /x '''\nfile\n'''\nFROM build\nCMD [\"x\"]\n"
PLAN = plan_of(TEXT)
HERE = Path("/here/app.metalor")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store") as opened:
        yield opened


def note(store: Store, path: Path = HERE, text: str = TEXT) -> None:
    plan = plan_of(text)
    Past(store).note(whose(plan, "app", path), signature(plan), account_of(plan, recipe=str(path), when=5))


def test_an_account_comes_back_as_it_was(store: Store) -> None:
    mine = whose(PLAN, "app", HERE)
    assert Past(store).recall(mine) is None and not noted(store, mine, signature(PLAN))
    note(store)
    assert Past(store).recall(mine) == account_of(PLAN, recipe=str(HERE), when=5)
    assert noted(store, mine, signature(PLAN))
    assert not noted(store, mine, signature(plan_of(TEXT.replace("V=1", "V=2"))))
    assert not noted(
        store, mine, signature(plan_of(TEXT.replace("AS build", "AS make").replace("FROM build", "FROM make")))
    )


def test_another_place_serves_where_there_is_none_of_this_one(store: Store) -> None:
    note(store, Path("/elsewhere/app.metalor"), TEXT.replace("V=1", "V=2"))
    found = Past(store).recall(whose(PLAN, "app", HERE))
    assert found is not None and found.recipe == "/elsewhere/app.metalor"
    note(store)
    found = Past(store).recall(whose(PLAN, "app", HERE))
    assert found is not None and found.recipe == str(HERE)
    assert Past(store).recall(whose(PLAN, "other", HERE)) is None


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_a_damaged_account_is_none(store: Store, damage: str) -> None:
    note(store)
    (path,) = (store.root / "builds").iterdir()
    data = path.read_bytes()
    path.write_bytes({"cut": data[:-9], "changed": data[:-1] + bytes([data[-1] ^ 1]), "empty": b""}[damage])
    assert Past(store).recall(whose(PLAN, "app", HERE)) is None


def piece(name: str, text: str) -> Piece:
    return Piece(f"{name}/\0F\0{text}\0", f"{name}\0f\0{text}\0")


def listing(digit: str, **changed: str) -> Kept:
    pieces: Pieces = {"/": Piece("\0d\0\0"), **{name: piece(name, changed.get(name, "0")) for name in ("a", "b", "ü")}}
    return Kept(digest="sha256:" + digit * 64, names=("site",), pieces=(pieces,))


def same(found: Kept | None, wanted: Kept) -> bool:
    return found is not None and [
        {name: (each.head, each.files) for name, each in pieces.items()} for pieces in found.pieces
    ] == [{name: (each.head, each.files) for name, each in pieces.items()} for pieces in wanted.pieces]


def test_a_listing_that_stands_on_another_is_read_whole(store: Store) -> None:
    first, second = listing("1"), listing("2", b="1")
    Listings(store).keep(first)
    Listings(store).keep(second, first)
    sizes = {path.name[0]: path.stat().st_size for path in (store.root / "listings").iterdir()}
    assert sizes["2"] < sizes["1"] + 72
    assert same(Listings(store).recall(first.digest), first)
    assert same(Listings(store).recall(second.digest), second)


def test_a_listing_whose_ground_is_gone_or_damaged_is_none(store: Store) -> None:
    first, second = listing("1"), listing("2", b="1")
    Listings(store).keep(first)
    Listings(store).keep(second, first)
    path = store.root / "listings" / ("1" * 64)
    path.write_bytes(path.read_bytes().replace(b"a\0f\x000", b"a\0f\x001"))
    assert Listings(store).recall(second.digest) is None
    path.unlink()
    assert Listings(store).recall(second.digest) is None


def test_gc_takes_what_nothing_needs(store: Store) -> None:
    note(store)
    note(store, Path("/gone/app.metalor"), TEXT.replace("V=1", "V=2"))
    key = PLAN.stages[0].steps[0].key
    with store.lease(), store.snapshots.draft("whole") as draft:
        identity = draft.commit({})
        store.steps.put(StepRecord(key=key, chain=(identity,), created=int(time.time()), recipe="app"))
    for each in ("1", "2"):
        Listings(store).keep(listing(each))
    store.close()
    store.gc(KeepPolicy())
    (left,) = (store.root / "builds").iterdir()
    assert left.name == whose(PLAN, "app", HERE).file_name
    assert list((store.root / "listings").iterdir()) == []
    store.gc(KeepPolicy(newest=0))
    assert list((store.root / "builds").iterdir()) == []


def test_the_oldest_go(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metalor_lang.build.accounts.past._KEPT", 3)
    for number in range(5):
        note(store, Path(f"/{number}/app.metalor"))
        time.sleep(0.01)
    assert len(list((store.root / "builds").iterdir())) == 3
    assert noted(store, whose(PLAN, "app", Path("/4/app.metalor")), signature(PLAN))
