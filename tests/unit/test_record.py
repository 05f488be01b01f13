"""Records behave as the standard library's dataclasses: the same classes made by both, side by side."""

import copy
import dataclasses
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from metalor_lang import record

MAKERS = {"ours": record, "standard": dataclasses}


def classes(maker: Any) -> SimpleNamespace:
    """One class of each kind that the package uses."""

    @maker.dataclass(frozen=True, slots=True, kw_only=True)
    class Base:
        word: ClassVar[str] = "base"
        span: int = maker.field(compare=False, repr=False)
        flags: tuple[int, ...] = ()

    @maker.dataclass(frozen=True, slots=True, kw_only=True)
    class Child(Base):
        word = "child"
        name: str
        many: list[int] = maker.field(default_factory=list, hash=False)

    @maker.dataclass(frozen=True, slots=True, order=True)
    class Pair:
        start: int
        end: int = 7

        def __post_init__(self) -> None:
            if self.end < self.start:
                raise ValueError("not a pair")

    @maker.dataclass(frozen=True)
    class Open:
        path: str
        text: str = maker.field(repr=False, default="none")

    @maker.dataclass(slots=True)
    class Draft:
        index: int
        seen: dict[str, int] = maker.field(default_factory=dict)
        ok: bool = maker.field(init=False, default=True)

    @maker.dataclass(frozen=True, slots=True)
    class Own:
        value: int

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 5

    return SimpleNamespace(Base=Base, Child=Child, Pair=Pair, Open=Open, Draft=Draft, Own=Own)


CASES: dict[str, Callable[[SimpleNamespace], object]] = {
    "repr": lambda c: [
        repr(each).rpartition("<locals>.")[2]
        for each in (c.Child(span=1, name="x"), c.Pair(1, 2), c.Open("a", "b"), c.Draft(3))
    ],
    "equal": lambda c: [
        c.Child(span=1, name="x") == c.Child(span=2, name="x"),
        c.Child(span=1, name="x") == c.Child(span=1, name="y"),
        c.Pair(1, 2) == (1, 2),
        c.Pair(1, 2) != c.Pair(1, 3),
        c.Base(span=1) == c.Child(span=1, name="x"),
        c.Own(1) == c.Own(2),
    ],
    "hash": lambda c: [
        hash(c.Child(span=1, name="x")) == hash(c.Child(span=2, name="x", many=[1])),
        hash(c.Pair(1, 2)) == hash((1, 2)),
        hash(c.Own(3)),
        len({c.Pair(1, 2), c.Pair(1, 2), c.Pair(2, 2)}),
    ],
    "no hash": lambda c: hash(c.Draft(1)),
    "order": lambda c: [
        sorted([c.Pair(2, 3), c.Pair(1, 9), c.Pair(1, 2)])[0] == c.Pair(1, 2),
        c.Pair(1, 2) < c.Pair(1, 3),
        c.Pair(1, 2) >= c.Pair(1, 3),
        c.Pair(1, 2) > c.Pair(1, 1 + 1),
        c.Pair(1, 2) <= c.Pair(1, 2),
    ],
    "order of others": lambda c: c.Pair(1, 2) < 3,
    "defaults": lambda c: [
        c.Pair(1).end,
        c.Open("a").text,
        c.Draft(1).ok,
        c.Draft(1).seen is c.Draft(1).seen,
        c.Child(span=1, name="").many,
    ],
    "class variable": lambda c: [c.Base.word, c.Child.word, c.Child(span=1, name="").word],
    "match": lambda c: [each.__match_args__ for each in (c.Child, c.Pair, c.Open, c.Draft)],
    "set": lambda c: setattr(c.Child(span=1, name="x"), "name", "y"),
    "set unknown": lambda c: setattr(c.Draft(1), "other", "y"),
    "delete": lambda c: delattr(c.Open("x"), "path"),
    "change": lambda c: [setattr(draft := c.Draft(1), "index", 2), draft.index],
    "missing": lambda c: c.Child(span=1),
    "unknown": lambda c: c.Pair(1, 2, third=3),
    "by place": lambda c: c.Child(1, "x"),
    "not init": lambda c: c.Draft(1, {}, False),
    "post init": lambda c: c.Pair(2, 1),
    "no dict": lambda c: hasattr(c.Child(span=1, name="x"), "__dict__"),
    "pickle": lambda c: copy.copy(c.Child(span=4, name="x")) == c.Child(span=4, name="x"),
    "deep copy": lambda c: (copied := copy.deepcopy(c.Child(span=4, name="x", many=[1]))).span + copied.many[0],
    "fields": lambda c: [
        (each.name, each.compare, each.repr, each.init, each.kw_only, each.hash in (None, each.compare))
        for each in dataclasses.fields(c.Child)
    ],
    "is one": lambda c: [dataclasses.is_dataclass(c.Base), dataclasses.is_dataclass(c.Draft(1))],
    "as dict": lambda c: dataclasses.asdict(c.Draft(c.Pair(1, 2))),
    "standard replace": lambda c: repr(dataclasses.replace(c.Pair(1, 2), end=5)).rpartition(".")[2],
}


