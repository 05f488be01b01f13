"""Vim and Neovim: the syntax file and what stands around it, printed from the model.

Invariant: a state's moves become matches that name the groups of the state behind them (`nextgroup`), and Vim needs no
state of its own; what goes on over a line's end does so with `skipnl`, in a second match that ends where the line does.
"""

from collections.abc import Mapping
from pathlib import Path

from metalor_lang.editors import regex
from metalor_lang.editors.model import START, Model
from metalor_lang.hints import Final
from metalor_lang.syntax.statements import ARRAY_WORDS
from metalor_lang.tooling.roles import Role

TEMPLATES: Final = Path(__file__).with_name("templates") / "vim"

FOLDER: Final = "grammar/editors/vim"

LINKS: Final[Mapping[Role, str]] = {
    Role.KEYWORD: "Statement",
    Role.COMMENT: "Comment",
    Role.CONTINUATION: "Special",
    Role.FLAG: "Type",
    Role.OPERATOR: "Operator",
    Role.NUMBER: "Number",
    Role.NAME: "Identifier",
    Role.KEY: "Identifier",
    Role.STRING: "String",
    Role.ESCAPE: "SpecialChar",
    Role.VARIABLE: "PreProc",
    Role.EXPANSION: "Delimiter",
    Role.FENCE: "Delimiter",
    Role.BLOCK: "String",
    Role.ERROR: "Error",
}
"""The groups of Vim's colour schemes; the other roles look like plain text."""


def files(model: Model) -> dict[str, str]:
    """Every file, by its path from the checkout's root."""
    out = {f"{FOLDER}/syntax/metalor.vim": syntax(model)}
    arrays = regex.grouped(regex.Choice(tuple(map(regex.Literal, sorted(ARRAY_WORDS)))), _SPELLING)
    for name in ("autoload", "compiler", "ftdetect", "ftplugin", "indent"):
        out[f"{FOLDER}/{name}/metalor.vim"] = filled(f"{name}/metalor.vim", ARRAYS=arrays)
    return out


def syntax(model: Model) -> str:
    """The syntax file.

    Raises:
        ValueError: an empty line would lead a state to another one, which `skipempty` cannot say.

    """
    roles = list(Role)
    patterns: dict[str, int] = {}
    states = []
    for number, state in enumerate(model.states):
        onward = model.states[state.newline].newline
        if onward not in (START, state.newline):
            raise ValueError(f"behind state {number} an empty line leads from state {state.newline} to {onward}")
        moves = (
            f"[{patterns.setdefault(pattern(move.pattern), len(patterns))},{roles.index(move.role)},{move.target}]"
            for move in state.moves
        )
        states.append(f"      \\ [{state.newline},[{','.join(moves)}]],")
    return filled(
        "syntax/metalor.vim",
        BAD=pattern(model.bad),
        ROLES="[" + ", ".join(f"'{role.title()}'" for role in roles) + "]",
        PATTERNS="\n".join(f"      \\ {_string(each)}," for each in patterns),
        STATES="\n".join(states),
        LINKS="\n".join(f"highlight default link metalor{role.title()} {group}" for role, group in LINKS.items()),
    )


def filled(name: str, **values: str) -> str:
    """A template with its places filled."""
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    values["WRITTEN"] = "Written from grammar/metalor.lark by `make grammar`; not to be changed by hand."
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


def _string(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# ---- patterns as Vim spells them ------------------------------------------------------------------------------------


def pattern(node: regex.Node) -> str:
    """A pattern in Vim's usual spelling (`magic`), between slashes."""
    return regex.spelled(node, _SPELLING)


def _count(least: int, most: int | None) -> str:
    short = {(0, None): "*", (1, None): r"\+", (0, 1): r"\="}
    return short.get((least, most), f"\\{{{least},{'' if most is None else most}}}")


def _class(node: regex.Class) -> str:
    """A class, without what no line of Vim's can hold: surrogates, and the line feed, which stands for NUL there."""
    ranges = [part for each in node.ranges for part in _without(0xD800, 0xDFFF, each)]
    ranges = [part for each in ranges for part in _without(0x0A, 0x0A, each)]
    inner = "".join(_in_class(low) if low == high else f"{_in_class(low)}-{_in_class(high)}" for low, high in ranges)
    return f"[{'^' * node.negated}{inner}]"


def _without(first: int, last: int, ends: tuple[int, int]) -> list[tuple[int, int]]:
    low, high = ends
    return [(a, b) for a, b in ((low, min(high, first - 1)), (max(low, last + 1), high)) if a <= b]


_NAMES: Final = {0x09: r"\t", 0x0D: r"\r"}


def _escaped(char: str) -> str:
    return _NAMES.get(ord(char)) or (f"\\{char}" if char in r"\/.*[]^$~" else char)


def _in_class(code: int) -> str:
    if code in _NAMES:
        return _NAMES[code]
    if chr(code) in r"\]^-/":
        return f"\\{chr(code)}"
    return chr(code) if 0x20 <= code < 0x7F else f"\\u{code:04x}"


_SPELLING: Final = regex.Spelling(
    character=_escaped, characters=_class, group=r"\%({}\)", alternative=r"\|", count=_count
)
