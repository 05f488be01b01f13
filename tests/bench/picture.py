"""The table as a picture: each case on a logarithmic axis of seconds; ours, the floor and the peers."""

import math
from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from tests.bench.rows import PEERS, Row

_ROW: Final = 30
_LEFT: Final = 330
_WIDTH: Final = 560
_TOP: Final = 64
_COLOURS: Final = {
    "ours": "#0b7a75",
    "floor": "#8a8f98",
    "BuildKit": "#1d63ed",
    "Buildah": "#c2410c",
    "umoci": "#9333ea",
}
_LOW, _HIGH = -5, 2  # 10 µs to 100 s


def draw(rows: Sequence[Row]) -> str:
    """An SVG picture."""
    shown = [row for row in rows if row.unit == "s"]
    height = _TOP + _ROW * len(shown) + 40
    width = _LEFT + _WIDTH + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="system-ui, sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *_legend(),
        *_axis(height),
    ]
    for place, row in enumerate(shown):
        parts += _row(_TOP + _ROW * place + _ROW // 2, row)
    return "\n".join((*parts, "</svg>")) + "\n"


def _x(seconds: float) -> float:
    at = (math.log10(max(seconds, 10.0**_LOW)) - _LOW) / (_HIGH - _LOW)
    return _LEFT + _WIDTH * min(at, 1.0)


def _legend() -> Iterator[str]:
    x = _LEFT
    for name, colour in _COLOURS.items():
        yield _mark(name, x, 20, colour)
        yield f'<text x="{x + 12}" y="25" fill="#1f2933">{"metalor" if name == "ours" else name}</text>'
        x += 110


def _axis(height: int) -> Iterator[str]:
    names = {-5: "10 µs", -4: "0.1 ms", -3: "1 ms", -2: "10 ms", -1: "0.1 s", 0: "1 s", 1: "10 s", 2: "100 s"}
    for power, name in names.items():
        x = _x(10.0**power)
        yield f'<line x1="{x:.1f}" y1="{_TOP - 10}" x2="{x:.1f}" y2="{height - 30}" stroke="#e5e7eb"/>'
        yield f'<text x="{x:.1f}" y="{height - 12}" text-anchor="middle" fill="#6b7280">{name}</text>'


def _row(y: int, row: Row) -> Iterator[str]:
    met = all(bar.met for bar in row.bars)
    yield (
        f'<text x="{_LEFT - 12}" y="{y + 4}" text-anchor="end" fill="#1f2933">{escape(row.case)}'
        f'<tspan fill="{"#15803d" if met else "#b91c1c"}">{"  ✓" if met else "  ✗"}</tspan></text>'
    )
    found = {"ours": row.ours, "floor": row.floor, **{peer: row.peers.get(peer) for peer in PEERS}}
    values = [value for value in found.values() if value]
    yield (
        f'<line x1="{_x(min(values)):.1f}" y1="{y}" x2="{_x(max(values)):.1f}" y2="{y}" stroke="#cbd5e1" '
        'stroke-width="2"/>'
    )
    for name, value in reversed(found.items()):
        if value:
            yield _mark(name, _x(value), y, _COLOURS[name])


def _mark(name: str, x: float, y: float, colour: str) -> str:
    if name == "floor":
        return f'<rect x="{x - 2:.1f}" y="{y - 8}" width="4" height="16" fill="{colour}"/>'
    return f'<circle cx="{x:.1f}" cy="{y}" r="{7 if name == "ours" else 5}" fill="{colour}"/>'
