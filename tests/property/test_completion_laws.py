"""The laws of completion: nothing that the parser refuses is offered, everything that it takes is.

The second law is shown for every configuration of the parser, found by a walk over its table.
"""

from collections import deque
from functools import cache

from hypothesis import example, given, settings
from hypothesis import strategies as st
from lark import Token
from lark.exceptions import UnexpectedToken

from metalor_lang.diagnostics.codes.blocks import BLOCKS
from metalor_lang.diagnostics.codes.syntax import SYNTAX
from metalor_lang.source import SourceFile
from metalor_lang.syntax import grammar
from metalor_lang.syntax.characters import bad_characters
from metalor_lang.syntax.parser import parse
from metalor_lang.syntax.statements import BY_WORD, STATEMENTS
from metalor_lang.tooling.complete import FREE, INNER, MARKS, complete
from metalor_lang.tooling.highlight import highlight
from metalor_lang.tooling.roles import Role, roles
from metalor_lang.tooling.slots import slot_of
from metalor_lang.tooling.unfinished import statement_start, unfinished, viable
from tests.support.around import Around

BEFORE = "ARG VERSION=1\nFROM a:1 AS build\nLABEL k=v\nENV E=1\nFROM b:1 AS web\nLABEL own=v\n"
ELSEWHERE = ("RECIPE", "IMPORT", "ELSE", "END")
"""What the checker takes above the first stage, or in a block, only."""
_ODD = st.text(st.sampled_from("ab -'\"$\\{}[]#*?=,:~<\t\n\u00a0日\u202e\x7f"), min_size=1, max_size=6).filter(
    lambda name: name not in (".", "..") and "/" not in name
)
odd_trees = st.lists(st.builds(lambda name, end: name + end, _ODD, st.sampled_from(["", "/", "/x"])), max_size=6)


@cache
def configurations() -> tuple[tuple[str, frozenset[str]], ...]:
    """For every configuration of the parser the text of a way to it, and the terminals that it takes."""
    lexemes = {
        "WS": " ", "NL": "\n", "BACKSLASH": "\\", "COMMENT": "# c", "VERSION": "1", "ARG_NAME": "A", "ENV_KEY": "E",
        "META_KEY": "k", "STAGE_NAME": "s", "REF": "VERSION", "DOLLARS_BRACE": "$${", "DOLLAR": "$", "WORD": "w",
        "VALUE": "v", "REST": "r", "SINGLE": "'s'", "STRING": "t", "ITEM": "i", "ESCAPE": "\\n", "SH_TEXT": "x",
        "RAW_LINE": "raw", "TEXT": "t", "FLAG": "--flag", **{name: text for name, (text, _) in MARKS.items()},
    }  # fmt: skip
    start = grammar.parser().parse_interactive("")
    seen = {tuple(start.parser_state.state_stack): ""}
    queue = deque([(start, "")])
    found = []
    while queue:
        current, text = queue.popleft()
        accepted = frozenset(current.accepts())
        found.append((text, accepted))
        for name in sorted(accepted - {"$END"}):
            following = current.copy(deepcopy_values=False)
            try:
                following.feed_token(Token(name, ""))
            except UnexpectedToken:
                continue
            key = tuple(following.parser_state.state_stack)
            if key not in seen:
                seen[key] = text + lexemes.get(name, name)
                queue.append((following, seen[key]))
    return tuple(found)


def _missing(text: str, accepted: frozenset[str]) -> set[str]:
    """The terminals that are taken behind a text and not offered."""
    whole = BEFORE + text
    items = complete(whole, len(whole), Around(env={"PATH": "/bin"}))
    typed = unfinished(whole, len(whole))
    assert typed is not None
    slot = slot_of(typed)
    offered = {item.text for item in items}
    missing = set()
    for name in accepted - FREE:
        if name in MARKS:
            there = MARKS[name][0] in offered
        elif name in BY_WORD or name in INNER:
            there = name in offered or (name in ELSEWHERE and not text)
        elif name == "FLAG":
            there = all("--" + flag.name in offered for flag in BY_WORD[slot.word].flags if flag.name not in slot.flags)
        else:
            there = bool(offered)
        if not there:
            missing.add(name)
    return missing


