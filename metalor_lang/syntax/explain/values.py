"""Refusals inside values: expansions, strings, arrays, backslashes and quotes.

Invariant: a rule answers only for its own mistake.
"""

import re

from metalor_lang.diagnostics.model import Diagnostic, Edit, Label
from metalor_lang.syntax.explain.where import Where

_LITERAL_DOLLAR = "text with a literal $ stands in single quotes; a literal ${ can also be written $${"


def expansion(w: Where) -> Diagnostic | None:
    """A `${` that holds more or less than a name."""
    if w.last == "REF":
        name = w.raw(w.tokens[-1])
        start = w.tokens[-1].start - 2
    elif w.last == "REF_OPEN":
        name, start = "", w.tokens[-1].start
    else:
        return None
    close = re.compile(r"[^}\"'\r\n]*\}").match(w.text, w.at)
    if close is None:
        return w.say(
            "E0224",
            f"${{{name} is not closed",
            f"write ${{{name or 'NAME'}}}",
            w.here(1 if w.char.strip() else 0),
            labels=(Label(span=w.span(start, w.at), text="opens here"),),
        )
    inner = w.text[w.at : close.end() - 1]
    span = w.here(max(1, len(inner)))
    whole = w.text[start : close.end()]
    if name and inner[:1] in (":", "-", "+", "?", "=", "#", "%", "/", "^", ",", "@"):
        default = inner.lstrip(":").lstrip("-=")
        help = (
            f"write ${{{name}}} and give the default where it is declared: ARG {name}={default}"
            if inner.lstrip(":")[:1] in ("-", "=") and default and not default[:1].isspace() and "$" not in default
            else f"write ${{{name}}}; the shell's own expansions belong into SH"
        )
        if w.open_token("LBRACKET", "RBRACKET") or any(token.type == "TEXT_OPEN" for token in w.solid):
            help += f"; for a program to read, write $${whole[1:]}"
        return w.say("E0223", f"{whole} is shell; only ${{NAME}} is expanded here", help, span)
    if not name and not inner:
        return w.say("E0224", "${} names nothing", "write ${NAME}", span)
    return w.say(
        "E0224", f"{whole} holds no name", "a name is letters, digits and _, and starts with no digit: ${NAME}", span
    )


def dollar(w: Where) -> Diagnostic | None:
    """`$NAME` and `$(…)` outside shell text."""
    if w.last != "DOLLAR" or w.open_token("LBRACKET", "RBRACKET"):
        return None
    if w.char == "(":
        return w.say(
            "E0222",
            "$(…) is shell; nothing runs while a recipe is read",
            "do it in SH, or quote the text: '$(…)'",
            w.here(1),
        )
    found = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").match(w.text, w.at)
    if found is None:
        return None
    name = found.group()
    dollar = w.tokens[-1]
    if name == "HOME":
        help = "HOME is known only while a step runs: write the path, or single quotes for a literal $"
        return w.say("E0221", "$HOME is not expanded outside shell text", help, w.here(len(name)))
    edits = (Edit(span=w.span(dollar.end - 1, found.end()), text=f"${{{name}}}"),)
    return w.say(
        "E0221",
        f"${name} is not expanded outside shell text",
        f"write ${{{name}}}, or single quotes for a literal $",
        w.here(len(name)),
        edits=edits,
    )


def _matched(pattern: str, w: Where) -> int:
    """How much a pattern takes from the refused character on."""
    found = re.compile(pattern).match(w.text, w.at)
    return found.end() - w.at if found else 1


def string(w: Where) -> Diagnostic | None:
    """A string without an end, or with a wrong escape."""
    quote = w.open_token("QUOTE", "QUOTE_END")
    if quote is None:
        return None
    if w.char in ("", "\n", "\r"):
        return w.say(
            "E0216",
            "this string has no closing quote",
            'close it with " on the same line; a line end inside is written \\n',
            labels=w.label(quote, "opens here"),
        )
    if w.char == "\t":
        return w.say(
            "E0226",
            "a tab inside double quotes",
            "write \\t",
            w.here(1),
            edits=(Edit(span=w.here(1), text="\\t", safe=True),),
        )
    if w.char == "\\":
        following = w.text[w.at + 1 : w.at + 2]
        if following == "$":
            in_array = w.open_token("LBRACKET", "RBRACKET") is not None
            help = (
                "in an array a $ is itself unless it stands before {: remove the backslash"
                if in_array
                else _LITERAL_DOLLAR
            )
            return w.say("E0218", "\\$ is no escape", help, w.here(2))
        if following in ("", "\r", "\n"):
            return w.say(
                "E0216",
                "a string ends on the line where it begins",
                "close it before the line's end",
                w.here(1),
                labels=w.label(quote, "opens here"),
            )
        if following == "u":
            return w.say(
                "E0217",
                "\\u needs four hexadecimal digits",
                "for example: \\u00e9",
                w.here(_matched(r"\\u[0-9A-Fa-f]{0,4}", w)),
            )
        return w.say(
            "E0217",
            f"\\{following} is no escape",
            'the escapes are \\" \\\\ \\/ \\b \\f \\n \\r \\t \\u00e9; a backslash is \\\\',
            w.here(2),
        )
    return None


def _glued_comment(w: Where) -> Diagnostic:
    edit = Edit(span=w.span(w.at, w.at), text=" ", safe=True)
    return w.say("E0209", "a comment stands behind white space", "put a space before the #", w.here(1), edits=(edit,))


