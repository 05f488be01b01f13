"""Emacs: a major mode whose tables are printed from the model.

Invariant: a state is one expression with a group for each move, tried in their order; the mode walks through the lines
and keeps the state at each line's end as a text property, so that it can start anywhere.
"""

from collections.abc import Mapping
from pathlib import Path

from metalor_lang.editors import regex
from metalor_lang.editors.model import Model
from metalor_lang.hints import Final
from metalor_lang.tooling.roles import Role

TEMPLATES: Final = Path(__file__).with_name("templates") / "emacs"

FACES: Final[Mapping[Role, tuple[str, str]]] = {
    Role.KEYWORD: ("font-lock-keyword-face", "words of the language"),
    Role.COMMENT: ("font-lock-comment-face", "comments"),
    Role.CONTINUATION: ("font-lock-builtin-face", "the backslash that continues a line"),
    Role.FLAG: ("font-lock-type-face", "flags of statements"),
    Role.OPERATOR: ("default", "brackets, commas and `='"),
    Role.NUMBER: ("font-lock-constant-face", "numbers"),
    Role.NAME: ("font-lock-variable-name-face", "names that a statement gives"),
    Role.KEY: ("font-lock-variable-name-face", "keys of labels and annotations"),
    Role.WORD: ("default", "bare words"),
    Role.STRING: ("font-lock-string-face", "quoted words"),
    Role.ESCAPE: ("font-lock-constant-face", "escapes in words"),
    Role.VARIABLE: ("font-lock-variable-name-face", "names that are expanded"),
    Role.EXPANSION: ("font-lock-preprocessor-face", "what stands around an expanded name"),
    Role.FENCE: ("font-lock-preprocessor-face", "the quotes around a block"),
    Role.SHELL: ("default", "shell text, below the shell's own faces"),
    Role.BLOCK: ("font-lock-string-face", "the text of blocks"),
    Role.ERROR: ("error", "what the parser refuses"),
}
"""What each role's face inherits, and what it is for; blanks have none."""


FOLDER: Final = "grammar/editors/emacs"


def files(model: Model) -> dict[str, str]:
    """Every file, by its path from the checkout's root."""
    return {f"{FOLDER}/metalor-mode.el": mode(model)}


def mode(model: Model) -> str:
    """The file of the mode."""
    patterns: dict[str, int] = {}
    states = []
    for state in model.states:
        spelled = r"\|".join(rf"\({pattern(move.pattern)}\)" for move in state.moves)
        number = patterns.setdefault(spelled, len(patterns)) if state.moves else "nil"
        moves = " ".join(
            f"{'nil' if move.role is Role.SPACE else str(move.role)} {move.target}" for move in state.moves
        )
        states.append(f"   [{number} {state.newline} [{moves}]]")
    values = {
        "WRITTEN": "Written from grammar/metalor.lark by `make grammar'; not to be changed by hand.",
        "FACES": "\n\n".join(
            f'(defface metalor-{role}-face\n  \'((t :inherit {parent}))\n  "Face for {what}.")'
            for role, (parent, what) in FACES.items()
        ),
        "ROLES": "'(" + "\n    ".join(f"({role} . metalor-{role}-face)" for role in FACES) + ")",
        "PATTERNS": "\n".join(f"   {_string(each)}" for each in patterns),
        "STATES": "\n".join(states),
        "BAD": _string(pattern(model.bad)),
    }
    text = (TEMPLATES / "metalor-mode.el").read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


_CONTROLS: Final = {"\t": r"\t", "\n": r"\n", "\r": r"\r", "\\": r"\\", '"': r"\""}


def _string(text: str) -> str:
    """A string as Emacs Lisp spells it, in ASCII."""
    return '"' + "".join(_CONTROLS.get(char) or _visible(char) for char in text) + '"'


def _visible(char: str) -> str:
    if " " <= char <= "~":
        return char
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"


# ---- patterns as Emacs spells them ----------------------------------------------------------------------------------


def pattern(node: regex.Node) -> str:
    """A pattern in Emacs's spelling, its characters as they are."""
    return regex.spelled(node, _SPELLING)


def _escaped(char: str) -> str:
    return f"\\{char}" if char in r".*+?[^$\\" else char


def _in_runs(node: regex.Node, most: int | None) -> regex.Node:
    """A repeated choice with its single characters in runs: Emacs remembers every round of a repetition."""
    if most is not None or not isinstance(node, regex.Choice):
        return node
    return regex.Choice(
        tuple(regex.Repeat(each, 1, None) if isinstance(each, regex.Class) else each for each in node.options)
    )


def _count(least: int, most: int | None) -> str:
    short = {(0, None): "*", (1, None): "+", (0, 1): "?"}
    return short.get((least, most), f"\\{{{least},{'' if most is None else most}\\}}")


def _class(node: regex.Class) -> str:
    """A class: no character is escaped there, so `]` comes first, `-` last, and `^` not first."""
    special: set[str] = set()
    shown: list[str] = []
    for low, high in node.ranges:
        while low <= high and chr(low) in "]-^":
            special.add(chr(low))
            low += 1
        while low <= high and chr(high) in "]-^":
            special.add(chr(high))
            high -= 1
        if low <= high:
            shown.append(chr(low) if low == high else f"{chr(low)}-{chr(high)}")
    inner = "]" * ("]" in special) + "".join(shown) + "^" * ("^" in special) + "-" * ("-" in special)
    if inner == "^" and not node.negated:
        return r"\^"
    return f"[{'^' * node.negated}{inner}]"


_SPELLING: Final = regex.Spelling(
    character=_escaped, characters=_class, group=r"\(?:{}\)", alternative=r"\|", count=_count, repeated=_in_runs
)
