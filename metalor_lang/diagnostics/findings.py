"""What was found in one recipe, and a name for each of it that stays when lines move.

Invariant: the fingerprints of one run are all different; lines that come or go elsewhere in the file change none.
"""

from collections.abc import Sequence

from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.record import dataclass
from metalor_lang.source import Position, SourceFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """One recipe of a run.

    Args:
        source: its text under the name it is shown by.
        diagnostics: its errors by place; none when it is right.
        waiting: names that only an image which is not here can settle.

    """

    source: SourceFile
    diagnostics: tuple[Diagnostic, ...] = ()
    waiting: tuple[str, ...] = ()

    def place(self, diagnostic: Diagnostic) -> tuple[Position, Position]:
        """Start and end (exclusive) of a diagnostic."""
        last = len(self.source.text)
        span = diagnostic.span
        return self.source.position(min(span.start, last)), self.source.position(min(span.end, last))


def fingerprints(files: Sequence[Findings]) -> tuple[tuple[str, ...], ...]:
    """A name for each diagnostic of each file: 64 hexadecimal digits.

    Made from the path, the code, the lines that are marked and how often the same came before: not from line numbers,
    and not from the message, which a new release may put better.
    """
    import hashlib
    from collections import Counter

    seen: Counter[str] = Counter()
    out = []
    for file in files:
        names = []
        for diagnostic in file.diagnostics:
            start, end = file.place(diagnostic)
            lines = [file.source.line(number).strip() for number in range(start.line, end.line + 1)]
            same = "\0".join((file.source.path, diagnostic.code, *lines))
            seen[same] += 1
            names.append(hashlib.sha256(f"{same}\0{seen[same]}".encode(errors="surrogatepass")).hexdigest())
        out.append(tuple(names))
    return tuple(out)
