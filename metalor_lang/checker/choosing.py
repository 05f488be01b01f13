"""What is settled before any stage is known: whether a condition holds, and what a FOR goes over.

Invariant: what is not known is None, and reported once; nothing here is guessed.
"""

from collections.abc import Sequence

from metalor_lang.checker.places import Scope
from metalor_lang.checker.seeing import Sight
from metalor_lang.diagnostics.model import Edit
from metalor_lang.hints import Final
from metalor_lang.pattern import pattern
from metalor_lang.syntax import ast, habits

_WORDS = pattern(r"[^ \t\r\n\f\v]+")
_NAME = pattern(r"[A-Za-z_][A-Za-z0-9_]*")
_LOUD = pattern(r"[A-Z][A-Z0-9_]+")
"""How arguments are mostly written."""
_QUOTED = pattern(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NEGATED: Final = (ast.Comparison.UNEQUAL, ast.Comparison.NOT_IN)


def holds(condition: ast.Condition, sight: Sight, scope: Scope) -> bool | None:
    """Whether a condition is so; None where that is not known."""
    written = (condition.value, *condition.others)
    word = condition.value
    if not any(each.refs for each in written):
        name = _meant(word, sight, scope)
        if not name and word.form is ast.Form.BARE and _LOUD.fullmatch(word.literal or ""):
            name = word.literal or ""
        if name:
            _say(sight, word, name, "IF compares")
            return None
    value, *others = [sight.text(word, scope) for word in written]
    if value is None or None in others:
        return None
    return (value in others) is not (condition.comparison in _NEGATED)


def rounds(node: ast.For, written: Sequence[ast.Word], sight: Sight, scope: Scope) -> list[tuple[str | None, ast.Word]]:
    """The value of each round, None where it is not known, and the word in the FOR that gives it.

    Args:
        node: the FOR.
        written: its values at their places in their file.
        sight: looks names up.
        scope: what is seen beside ARGs.

    """
    out: list[tuple[str | None, ast.Word]] = []
    split = node.flag("split") is not None
    for word, place in zip(node.values, written):
        name = _meant(word, sight, scope) if split or len(node.values) == 1 else ""
        if name:
            _say(sight, word, name, "FOR goes over")
            out.append((None, place))
            continue
        text = sight.text(word, scope)
        if text is None or not split:
            out.append((text, place))
            continue
        words = _WORDS.findall(text)
        parted = next((each for each in words if habits.parted(each)), None)
        if parted is None:
            out += [(each, place) for each in words]
            continue
        message = f"the words of a list are parted by white space: `{parted[:40]}` would be one of these"
        sight.report.add(habits.CODE, message, word.span, "leave the commas out: one two")
        out.append((None, place))
    return out


def _meant(word: ast.Word, sight: Sight, scope: Scope) -> str:
    """The name whose value is meant by a word that is written out; "" for none."""
    text = word.literal or ""
    if word.form is ast.Form.BARE:
        return text if _NAME.fullmatch(text) and sight.named(text, scope) else ""
    found = _QUOTED.fullmatch(text) if word.form is ast.Form.SINGLE else None
    return "" if found is None else found[1]


def _say(sight: Sight, word: ast.Word, name: str, does: str) -> None:
    what = f"the text `{word.literal}`" if word.form is ast.Form.SINGLE else f"the word `{name}`"
    quoted = "" if word.form is ast.Form.SINGLE else f'; for the word itself, quote it: "{name}"'
    edit = Edit(span=word.span, text=f"${{{name}}}")
    message = f"{does} {what}, not the value of that name"
    sight.report.add("E0816", message, word.span, f"write ${{{name}}}{quoted}", edits=(edit,))
