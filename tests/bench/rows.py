"""What the bench finds: a row a case, with its bars; as a table for people and as JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

PEERS: Final = ("BuildKit", "Buildah", "umoci")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One promise: what was measured may be `limit` at most (or, `at_least`, must be so much)."""

    text: str
    measured: float
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One case.

    Args:
        ours: median, in `unit`.
        floor: what bare tools take for it, in `unit`; None where there is none.
        floor_name: what the floor is.
        peers: by name; None for one that is not on this machine; without the name, it has no such thing.
        bars: promises.
        steady: floors before and after agreed within 25 %.

    """

    case: str
    ours: float
    unit: str = "s"
    floor: float | None = None
    floor_name: str = ""
    peers: Mapping[str, float | None] = field(default_factory=dict)
    bars: tuple[Bar, ...] = ()
    steady: bool = True


def faster(ours: float, peers: Mapping[str, float | None], *names: str) -> tuple[Bar, ...]:
    """A bar for each of these peers that was measured."""
    found = ((name, peers.get(name)) for name in names)
    return tuple(Bar(text=f"faster than {name}", measured=ours / taken, limit=1.0) for name, taken in found if taken)


def head() -> str:
    return f"{'case':44} {'ours':>9} {'floor':>9} {'ratio':>6} " + " ".join(f"{peer:>9}" for peer in PEERS) + "  bars"


def line(row: Row) -> str:
    """A row of the table."""
    ratio = f"{row.ours / row.floor:6.2f}" if row.floor else " " * 6
    floor = _number(row.floor, row.unit) if row.floor else " " * 9
    peers = " ".join(
        f"{'absent' if row.peers[peer] is None else _number(row.peers[peer], row.unit):>9}"
        if peer in row.peers
        else f"{'–':>9}"
        for peer in PEERS
    )
    bars = "; ".join(f"{bar.text}: {'met' if bar.met else 'NOT MET'} ({bar.measured:.3g})" for bar in row.bars)
    steady = "" if row.steady else "  [unsteady: the floor moved by more than 25 %]"
    return f"{row.case:44} {_number(row.ours, row.unit)} {floor} {ratio} {peers}  {bars}{steady}"


def document(rows: Sequence[Row], machine: Mapping[str, object]) -> str:
    """Everything as JSON."""
    cases = [
        asdict(row)
        | {"ratio": row.ours / row.floor if row.floor else None}
        | {"bars": [asdict(bar) | {"met": bar.met} for bar in row.bars]}
        for row in rows
    ]
    return json.dumps({"machine": machine, "cases": cases}, indent=2, ensure_ascii=False) + "\n"


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return " " * 9
    if unit == "s":
        return (
            f"{value:8.3f}s" if value >= 0.1 else f"{value * 1000:7.2f}ms" if value >= 1e-3 else f"{value * 1e6:7.1f}µs"
        )
    return f"{value:7.1f}{unit:>2}"


def markdown(rows: Sequence[Row]) -> str:
    """The table for a document."""
    lines = ["| case | ours | floor | ratio | " + " | ".join(PEERS) + " | bars |", "| --- " * (5 + len(PEERS)) + "|"]
    for row in rows:
        peers = (
            "absent"
            if row.peers.get(peer, 0) is None
            else _number(row.peers[peer], row.unit).strip()
            if peer in row.peers
            else "–"
            for peer in PEERS
        )
        floor = f"{_number(row.floor, row.unit).strip()} ({row.floor_name})" if row.floor else row.floor_name or "–"
        ratio = f"{row.ours / row.floor:.2f}" if row.floor else "–"
        bars = "; ".join(f"{bar.text}: {'met' if bar.met else f'**missed** ({bar.measured:.3g})'}" for bar in row.bars)
        ours = _number(row.ours, row.unit).strip()
        cells = (row.case, ours, floor, ratio, *peers, bars or "–")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
