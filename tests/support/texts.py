"""Recipes to try laws on: texts of any kind, of scraps of the language, and of statements that are right or wrong."""

from hypothesis import strategies as st

from metalor_lang.diagnostics.codes.syntax import SYNTAX
from metalor_lang.syntax.statements import STATEMENTS

_WORDS = [spec.word for spec in STATEMENTS]
_FLAGS = sorted({f"--{flag.name}" for spec in STATEMENTS for flag in spec.flags})
_SCRAPS = [
    *_WORDS, *_FLAGS, "AS", "run", "FROM a:1", "=", "[", "]", ",", '"', "'", "'''", '"""',
    "\\", "\\\n", "\n", "\r\n", " ", "\t", "#", "# c", "\n    ", "<<EOF", "日本", "\u00a0", "\x00",
    "${", "}", "${A}", "$${", "$", "$A", "\\u0041", "\\ud83d", '["a"]', "a", "b/c", "--", "1", "A=b",
]  # fmt: skip

scraps = st.lists(st.sampled_from(_SCRAPS), max_size=25).map("".join)
lines = st.builds(lambda word, rest: f"{word} {rest}\n", st.sampled_from(_WORDS), scraps)
texts = st.one_of(st.text(max_size=80), scraps, st.lists(lines, max_size=4).map("".join))

_EXAMPLES = [line for code in SYNTAX for line in (code.right, code.wrong) if line]
mixed = st.lists(st.one_of(st.sampled_from(_EXAMPLES), lines), max_size=5).map("".join)
