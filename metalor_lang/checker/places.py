"""Where the statements of an expanded recipe come from, and what names mean in them.

An expanded recipe lies in a space of offsets of its own: each statement has a *piece* of it, in the order of building,
so that "above" and "below" mean what they mean in a recipe that was written out. Wherever nothing is repeated or put in
from elsewhere, a piece lies where its text lies; a recipe with IF alone has all its places as they are.

Invariant: pieces do not overlap and come in order; what lies in no piece is at its place in the recipe.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

from metalor_lang.checker.scope import Known
from metalor_lang.diagnostics.model import Diagnostic, Label
from metalor_lang.hints import Final
from metalor_lang.record import dataclass, field, replace
from metalor_lang.source import SourceFile, Span
from metalor_lang.syntax.moving import moved

_MOST_ROUNDS: Final = 5
"""How many further rounds one error names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A USE, or one round of a FOR, that statements stand in.

    Args:
        span: of the USE, or of the value in the FOR.
        text: what a label says there.
        source: the file that line stands in; None for the recipe.
        alone: whether it says nothing of its own: the only round of a FOR.
        values: what its names stand for, where that is known.

    """

    span: Span
    text: str
    source: SourceFile | None = None
    alone: bool = False
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is seen in a piece beside the ARGs above it.

    Args:
        bound: loop variables and parameters by name.
        own: those that the innermost FOR or USE brought.
        sealed: whether ARGs are hidden: the statement's file is not the recipe.
        frames: the lines that it stands in, the outermost first.

    """

    bound: Mapping[str, Known] = field(default_factory=dict)
    own: Mapping[str, Known] = field(default_factory=dict)
    sealed: bool = False
    frames: tuple[Frame, ...] = ()

    def with_names(self, names: Mapping[str, Known]) -> "Scope":
        """The same with more names."""
        return replace(self, bound={**self.bound, **names}, own=names)


TOP: Final = Scope()
"""What statements in no FOR and no group see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The place of one line.

    Args:
        start, end: in the space of the expanded recipe; the end belongs to it.
        by: what was added to its true places.
        scope: what is seen in it.
        source: the file it comes from; None for the recipe.

    """

    start: int
    end: int
    by: int
    scope: Scope
    source: SourceFile | None = None


