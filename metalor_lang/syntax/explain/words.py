"""Refusals at the first word and at line ends: unknown statements, continuations, fences, flags.

Invariant: a rule answers only for its own mistake.
"""

import re

from metalor_lang.diagnostics.model import Diagnostic, Edit
from metalor_lang.diagnostics.suggest import nearest
from metalor_lang.primitives import WHITE_SPACE
from metalor_lang.source import Span
from metalor_lang.syntax.explain.where import Where
from metalor_lang.syntax.flags import flag_problem, unknown_flag
from metalor_lang.syntax.lines import Open
from metalor_lang.syntax.refused import CLOSERS, ELSE_IFS, ELSEWHERE, glued
from metalor_lang.syntax.statements import ARRAY_WORDS, BY_WORD

REFUSED_WORDS: dict[str, tuple[str, str, str]] = {
    "MAINTAINER": (
        "E0203", "MAINTAINER is a label here", 'write LABEL org.opencontainers.image.authors="name <address>"',
    ),
    "ADD": (
        "E0204", "ADD would guess what its source is",
        "write COPY for files, FETCH --sha256=HEX --unpack url destination for archives of the network, "
        "GIT for repositories",
    ),
    "ONBUILD": (
        "E0205", "ONBUILD would act in recipes that do not show it", "write the statement in the recipe that needs it",
    ),
    "HEALTHCHECK": (
        "E0206", "HEALTHCHECK has no place in an OCI image",
        'to check the image while it is built, write TEST RUN ["…"]',
    ),
    **{word: ("E0201", f"unknown statement {word}", "did you mean END?") for word in CLOSERS},
    **{word: ("E0201", f"unknown statement {word}", "write ELSE IF") for word in ELSE_IFS},
    **{word: ("E0201", f"unknown statement {word}", f"did you mean {here}?") for word, here in ELSEWHERE.items()},
    "UNLESS": ("E0201", "unknown statement UNLESS", "write IF with != or NOT IN"),
    "WHILE": ("E0201", "unknown statement WHILE", "a recipe repeats by list: FOR NAME IN one two"),
    "UNTIL": ("E0201", "unknown statement UNTIL", "a recipe repeats by list: FOR NAME IN one two"),
}  # fmt: skip
"""Words of other build languages: code, message, remedy."""

_GAPS = frozenset({"WS", "NL", "BACKSLASH", "COMMENT"})
_UNICODE_SPACE = frozenset(WHITE_SPACE) - frozenset(" \t\r\n")


def unicode_space(w: Where) -> Diagnostic | None:
    """White space that is neither a space nor a tab."""
    if w.char not in _UNICODE_SPACE or not w.char:
        return None
    edit = Edit(span=w.here(1), text=" ", safe=False)
    return w.say(
        "E0105",
        f"the white space U+{ord(w.char):04X} separates no words",
        "write an ordinary space, or quote the word",
        w.here(1),
        edits=(edit,),
    )


def first_word(w: Where) -> Diagnostic | None:
    """A line that starts with no statement word."""
    if len(w.tokens) > 1 or (w.tokens and (w.at != w.tokens[0].end or w.char in " \t\r\n" or not w.char)):
        return None
    written = w.cut.word
    upper = written.upper()
    whole = w.span(0, len(written))
    alone = not w.rest[len(written) :].split("\n")[0].strip()
    if upper == "FI" and not alone:
        return w.say("E0201", f"unknown statement {written}", "did you mean IF?", whole)
    if upper in REFUSED_WORDS:
        code, message, help = REFUSED_WORDS[upper]
        return w.say(code, message, help, whole)
    if upper in BY_WORD:
        edit = Edit(span=whole, text=upper, safe=True)
        return w.say("E0202", f"statement words are upper case: {upper}", f"write {upper}", whole, edits=(edit,))
    if w.tokens:
        word = w.raw(w.tokens[0])
        if not w.char.isalnum() and w.char != "_":
            return w.say("E0201", f"white space must follow {word}", f"for example: {BY_WORD[word].example}", w.here(1))
        close = nearest(upper, BY_WORD) or word
        place = w.here(len(written) - w.at) if close == word else whole
        return w.say("E0201", f"unknown statement {written}", f"did you mean {close}?", place)
    if written.startswith(("//", "--", "/*", ";", "%")):
        return w.say("E0201", f"unknown statement {written[:40]}", "a comment begins with #", whole)
    guess = (nearest(upper, ("END", "ELSE")) if alone else None) or nearest(upper, BY_WORD)
    if guess is None and (word := glued(upper)):
        apart = f"{word} {written[len(word) :]}"
        return w.say("E0201", f"unknown statement {written[:40]}", f"did you mean {apart[:60]}?", whole)
    known = "a shell command stands behind SH; the statements are " + " ".join(BY_WORD)
    return w.say("E0201", f"unknown statement {written[:40]}", f"did you mean {guess}?" if guess else known, whole)


