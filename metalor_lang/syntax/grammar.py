"""The one grammar, found and loaded once: a statement's text in, its tokens out.

Invariant: the joined tokens of an accepted statement are its text; a refused one says where and what was expected.
"""

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from metalor_lang.record import dataclass
from metalor_lang.syntax.automaton import machine

if TYPE_CHECKING:
    from lark import Lark
    from lark.parsers.lalr_interactive_parser import InteractiveParser

GRAMMAR_NAME = "metalor.lark"


class Token(NamedTuple):
    """A terminal and where it stands (offsets in the statement's text)."""

    type: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a text is no statement.

    Args:
        at: offset of the first character that cannot continue what stands before it (the length of the text
            when something is missing at its end).
        expected: terminals that could stand there; "$END" for the end of the statement.

    """

    at: int
    expected: frozenset[str]


def grammar_text(name: str = GRAMMAR_NAME) -> str:
    """The grammar's source (or the table of roles beside it): the packaged one, else the checkout's."""
    from importlib import resources

    packaged = resources.files("metalor_lang").joinpath("grammar", name)
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    return (Path(__file__).parents[2] / "grammar" / name).read_text(encoding="utf-8")


def build_parser(text: str) -> "Lark":
    """A parser made from the grammar's source, without any cache."""
    from lark import Lark

    return Lark(text, parser="lalr", lexer="contextual", start="statement", keep_all_tokens=True)


@cache
def parser() -> "Lark":
    """The parser, from the user's cache folder where it is there and of this grammar, else built (and kept there)."""
    text = grammar_text()
    path = _cache_path(text)
    if path is not None and (loaded := _load(path)) is not None:
        return loaded
    made = build_parser(text)
    if path is not None:
        _save(made, path)
    return made


def scan(text: str) -> tuple[tuple[Token, ...], Refusal | None]:
    """The tokens of one statement, as far as they are right, and the refusal if there is one.

    Right statements are read by the grammar's automaton; Lark says what is wrong with the others.
    """
    if (right := machine.tokens(text)) is not None:
        return tuple(map(Token._make, right)), None
    return scan_by_lark(text)


def scan_by_lark(text: str) -> tuple[tuple[Token, ...], Refusal | None]:
    """As `scan`, by the parser that is made from the grammar."""
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    session = parser().parse_interactive(text)
    tokens: list[Token] = []
    try:
        for token in session.lexer_thread.lex(session.parser_state):  # type: ignore[no-untyped-call]
            # Feeding comes before keeping: a refused token is no part of what is right.
            session.feed_token(token)
            tokens.append(Token(token.type, token.start_pos or 0, token.end_pos or 0))
        session.feed_eof()  # type: ignore[no-untyped-call]
    except UnexpectedToken as error:
        at = len(text) if error.token.type == "$END" else (error.token.start_pos or 0)
        return tuple(tokens), Refusal(at=at, expected=_accepts(session))
    except UnexpectedCharacters as error:
        return tuple(tokens), Refusal(at=error.pos_in_stream or 0, expected=_accepts(session))
    return tuple(tokens), None


def _accepts(session: "InteractiveParser") -> frozenset[str]:
    return frozenset(session.accepts())  # type: ignore[no-untyped-call]


def _cache_path(text: str) -> Path | None:
    """Where the built tables are kept: one file per grammar, Lark and Python."""
    import hashlib
    import platform

    from lark import __version__

    parts = (text, __version__, platform.python_implementation(), platform.python_version())
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
    try:
        root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:
        return None
    # Not inside the store's folder, which belongs to the store alone.
    return Path(root) / "metalor-grammar" / f"{key}.pickle"


def _load(path: Path) -> "Lark | None":
    from lark import Lark

    try:
        with path.open("rb") as file:
            # A pickle runs code: only a file that nobody else could have written is read.
            status = os.fstat(file.fileno())
            if status.st_uid != os.geteuid() or status.st_mode & 0o022:
                return None
            return Lark.load(file)
    except Exception:  # a torn, foreign or old file is as good as none: the grammar is built anew
        return None


def _save(made: "Lark", path: Path) -> None:
    import pickle
    import tempfile

    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            made.save(file)
        os.replace(file.name, path)
    except (OSError, pickle.PicklingError):
        return
