"""Texts that lead a highlighter through every move of every state.

Invariant: made from the model alone, always the same; each case ends where the next line starts afresh, so cases can
stand one after the other in a file.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from functools import cache

from metalor_lang.editors import regex
from metalor_lang.editors.model import START, Model
from tests.support.highlighters.walker import NEWLINE, REFUSAL, Step, Walker

_LIKELY = "aZ0_-./:=@~日😀é$\\\"'#[]{}()<>|&;!%\u00a0\u2028\x01\x7f\u202e"
"""Characters that tell classes apart."""

_RESETS = ("", "\n!", "\n'''", '\n"""', "!\n'''\n!", '!\n"""\n!', "\n!\n'''\n!")
"""Ends behind one of which every state starts afresh."""

_PROBES = (
    "!", "\x01", "日", '"', "$", "\\", "#", " ", "=", "\rx", "'", " # c", " USER", "\nUSER x", "\n\nUSER x",
    "\r\n  # c\nUSER x",
)  # fmt: skip
"""What is put behind each move besides what the next state knows."""

Covered = tuple[int, int]
"""A state and a move of it (or NEWLINE, or REFUSAL)."""


@cache
def samples(node: regex.Node, most: int = 8) -> list[str]:
    """Texts that a pattern matches, the plainest first."""
    out = list(dict.fromkeys(_samples(node)))
    step = max(1, (len(out) - 1) // (most - 1)) if len(out) > most else 1
    return [*out[:1], *out[1::step][: most - 1]]


def _samples(node: regex.Node) -> Iterator[str]:
    match node:
        case regex.Literal(text):
            yield text
        case regex.Class():
            ranges = regex.members(node)
            edges = [char for first, last in ranges for char in (first, last)]
            known = [char for char in map(ord, _LIKELY) if any(first <= char <= last for first, last in ranges)]
            yield from (chr(char) for char in (*known, *edges) if not 0xD800 <= char <= 0xDFFF)
        case regex.Sequence(parts):
            each = [samples(part, 6) for part in parts]
            plain = [options[0] for options in each]
            yield "".join(plain)
            for at, options in enumerate(each):
                yield from ("".join((*plain[:at], option, *plain[at + 1 :])) for option in options[1:])
        case regex.Choice(options):
            listed = [samples(option, 8) for option in options]
            yield from (options[at] for at in range(max(map(len, listed))) for options in listed if at < len(options))
        case regex.Repeat(what, least, most):
            once = samples(what, 12)
            yield once[0] * max(least, 1)
            if least == 0:
                yield ""
            if most is None or most > 1:
                yield "".join(once) if most is None else once[-1] * most
                yield once[0] * max(least, 2)
            yield from (option * max(least, 1) for option in once[1:])


class _Writer:
    """Writes the cases of one model."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.walker = Walker(model)
        self.prefixes = self._prefixes()

    def cases(self) -> list[str]:
        out: dict[str, None] = {}
        for state, row in enumerate(self.model.states):
            first, *others = self.prefixes[state]
            for number, move in enumerate(row.moves):
                plain, *rest = self._reaching(first, state, number) or [first]
                following = [samples(after.pattern)[-1] for after in self.model.states[move.target].moves]
                out.update(dict.fromkeys(plain + probe for probe in (*following, *_PROBES)))
                out.update(dict.fromkeys(text + "!" for text in rest))
                for before in others:
                    out.update(dict.fromkeys(text + "!" for text in self._reaching(before, state, number)[:2]))
            out.update(dict.fromkeys(first + probe for probe in _PROBES))
        return [self._reset(text) for text in out]

    def _reaching(self, before: str, state: int, number: int) -> list[str]:
        """Texts that end with a move that starts where another text ends."""
        texts = (before + sample for sample in samples(self.model.states[state].moves[number].pattern))
        return [text for text in texts if self._last(text) == (state, number, len(before), len(text))]

    def _last(self, text: str) -> Step:
        return deque(self.walker.walk(text), maxlen=1)[0]

    def _prefixes(self, most: int = 2) -> list[list[str]]:
        """The shortest texts behind which each state is."""
        out: list[list[str]] = [[] for _ in self.model.states]
        out[START].append("")
        queue = deque([(START, "")])
        while queue:
            state, before = queue.popleft()
            row = self.model.states[state]
            reached = [
                (move.target, text)
                for number, move in enumerate(row.moves)
                for text in self._reaching(before, state, number)[:2]
            ]
            for to, text in (*reached, (row.newline, before + "\n")):
                if to != START and len(out[to]) < most:
                    out[to].append(text)
                    queue.append((to, text))
        return out

    def _reset(self, text: str) -> str:
        """The text with an end behind which a line starts afresh."""
        for end in _RESETS:
            if self.model.states[self._last(text + end + "\n").state].newline == START:
                return text + end + "\n"
        raise AssertionError(f"no end starts afresh behind {text!r}")


def cases(model: Model) -> list[str]:
    """Texts for every move of every state, each with its follow-ups."""
    return _Writer(model).cases()


def files(model: Model, size: int = 6_000) -> list[str]:
    """The cases in files of about so many characters."""
    out, now = [], ""
    for case in cases(model):
        now += case
        if len(now) >= size:
            out.append(now)
            now = ""
    return [*out, now] if now else out


def covered(model: Model, texts: Sequence[str]) -> set[Covered]:
    """The moves that some texts take."""
    walker = Walker(model)
    return {(step.state, step.move) for text in texts for step in walker.walk(text)}


def wanted(model: Model) -> set[Covered]:
    """Every move, every line end and every refusal."""
    return {
        (state, move)
        for state, row in enumerate(model.states)
        for move in (*range(len(row.moves)), NEWLINE, REFUSAL)
    }  # fmt: skip