class Places:
    """The pieces of an expanded recipe.

    Args:
        source: the recipe.
        pieces: those that are moved or see more than the ARGs above them, in order.

    """

    def __init__(self, source: SourceFile, pieces: Sequence[Piece]) -> None:
        self._source = source
        self._pieces = pieces
        self._starts = [piece.start for piece in pieces]

    def piece(self, offset: int) -> Piece | None:
        """The piece that an offset lies in; None where it is what it looks like."""
        at = bisect_right(self._starts, offset) - 1
        return self._pieces[at] if at >= 0 and offset <= self._pieces[at].end else None

    def scope(self, offset: int) -> Scope:
        """What is seen at an offset beside ARGs."""
        piece = self.piece(offset)
        return TOP if piece is None else piece.scope

    def span(self, span: Span) -> Span:
        """The place in the recipe: of what an imported file holds, the USE that brought it."""
        piece = self.piece(span.start)
        if piece is None:
            return span
        return _in_recipe(piece) if piece.source is not None else moved(span, -piece.by)

    def line(self, offset: int) -> int:
        """The 1-based line of the recipe at which an offset is shown."""
        return self._source.position(self.span(Span(offset, offset)).start).line

    def origin(self, offset: int) -> tuple[SourceFile, int]:
        """The file in which an offset truly lies, and the 1-based line there."""
        piece = self.piece(offset)
        source = self._source if piece is None or piece.source is None else piece.source
        return source, source.position(offset - (0 if piece is None else piece.by)).line

    def frames(self, offset: int) -> tuple[Frame, ...]:
        """The lines that a statement stands in, the outermost first."""
        return self.scope(offset).frames

    def labels(self, offset: int) -> tuple[Label, ...]:
        """Labels for what is shown at `span`: the line in an imported file, and what brought it there."""
        piece = self.piece(offset)
        if piece is None:
            return ()
        around = _around(piece)
        if piece.source is None:
            return around
        line = piece.source.line_span(piece.source.position(offset - piece.by).line)
        first = Span(offset - piece.by, max(line.end, offset - piece.by))
        here = Label(span=first, text="here", source=piece.source)
        return tuple(each for each in (here, *around) if each.source is not None or each.span != _in_recipe(piece))

    def shown(self, found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
        """Diagnostics of the expanded recipe as those of the recipe, sorted by place.

        What is wrong in every round in the same words is said once, and of no round in particular; what is wrong at one
        place of several rounds in different words, in those of the first, with labels on the others.
        """
        once: dict[tuple[str, str, Span], tuple[Diagnostic, tuple[Label, ...]]] = {}
        for each in found:
            placed, around = self._shown(each)
            key = (placed.code, placed.message, placed.span)
            if key in once:
                first, labels = once[key]
                once[key] = first, tuple(label for label in labels if label in around)
            else:
                once[key] = placed, around
        at: dict[tuple[str, Span], tuple[Diagnostic, list[tuple[Label, ...]]]] = {}
        out = []
        for each, around in once.values():
            first, rounds = at.setdefault((each.code, each.span), (each, []))
            if around and around not in rounds:
                rounds.append(around)
            elif each is not first:
                out.append(replace(each, labels=_different(each, (*each.labels, *around))))
        for each, rounds in at.values():
            others = [around[0] for around in rounds[1:]]
            if len(others) > _MOST_ROUNDS:
                last, left = others[_MOST_ROUNDS - 1], len(others) - _MOST_ROUNDS
                others[_MOST_ROUNDS - 1 :] = [replace(last, text=f"{last.text}, and {left} more")]
            labels = (*each.labels, *(rounds[0] if rounds else ()), *others)
            out.append(replace(each, labels=_different(each, labels)))
        return tuple(sorted(out, key=lambda each: (each.span.start, each.span.end, each.code)))

    def _shown(self, wrong: Diagnostic) -> tuple[Diagnostic, tuple[Label, ...]]:
        """A diagnostic at its true place, and the labels of the lines it stands in."""
        labels = tuple(map(self._label, wrong.labels))
        piece = self.piece(wrong.span.start)
        if piece is None:
            edits = wrong.edits if all(self.piece(each.span.start) is None for each in wrong.edits) else ()
            return replace(wrong, labels=labels, edits=edits), ()
        around = _around(piece)
        true = moved(wrong.span, -piece.by)
        if piece.source is not None:
            line = piece.source.position(true.start).line
            here = Label(span=true, text="here", source=piece.source)
            message = f"{wrong.message} (line {line} of {piece.source.path})"
            place = _in_recipe(piece)
            return replace(wrong, message=message, span=place, labels=(here, *labels), edits=()), around
        inside = all(piece.start <= each.span.start and each.span.end <= piece.end for each in wrong.edits)
        edits = moved(wrong.edits, -piece.by) if inside else ()
        return replace(wrong, span=true, labels=labels, edits=edits), around

    def _label(self, label: Label) -> Label:
        piece = None if label.source is not None else self.piece(label.span.start)
        if piece is None:
            return label
        return Label(span=moved(label.span, -piece.by), text=label.text, source=piece.source)


def _around(piece: Piece) -> tuple[Label, ...]:
    """Labels of the lines that a piece stands in, the innermost first."""
    return tuple(
        Label(span=frame.span, text=frame.text, source=frame.source)
        for frame in reversed(piece.scope.frames)
        if not frame.alone
    )


def _in_recipe(piece: Piece) -> Span:
    """The line of the recipe that brought a piece of another file."""
    return next(frame.span for frame in reversed(piece.scope.frames) if frame.source is None)


def _different(wrong: Diagnostic, labels: Iterable[Label]) -> tuple[Label, ...]:
    """Labels without those that stand where the error or another label stands already."""
    seen: set[tuple[object, Span]] = {(None, wrong.span)}
    out = []
    for label in labels:
        key = (None if label.source is None else label.source.path, label.span)
        if key not in seen:
            seen.add(key)
            out.append(label)
    return tuple(out)
