"""The model as the module `pygments_table`, from which the Pygments lexer reads."""

from metalor_lang.editors import regex
from metalor_lang.editors.model import Model

PATH = "metalor_lang/editors/pygments_table.py"


def files(printed: Model) -> dict[str, str]:
    """The module's source by its path."""
    patterns = sorted({regex.python(move.pattern) for state in printed.states for move in state.moves})
    numbers = {pattern: number for number, pattern in enumerate(patterns)}
    out = [
        '"""The highlighter of grammar/metalor.lark for Pygments; written by `make grammar`, not by hand."""',
        "",
        "from typing import Final",
        "",
        f'GRAMMAR: Final = "{printed.grammar}"',
        f"BAD: Final = {regex.python(printed.bad)!r}",
        "",
        "PATTERNS: Final[tuple[str, ...]] = (",
        *(f"    {pattern!r}," for pattern in patterns),
        ")",
        "",
        "STATES: Final[tuple[tuple[int, tuple[tuple[int, str, int], ...]], ...]] = (",
    ]
    for state in printed.states:
        moves = ", ".join(
            f"({numbers[regex.python(move.pattern)]}, {move.role.value!r}, {move.target})" for move in state.moves
        )
        out.append(f"    ({state.newline}, ({moves}{',' if len(state.moves) == 1 else ''})),")
    out += [
        ")",
        '"""Of each state: where the next line starts when one ends here, and (pattern, role, next state) in the',
        "order of trying. State 0 is the start.",
        '"""',
    ]
    return {PATH: "\n".join(out) + "\n"}
