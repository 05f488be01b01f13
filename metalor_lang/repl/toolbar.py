"""The two lines below the prompt: a hint for what is being typed, and where one stands.

Invariant: neither is ever wider than the terminal; what matters least is left out first.
"""

import re
from collections.abc import Sequence

from metalor_lang.hints import TYPE_CHECKING, Final
from metalor_lang.record import dataclass
from metalor_lang.repl.typed import Reading
from metalor_lang.screen.text import char_width, duration, fit, size, visible

if TYPE_CHECKING:
    from metalor_lang.repl.outcome import View

Fragment = tuple[str, str]
"""A style class and a text."""

_GAP: Final = " · "


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One piece of the status line: its text, a shorter one, and how early it is left out (0: never)."""

    text: str
    short: str
    drop: int
    style: str = "class:bar"


def segments(view: "View | None", bytes_of_state: int | None) -> tuple[Segment, ...]:
    """What the status line says, in order; nothing while there is no view yet."""
    if view is None:
        return (Segment(text="", short="", drop=0),)
    if not view.stage:
        return (Segment(text="no stage yet: start with FROM", short="no stage yet", drop=0),)
    out = [Segment(text=view.stage, short=view.stage, drop=0, style="class:bar,bar.stage")]
    if view.waiting:
        out.append(
            Segment(text=f"{view.waiting} waiting", short=f"+{view.waiting}", drop=1, style="class:bar,bar.waiting")
        )
    out.append(Segment(text=view.base, short=view.base.rpartition("/")[2], drop=5))
    out.append(Segment(text=view.platform, short=view.platform.removeprefix("linux/"), drop=7))
    out.append(Segment(text=view.state.user or "root", short=view.state.user or "root", drop=2))
    out.append(Segment(text=view.state.workdir, short=view.state.workdir, drop=3))
    if bytes_of_state is not None:
        out.append(Segment(text=size(bytes_of_state), short=size(bytes_of_state), drop=4))
    if view.last is not None and (view.last.duration_ms or view.last.cached):
        took = "cached" if view.last.cached else duration(view.last.duration_ms)
        out.append(Segment(text=took, short=took, drop=6))
    network = network_of(view)
    out.append(Segment(text=f"net {network}", short=f"net {network}", drop=8))
    return tuple(each for each in out if each.text)


def network_of(view: "View") -> str:
    """The network that the last step had; steps have the host's unless they say otherwise."""
    found = re.search(r"--network=(\w+)", view.last.statement) if view.last is not None else None
    return found.group(1) if found else "host"


def status(view: "View | None", bytes_of_state: int | None, width: int) -> list[Fragment]:
    """The status line, `width` columns wide."""
    kept = list(segments(view, bytes_of_state))
    texts = [visible(each.text) for each in kept]
    while _width(texts) > width - 2:
        long = next((at for at in _by_drop(kept) if texts[at] != visible(kept[at].short)), None)
        if long is not None:
            texts[long] = visible(kept[long].short)
            continue
        least = _by_drop(kept)[0]
        if kept[least].drop == 0:
            texts = [fit(_GAP.join(texts), width - 2)]
            kept = kept[:1]
            break
        del kept[least], texts[least]
    out: list[Fragment] = [("class:bar", " ")]
    for at, text in enumerate(texts):
        out += ([("class:bar", _GAP)] if at else []) + [(kept[at].style, text)]
    filled = sum(_columns(text) for _, text in out)
    return [*out, ("class:bar", " " * max(width - filled, 0))]


def hint(reading: Reading, width: int) -> list[Fragment]:
    """The lines above the status: what is wrong and what to write instead, else how the statement is written."""
    problem = reading.problem
    if problem is not None:
        said = _wrapped(f"{problem.code} {problem.message}", width)
        more = _wrapped(problem.help, width - 2) if problem.help else []
        return [("class:hint.problem", "\n".join(said)), ("class:hint", "".join(f"\n  {line}" for line in more))]
    found = reading.signature
    if found is None:
        return [("class:hint", "")]
    start, end = found.active.start, found.active.end
    parts = [("class:hint", found.form[:start]), ("class:hint,hint.active", found.form[start:end])]
    parts.append(("class:hint", f"{found.form[end:]}  {found.help}"))
    out: list[Fragment] = []
    left = width
    for style, text in parts:
        shown = fit(text, left)
        out.append((style, shown))
        left -= _columns(shown)
        if left <= 0:
            break
    return out


def _wrapped(text: str, width: int) -> list[str]:
    """A text in at most two lines, broken between words where that can be."""
    text = visible(text)
    if _columns(text) <= width:
        return [text]
    first = fit(text, width + 1)[:-1]
    space = first.rfind(" ")
    if space > width // 2:
        first = first[:space]
    return [first, fit(text[len(first) :].lstrip(), width)]


def _by_drop(kept: Sequence[Segment]) -> list[int]:
    """The places of the segments, what matters least first."""
    return sorted(range(len(kept)), key=lambda at: (-kept[at].drop, -at))


def _columns(text: str) -> int:
    return sum(map(char_width, text))


def _width(texts: Sequence[str]) -> int:
    return sum(map(_columns, texts)) + len(_GAP) * (len(texts) - 1)