def ends_in_continuation(w: Where) -> Diagnostic | None:
    r"""A `\` with nothing behind it."""
    if w.at != len(w.text) or w.open_token("LBRACKET", "RBRACKET"):
        return None
    trailing = []
    for token in reversed(w.tokens):
        if token.type not in _GAPS:
            break
        trailing.append(token)
    slash = next((token for token in trailing if token.type == "BACKSLASH"), None)
    if slash is None or not (w.cut.open is Open.CONTINUATION or w.last == "NL" or w.last == "COMMENT"):
        return None
    what = "the recipe ends" if w.cut.end == len(w.source.text) else "a blank line stands"
    return w.say(
        "E0106",
        f"{what} where the statement should go on",
        "remove the `\\`, or write what follows it right below",
        labels=w.label(slash, "this continues the line"),
    )


def fences(w: Where) -> Diagnostic | None:
    """Text beside a fence, or a block without an end."""
    opening = next((token for token in w.solid if token.type in ("RAW_OPEN", "TEXT_OPEN")), None)
    if opening is None:
        return None
    mark = w.raw(opening)
    if w.last in ("RAW_CLOSE", "TEXT_CLOSE") or (w.last == "WS" and w.last_solid in ("RAW_CLOSE", "TEXT_CLOSE")):
        return w.say("E0111", f"nothing may follow the closing {mark}", "end the line there", w.whole())
    if w.solid[-1] is opening and not (w.char in ("", "\n", "\r") or "NL" not in w.expected):
        return w.say(
            "E0110",
            f"nothing may follow the opening {mark} on its line",
            "put the text on the lines below it",
            w.whole(),
        )
    if w.at == len(w.text):
        return w.say(
            "E0109",
            f"this block is never closed by {mark}",
            f"close it with {mark} at the start of a line of its own",
            labels=w.label(opening, "the block opens here"),
        )
    return None


def fence_in_shell(w: Where) -> Diagnostic | None:
    """A block that is not the whole text of SH, or has the other fence."""
    if w.word != "SH" or w.cut.fence is None or any(token.type == "RAW_OPEN" for token in w.solid):
        return None
    at = w.cut.fence - w.cut.start
    if w.text[at] == '"':
        return w.say(
            "E0113",
            "a block of SH stands between ''', not \"\"\"",
            "write SH '''; the shell expands the text itself",
            w.span(at, at + 3),
        )
    return w.say(
        "E0113",
        "a block must be the whole text of SH",
        "write SH ''' and all of the text on the lines below it",
        w.span(at, at + 3),
    )


def flag(w: Where) -> Diagnostic | None:
    """Flags that are unknown, late, or without their value."""
    if w.last == "EQ" and len(w.solid) > 1 and w.solid[-2].type == "FLAG" and w.char in ("", " ", "\t", "\r", "\n"):
        name = w.raw(w.solid[-2])
        known = w.spec.flag(name[2:])
        if known is not None and known.takes_value:
            return w.say(
                "E0242", f"the flag {name} needs a value right behind `=`", f"for example: {known.example}", w.here(0)
            )
    if w.last == "FLAG" and w.char and w.char not in " \t\r\n=":
        token = w.tokens[-1]
        written = w.raw(token) + w.chunk.partition("=")[0]
        return _unknown_flag(w, written, w.span(token.start, token.start + len(written)))
    # A flag that is wrong in itself comes before whatever it led to.
    seen: set[str] = set()
    for index, token in enumerate(w.solid):
        if token.type != "FLAG":
            continue
        name = w.raw(token)[2:]
        has_value = index + 1 < len(w.solid) and w.solid[index + 1].type == "EQ"
        found = flag_problem(w.spec, name, has_value=has_value, behind=w.text[token.end :], repeated=name in seen)
        if found is not None:
            code, message, help = found
            return w.say(code, message, help, w.span(token.start, token.end))
        seen.add(name)
    if w.chunk.startswith("--") and not w.touching:
        written = w.chunk.partition("=")[0]
        known = w.spec.flag(written[2:])
        if known is not None:
            return w.say(
                "E0244", f"the flag {written} stands behind words", f"flags come first: {w.word} {known.example} …"
            )
        if "FLAG" in w.expected or w.word in ARRAY_WORDS:
            return _unknown_flag(w, written, w.here(len(written)))
    return None


def _unknown_flag(w: Where, written: str, span: Span) -> Diagnostic:
    code, message, help = unknown_flag(w.spec, written)
    return w.say(code, message, help, span)


def heredoc(w: Where) -> Diagnostic | None:
    """`<<EOF`, its tag in quotes or not."""
    quoted = w.char in ("'", '"') and re.search(r"(?:^|[ \t])<<-?$", w.text[: w.at]) is not None
    if not w.chunk.startswith("<<") and not quoted:
        return None
    if w.word in ARRAY_WORDS:
        return w.say("E0228", "there are no heredocs", "write SH ''' and the text on the lines below it, closed by '''")
    return w.say(
        "E0228", "there are no heredocs", "write FILE /path ''' and the text on the lines below it, closed by '''"
    )
