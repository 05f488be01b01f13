"""A refused statement → one diagnostic, in the user's words and with the right spelling.

Invariant: the rules are tried in order and the first that knows the mistake answers; the last one always does,
and names what could stand there by its role. The primary span starts where the grammar stopped, unless another
place is plainly the mistake.
"""

from collections.abc import Sequence

from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.source import SourceFile
from metalor_lang.syntax.explain import blocks, commands, statements, values, words
from metalor_lang.syntax.explain.where import Rule, Where
from metalor_lang.syntax.explain.words import REFUSED_WORDS
from metalor_lang.syntax.grammar import Refusal, Token
from metalor_lang.syntax.lines import Slice
from metalor_lang.syntax.roles import expected_words
from metalor_lang.syntax.statements import BY_WORD

__all__ = ["REFUSED_WORDS", "explain"]

_GAPS = frozenset({"WS", "NL", "BACKSLASH", "COMMENT"})


def explain(source: SourceFile, cut: Slice, tokens: Sequence[Token], refusal: Refusal) -> Diagnostic:
    """The one diagnostic of a statement that the grammar refused."""
    solid = [token for token in tokens if token.type not in _GAPS]
    text = source.text[cut.start : cut.end]
    where = Where(source, cut, text, refusal.at, tokens, solid, refusal.expected)
    return next(answer for rule in _RULES if (answer := rule(where)) is not None)


def _unclassified(w: Where) -> Diagnostic:
    roles = expected_words(w.expected)
    what = f"{w.chunk[:30]} cannot stand here" if w.chunk else "this is not complete"
    return w.say(
        "E0209", what, f"expected {roles}" if roles else f"for example: {w.spec.example}" if w.word in BY_WORD else ""
    )


_RULES: tuple[Rule, ...] = (
    words.unicode_space, words.first_word, words.ends_in_continuation, words.fence_in_shell, words.fences,
    values.expansion, values.dollar, values.string, values.array, values.after_array,
    words.flag, words.heredoc, statements.bracket, values.backslash, blocks.parted, values.quotes,
    blocks.condition, blocks.ends, blocks.loop, blocks.group, blocks.importing,
    commands.exec_words, statements.from_, statements.pairs, statements.arg, statements.unset, statements.test,
    statements.recipe, statements.file, statements.too_many, statements.missing, _unclassified,
)  # fmt: skip