def test_everything_that_the_parser_takes_is_offered_in_every_configuration() -> None:
    checked = 0
    for text, accepted in configurations():
        typed = unfinished(BEFORE + text, len(BEFORE + text))
        # Some ways cannot be written: what follows would make the last token longer. The parser's own word counts.
        if typed is None or typed.partial or typed.accepts != accepted:
            continue
        checked += 1
        assert _missing(text, accepted) == set(), text
    assert checked > 500


texts = st.one_of(
    st.sampled_from([text for text, _ in configurations()]),
    st.sampled_from([spec.example for spec in STATEMENTS] + [code.right for code in (*SYNTAX, *BLOCKS) if code.right]),
)


@settings(max_examples=600, deadline=None)
@example(text="COPY 'a", cut=0, tree=["a b"])
@given(text=texts, cut=st.integers(0, 40), tree=odd_trees)
def test_nothing_is_offered_that_the_parser_refuses(text: str, cut: int, tree: list[str]) -> None:
    whole = BEFORE + text[: len(text) - cut] if cut < len(text) else BEFORE
    around = Around(
        context=tuple(tree), image=("/bin/sh", *("/" + name for name in tree)), stages={"build": tuple(tree)},
        env={"PATH": "/bin", "X": "1"}, references=("debian:12",), passwd={"root": "0"},
    )  # fmt: skip
    start = statement_start(whole)
    for item in complete(whole, len(whole), around):
        assert start is not None
        assert start <= item.span.start <= item.span.end == len(whole)
        after = whole[: item.span.start] + item.insert
        assert viable(after[start:]), item
        assert not bad_characters(SourceFile("", item.insert))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60), st.integers(0, 60))
def test_every_text_has_an_answer(text: str, cursor: int) -> None:
    for item in complete(text, min(cursor, len(text)), Around(context=("a",), image=("/b",))):
        assert item.span.end == min(cursor, len(text))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(texts, st.text("FROMUNSH a:=['\"#\\\n${}", max_size=12)), max_size=4).map("\n".join))
def test_colours_are_the_parsers(text: str) -> None:
    pieces = highlight(text)
    at = 0
    for piece in pieces:
        assert at <= piece.start < piece.end <= len(text)
        assert not text[at : piece.start].strip(" \t\r\n")
        at = piece.end
    assert not text[at:].strip(" \t\r\n")
    if not parse(SourceFile("", text))[1]:
        assert all(piece.role is not Role.ERROR for piece in pieces)


def _whole(text: str) -> list[tuple[int, int, str]]:
    """The pieces as the rule says, from the parser alone: nothing is cut beforehand."""
    out, at = [], 0
    while True:
        while text.startswith((" ", "\t", "\n", "\r\n"), at):
            at += 1 + text.startswith("\r", at)
        if at == len(text):
            break
        if text[at] == "#":
            refused = min((found for mark in "\r\n" if (found := text.find(mark, at)) >= 0), default=len(text))
            end = text.find("\n", at) if "\n" in text[at:] else len(text)
            end -= text[end - 1 : end + 1] == "\r\n"
            out.append((at, refused, "comment"))
            out += [(refused, end, "error")] if refused < end else []
            at = end
            continue
        tokens, refusal = grammar.scan(text[at:])
        out += [(at + token.start, at + token.end, roles()[token.type].value) for token in tokens]
        if refusal is None:
            break
        refused = at + refusal.at
        end = text.find("\n", refused) if "\n" in text[refused:] else len(text)
        end -= end > refused and text[end - 1 : end + 1] == "\r\n"
        out += [(refused, end, "error")] if refused < end else []
        at = end
    return out


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(texts, st.text("FROMUNSH a:=['\"#\\\n${},]", max_size=12)), max_size=4).map("\n".join))
def test_colours_are_those_of_the_parser_left_to_itself(text: str) -> None:
    assert [(piece.start, piece.end, piece.role.value) for piece in highlight(text)] == _whole(text)