@pytest.mark.parametrize("case", CASES)
def test_a_record_is_a_dataclass(case: str) -> None:
    def outcome(maker: Any) -> object:
        try:
            return CASES[case](classes(maker))
        except Exception as error:
            return type(error), str(error).replace("__init__()", "").rpartition("<locals>.")[2]

    assert outcome(record) == outcome(dataclasses)


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_replace(maker: Any) -> None:
    c = classes(maker)
    changed = maker.replace(c.Child(span=1, name="x", many=[3]), name="y")
    assert (changed.span, changed.name, changed.many) == (1, "y", [3])
    with pytest.raises(ValueError, match="not a pair"):
        maker.replace(c.Pair(1, 2), start=9)
    with pytest.raises(TypeError):
        maker.replace(c.Pair(1, 2), other=9)
    with pytest.raises(ValueError, match="init=False"):
        maker.replace(c.Draft(1), ok=False)


@record.dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    name: str
    size: int = 1


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_as_dict(maker: Any) -> None:
    c = classes(maker)
    draft = c.Draft(c.Pair(1, 2), {"a": (c.Pair(3, 4), "x"), "b": [c.Open("p")]})
    assert maker.asdict(draft) == {
        "index": {"start": 1, "end": 2},
        "seen": {"a": ({"start": 3, "end": 4}, "x"), "b": [{"path": "p", "text": "none"}]},
        "ok": True,
    }
    assert (
        [each.name for each in maker.fields(draft)]
        == ["index", "seen", "ok"]
        == [f.name for f in maker.fields(c.Draft)]
    )


def test_records_travel() -> None:
    assert pickle.loads(pickle.dumps(Kept(name="x", size=4))) == Kept(name="x", size=4)


def test_a_subclass_without_fields_of_its_own() -> None:
    class Plain(Kept):
        pass

    assert Plain(name="a").size == 1
    assert Plain(name="a") == Plain(name="a")
    assert Plain(name="a") != Kept(name="a")


def test_fields_without_defaults_come_first() -> None:
    for maker in MAKERS.values():
        with pytest.raises(TypeError, match="follows default argument"):

            @maker.dataclass(frozen=True)
            class Wrong:
                a: int = 1
                b: str


def test_first_calls_from_many_threads() -> None:
    for _ in range(50):
        c = classes(record)
        made: list[object] = []
        gate = threading.Barrier(8)

        def work(pair: Any, made: list[object] = made, gate: threading.Barrier = gate) -> None:
            gate.wait()
            made.append((pair(1, 2) == pair(1, 2), hash(pair(1, 2)), pair(1, 2) < pair(1, 3)))

        threads = [threading.Thread(target=work, args=(c.Pair,)) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert made == [(True, hash((1, 2)), True)] * 8


def test_a_definition_compiles_nothing() -> None:
    assert Kept.__dict__["__hash__"].__name__ == "_first_hash"


def test_no_module_takes_the_slow_way() -> None:
    """One import of `dataclasses` on the way of a short command costs it a tenth of its time."""
    root = Path(record.__file__).parent
    taken = {
        str(path.relative_to(root)) for path in root.rglob("*.py") if "from dataclasses" in path.read_text("utf-8")
    }
    assert taken == {"record.py"}