def array(w: Where) -> Diagnostic | None:
    """An array that is no JSON array of strings."""
    bracket = w.open_token("LBRACKET", "RBRACKET")
    if bracket is None:
        return None
    word = w.word
    if w.char == "\\":
        edit = Edit(span=w.here(1), text="")
        return w.say(
            "E0114",
            "no `\\` is needed inside an array: it goes on until its ]",
            "remove the `\\`",
            w.here(1),
            edits=(edit,),
        )
    if w.char == "#":
        return _glued_comment(w)
    if w.char == "]" and w.last_solid == "COMMA":
        comma = w.solid[-1]
        edit = Edit(span=w.span(comma.start, comma.end), text="", safe=True)
        return w.say(
            "E0115",
            "a comma stands before the closing ]",
            "remove the comma",
            w.here(1),
            labels=w.label(comma, "this comma"),
            edits=(edit,),
        )
    if w.char == "]":
        help = (
            f"to drop what the base sets, write UNSET {word}"
            if word in ("CMD", "ENTRYPOINT")
            else f"for example: {w.spec.example}"
        )
        return w.say("E0214", "the array is empty", help, w.here(1))
    if w.at >= len(w.text) or w.char in "\r\n":
        return w.say("E0108", "this array is not closed", "close it with ]", labels=w.label(bracket, "opens here"))
    if w.char == "'":
        found = re.compile(r"'([^'\r\n]*)'").match(w.text, w.at)
        if found is None:
            return w.say("E0212", "strings of an array stand in double quotes", 'write "…"', w.here(1))
        fixed = '"' + found.group(1).replace("\\", "\\\\").replace('"', '\\"') + '"'
        return w.say(
            "E0212",
            "strings of an array stand in double quotes",
            f"write {fixed}",
            w.here(len(found.group())),
            edits=(Edit(span=w.here(len(found.group())), text=fixed),),
        )
    if w.last_solid == "QUOTE_END":
        length = _matched(r'"[^"\r\n]*"?|[^,\]\s]+', w)
        return w.say(
            "E0213",
            "a comma is missing before this",
            'the strings of an array are separated by commas: ["a", "b"]',
            w.here(length),
            edits=(Edit(span=w.span(w.at, w.at), text=", "),),
        )
    if w.char == ",":
        return w.say(
            "E0212", "a string is missing before this comma", "remove the comma, or write the string", w.here(1)
        )
    if w.char in "[{":
        return w.say("E0212", "an exec array holds strings alone", f"for example: {w.spec.example}", w.here(1))
    item = re.compile(r"[^,\]\s\"]+").match(w.text, w.at)
    written = item.group() if item else w.char
    help = f'write "{written}"'
    if word == "RUN" and w.solid[-1] is bracket:
        help += "; the `[` of a shell belongs into SH"
    return w.say("E0212", "the items of an array are strings in double quotes", help, w.here(len(written)))


def after_array(w: Where) -> Diagnostic | None:
    """Text behind an array."""
    if w.last_solid != "RBRACKET" or (w.spec.flags and w.chunk.startswith("--")):
        return None
    if w.char == "#":
        return _glued_comment(w)
    if w.char == "\\":
        return w.say(
            "E0116", "nothing may follow the array, so there is nothing to continue", "remove the `\\`", w.here(1)
        )
    return w.say(
        "E0215",
        f"nothing may follow the array of {w.word}",
        "arguments go into the array; shell syntax needs SH" if w.word == "RUN" else "arguments go into the array",
        w.whole(),
    )


def backslash(w: Where) -> Diagnostic | None:
    r"""A `\` in or at a word."""
    if w.char != "\\":
        return None
    if not w.rest[1:].strip(" \t"):
        if w.touching:
            return w.say(
                "E0107",
                "a `\\` that continues a line stands behind white space",
                "put a space before it",
                w.here(1),
                edits=(Edit(span=w.span(w.at, w.at), text=" ", safe=True),),
            )
        return w.say(
            "E0116", "the statement is complete, so there is nothing to continue", "remove the `\\`", w.here(1)
        )
    if w.rest[1:2] == "$":
        return w.say("E0218", "\\$ is no escape", _LITERAL_DOLLAR, w.here(2))
    return w.say(
        "E0107",
        "a bare word holds no backslash",
        "put the word in single quotes, or in double quotes with \\\\",
        w.here(1),
    )


def quotes(w: Where) -> Diagnostic | None:
    """Quotes inside a word, words beside a quote, a quote without an end."""
    if w.last in ("QUOTE_END", "SINGLE") and w.char and not w.char.isspace():
        if w.word == "FILE" and w.last == "SINGLE" and w.raw(w.tokens[-1]) == "''" and w.char == "'":
            return w.say(
                "E0252",
                "FILE needs a destination before its block",
                "write FILE /etc/example '''",
                w.span(w.at - 2, w.at + 1),
            )
        return w.say(
            "E0220",
            "a value is written in one form, never joined",
            "put all of it between one pair of quotes",
            w.here(len(w.chunk)),
        )
    if not w.char or w.char not in "\"'":
        return None
    joins = w.touching and w.last not in ("EQ",)
    if joins:
        start = (
            max(
                w.text.rfind(" ", 0, w.at),
                w.text.rfind("\t", 0, w.at),
                w.text.rfind("=", 0, w.at),
                w.text.rfind("\n", 0, w.at),
            )
            + 1
        )
        word = w.text[start : w.at] + w.chunk
        shown = word.replace('"', "").replace("'", "") if word.count(w.char) > 1 else word
        help = (
            f'put all of it between one pair of quotes: "{shown}"'
            if '"' not in shown
            else "put all of it in single quotes"
        )
        return w.say(
            "E0220",
            "a quote inside a bare word: a value is written in one form, never joined",
            help,
            w.here(len(w.chunk)),
        )
    if w.char == "'" and "SINGLE" in w.expected:
        return w.say(
            "E0219",
            "this single quote is never closed on its line",
            "close it with '; text with a ' in it stands in double quotes",
            w.here(1),
        )
    return None
