"""What stands where no right statement does: cut out, explained, and left behind.

Invariant: one bad statement gives one diagnostic; the text behind it is read again from the next line that starts with
a statement word. Imported when the first bad statement is met.
"""

import re

from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.hints import TYPE_CHECKING
from metalor_lang.primitives import WHITE_SPACE
from metalor_lang.source import SourceFile
from metalor_lang.syntax.ast import Statement
from metalor_lang.syntax.automaton.machine import GAPS, Raw
from metalor_lang.syntax.build import build_statement
from metalor_lang.syntax.explain import REFUSED_WORDS, explain
from metalor_lang.syntax.grammar import scan
from metalor_lang.syntax.lines import Open, Slice, cut_slice, touches
from metalor_lang.syntax.rewrites import with_edits
from metalor_lang.syntax.statements import BY_WORD

_WORD = re.compile(r"[^ \t\r\n]*")


if TYPE_CHECKING:
    from metalor_lang.syntax.parser import Reading


def read_line(reading: "Reading", at: int) -> tuple[int, Statement | None, Diagnostic | None]:
    """Read what begins with a line whose first character behind blanks is at an offset.

    Returns:
        where to go on, and the statement or the error, if there is one.

    """
    text = reading.source.text
    end = _line_end(text, at)
    line = text[at:end].strip(WHITE_SPACE)
    if not line or line[0] == "#":
        return end, None, None
    found = _WORD.match(text, at)
    assert found is not None
    indented = at > 0 and text[at - 1] != "\n"
    if reading.recovering is not None and not resumes(found.group(), reading.recovering, indented=indented):
        return end, None, None
    reading.recovering = None
    cut = cut_slice(text, at)
    statement, diagnostic = None, None
    if touches(reading.bad, cut):
        reading.recovering = cut.word
    elif cut.open is Open.FENCE and cut.fence is not None and cut.body is not None:
        # The rest of the file would be the block: look for statements in it, at the margin only. One that is never
        # closed explains the next ones, too.
        mark = text[cut.fence]
        reading.recovering = "'''"
        if mark in reading.unclosed:
            return cut.body, None, None
        reading.unclosed.add(mark)
        return cut.body, None, parse_slice(reading.source, cut)[1]
    else:
        statement, diagnostic = parse_slice(reading.source, cut)
        if diagnostic is not None:
            statement, reading.recovering = None, cut.word
    # What is left of the line was read with the statement.
    done = max(cut.end, end)
    return done if text[done - 1] == "\n" else _line_end(text, done), statement, diagnostic


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def resumes(word: str, after: str, *, indented: bool) -> bool:
    """Whether reading goes on at a line with this first word, behind a bad statement."""
    known = word in BY_WORD or word in REFUSED_WORDS
    if after == "'''":
        return known and not indented
    # In a file that is not written in upper case every line gets its error.
    return known or (after != after.upper() and after.upper() in BY_WORD and word.upper() in BY_WORD)


def parse_slice(source: SourceFile, cut: Slice) -> tuple[Statement | None, Diagnostic | None]:
    """The statement of a text that was cut out, or what is wrong with it (perhaps both)."""
    text = source.text[cut.start : cut.end]
    tokens, refusal = scan(text)
    if refusal is not None:
        return None, with_edits(source, cut.start, explain(source, cut, tokens, refusal))
    solid: list[Raw] = []
    in_block = False
    for kind, start, end in tokens:
        in_block = in_block or kind in ("RAW_OPEN", "TEXT_OPEN")
        if kind not in GAPS or (in_block and kind == "NL"):
            solid.append((kind, cut.start + start, cut.start + end))
    statement, wrong = build_statement(source.text, solid, cut.end)
    return statement, None if wrong is None else with_edits(source, cut.start, wrong)
