"""Patterns that compile late are patterns, and all of the package compile."""

import importlib
import pkgutil
import re

import pytest

import metalor_lang
from metalor_lang.pattern import _Late, pattern


def test_a_late_pattern_is_a_pattern() -> None:
    late, real = pattern(r"(a+)(?P<b>b)", re.IGNORECASE), re.compile(r"(a+)(?P<b>b)", re.IGNORECASE)
    for text in ("", "ab", "xAABy", "abab"):
        for name in ("match", "search", "fullmatch"):
            ours, theirs = getattr(late, name)(text), getattr(real, name)(text)
            assert (ours and (ours.span(), ours.groups())) == (theirs and (theirs.span(), theirs.groups()))
        assert late.findall(text) == real.findall(text)
        assert [each.span() for each in late.finditer(text)] == [each.span() for each in real.finditer(text)]
        assert late.sub("-", text) == real.sub("-", text)
        assert late.split(text) == real.split(text)
    assert late.search("xxab", 3) is None
    assert late.pattern == real.pattern and late.groups == 2


def test_nothing_is_compiled_before_the_first_use() -> None:
    wrong = pattern("(")
    with pytest.raises(re.error):
        wrong.match("x")


def test_every_pattern_of_the_package_compiles() -> None:
    found = 0
    for module in pkgutil.walk_packages(metalor_lang.__path__, "metalor_lang."):
        if module.name.endswith("__main__") or ".inside." in module.name or "zygote" in module.name:
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, _Late):
                re.compile(value._text, value._flags)
                found += 1
    assert found > 25
