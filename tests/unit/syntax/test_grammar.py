"""The grammar as a thing of its own: no conflicts, portable terminals, a role for each, a cache that may fail."""

import logging
import re
from pathlib import Path

import pytest
from lark import Lark, logger

from metalor_lang.syntax import grammar
from metalor_lang.syntax.roles import ROLES, expected_words, role
from metalor_lang.syntax.statements import BY_WORD


def test_no_conflicts(caplog: pytest.LogCaptureFixture) -> None:
    before = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(caplog.handler)
    try:
        Lark(grammar.grammar_text(), parser="lalr", lexer="contextual", start="statement", debug=True)
    finally:
        logger.removeHandler(caplog.handler)
        logger.setLevel(before)
    assert [record.getMessage() for record in caplog.records if "onflict" in record.getMessage()] == []


def test_terminals_are_portable() -> None:
    for terminal in grammar.build_parser(grammar.grammar_text()).terminals:
        pattern = terminal.pattern.to_regexp()
        assert not re.search(r"\(\?(?!:)", pattern), f"{terminal.name} uses an extension"
        assert not re.search(r"\\[1-9bBAZzGdDwWsS]", pattern), (
            f"{terminal.name} uses a class or anchor that engines differ in"
        )
        assert not terminal.pattern.flags


def test_nothing_is_ignored() -> None:
    assert not grammar.build_parser(grammar.grammar_text()).ignore_tokens


def test_every_terminal_has_a_role() -> None:
    names = {terminal.name for terminal in grammar.parser().terminals}
    words = set(BY_WORD) | {"AS", "IN", "NOT"}
    assert names - words == set(ROLES) - {"$END"}
    assert words <= names
    assert role("COPY") == "COPY"


def test_expected_words() -> None:
    assert expected_words({"WORD", "QUOTE", "SINGLE", "FLAG", "BACKSLASH"}) == "a flag or a word"
    assert expected_words({"$END", "AS", "COMMENT"}) == "AS or the end of the line"
    assert expected_words({"QUOTE", "RBRACKET", "WS"}) == "white space, a string in double quotes or `]`"
    assert expected_words(set()) == ""


def test_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    grammar.parser.cache_clear()
    try:
        grammar.parser()
        (file,) = (tmp_path / "metalor-grammar").iterdir()
        assert file.stat().st_mode & 0o077 == 0
        tokens = grammar.scan("USER a")
        grammar.parser.cache_clear()
        assert grammar.scan("USER a") == tokens
        file.write_bytes(b"torn")
        grammar.parser.cache_clear()
        assert grammar.scan("USER a") == tokens
        file.chmod(0o666)
        grammar.parser.cache_clear()
        assert grammar.scan("USER a") == tokens
        monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
        grammar.parser.cache_clear()
        assert grammar.scan("USER a") == tokens
    finally:
        grammar.parser.cache_clear()
