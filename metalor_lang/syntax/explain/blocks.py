"""Refusals in the lines of blocks, groups and imports.

Invariant: a rule answers only for its own mistake, and shows the line as it would be right where that is certain.
"""

import re

from metalor_lang.diagnostics.model import Diagnostic, Edit
from metalor_lang.hints import Final
from metalor_lang.source import Span
from metalor_lang.syntax.explain.where import Where
from metalor_lang.syntax.habits import CODE

_GROUP: Final = re.compile(r"[a-z][a-z0-9_-]*")
_COMPARES: Final = {
    "=": "==", "===": "==", "-eq": "==", "eq": "==", "is": "==", "equals": "==", "=~": "==", "<>": "!=", "!==": "!=",
    "-ne": "!=", "ne": "!=", "!": "!=", "in": "IN", "In": "IN", "not": "NOT IN", "NOT": "NOT IN",
}  # fmt: skip
"""How other languages write comparisons."""

_FORMS: Final = "IF ${NAME} == value, IF ${NAME} != value or IF ${NAME} IN one two"
_GLUED: Final = re.compile(r"(?P<left>[^=!]*)(?P<sign>[=!]=)(?P<right>.*)")
_OF: Final = re.compile(r"(?:=|:=|:|<-|of\b|over\b)[ \t]*", re.IGNORECASE)
"""How other languages write the IN of a FOR."""

_BEGINS: Final = frozenset({"then", "THEN", "do", "{"})
"""What ends the line of an IF in other languages."""

_TRUTHS: Final = frozenset({"&&", "||", "and", "or", "AND", "OR", "-a", "-o"})


def condition(w: Where) -> Diagnostic | None:
    """The condition of IF and ELSE IF."""
    if w.word not in ("IF", "ELSE") or (w.word == "ELSE" and w.last_solid == "ELSE"):
        return None
    kinds = [token.type for token in w.solid]
    signs = [kind for kind in kinds if kind in ("IS", "IN", "NOT")]
    if signs:
        return _behind(w, signs)
    value = w.text[w.solid[kinds.index("IF") + 1].start : w.at].strip(" \t") if kinds[-1] != "IF" else ""
    if not value:
        return w.say("E0810", "IF compares nothing", f"write {_FORMS}", w.here(0)) if w.ended else None
    whole = w.text[w.solid[kinds.index("IF") + 1].start :].split("\n")[0].rstrip(" \t\r")
    glued = _GLUED.fullmatch(whole) if w.touching or w.ended else None
    if glued is not None and not re.search(r"\s", whole):
        shown = f"{glued['left'] or '${NAME}'} {glued['sign']} {glued['right'] or 'value'}"
        return w.say("E0810", f"white space must stand around {glued['sign']}", f"write IF {shown}", w.whole())
    if w.touching and not w.ended:
        return None
    if w.ended:
        help = f'to ask whether it is empty, write IF {value} != ""'
        return w.say("E0810", f"{value} is compared with nothing", help, w.here(0))
    if value.endswith(("==", "!=")) and w.chunk:
        shown = f"{value[:-2]} {value[-2:]} {w.chunk}"
        return w.say("E0810", f"white space must stand around {value[-2:]}", f"write IF {shown}", w.here(0))
    if value == "NOT" or value == "!":
        return w.say("E0810", f"nothing can stand before the value, such as {value}",
                     "write != for ==, or ${NAME} NOT IN one two")  # fmt: skip
    right = _COMPARES.get(w.chunk)
    if right is not None:
        edits = (Edit(span=w.here(len(w.chunk)), text=right),) if right != "NOT IN" else ()
        behind = w.rest[len(w.chunk) :].split("\n")[0].strip(" \t\r") or "…"
        shown = f"write IF {value} {right} {behind}"
        return w.say("E0810", f"{w.chunk} compares nothing: write {right}", shown, edits=edits)
    return w.say("E0810", f"{w.chunk[:30]} compares nothing", "there are ==, !=, IN and NOT IN")


def _behind(w: Where, signs: list[str]) -> Diagnostic | None:
    """What stands behind the comparison."""
    if w.touching and w.last in ("IS", "IN", "NOT") and w.chunk:
        sign = w.raw(w.tokens[-1])
        return w.say("E0810", f"white space must stand around {sign}", f"write IF ${{NAME}} {sign} {w.chunk}")
    if signs == ["NOT"]:
        if w.chunk.upper() == "IN" and w.chunk != "IN":
            edits = (Edit(span=w.here(2), text="IN", safe=True),)
            return w.say("E0810", f"{w.chunk} must be upper case: IN", "write NOT IN", edits=edits)
        return w.say("E0810", "IN must follow NOT", "write ${NAME} NOT IN one two", w.here(len(w.chunk)))
    if w.ended and "$END" not in w.expected:
        sign = {"IS": "the comparison"}.get(signs[-1], "IN")
        return w.say("E0810", f"a value must follow {sign}", f'nothing at all is "": write {_FORMS}', w.here(0))
    if signs == ["IS"] and w.chunk and "$END" in w.expected and not w.touching:
        if w.chunk in _BEGINS:
            line = w.text[w.solid[0].start : w.at].strip(" \t;")
            message = f"`{w.chunk}` opens nothing: the block begins at the end of the line"
            return w.say(CODE, message, f"write {line}", w.whole())
        if w.chunk in _TRUTHS:
            both = w.chunk in ("&&", "and", "AND", "-a")
            help = (
                "for both, put another IF inside of this one"
                if both
                else "for one of several values, write IN: IF ${NAME} IN one two"
            )
            return w.say("E0810", "IF compares once", help, w.whole())
        return w.say("E0810", "IF compares with one value", "quote one with white space in it, or write IN for several",
                     w.whole())  # fmt: skip
    return None


def parted(w: Where) -> Diagnostic | None:
    """A comma or semicolon right behind a quoted value."""
    if w.word not in ("IF", "ELSE", "FOR", "DEFINE", "USE") or not w.touching or w.char not in (",", ";"):
        return None
    if w.last not in ("QUOTE_END", "SINGLE"):
        return None
    edits = (Edit(span=w.here(1), text="" if w.chunk == w.char else " "),)
    return w.say(CODE, f"`{w.char}` parts nothing here: white space does", "leave it out", w.here(1), edits=edits)


def ends(w: Where) -> Diagnostic | None:
    """What stands behind END and ELSE."""
    if w.word not in ("END", "ELSE") or w.last_solid != w.word or not w.chunk or w.touching:
        return None
    if w.word == "END":
        return w.say("E0814", "END stands alone", "it closes the innermost block: remove what follows it", w.whole())
    if w.chunk.upper() == "IF":
        edits = (Edit(span=w.here(2), text="IF", safe=True),)
        return w.say("E0814", f"{w.chunk} must be upper case: IF", "write ELSE IF", edits=edits)
    shown = f"write ELSE IF {w.rest.strip()}" if re.search(r"[=!]=| IN ", w.rest) else "a condition needs IF: ELSE IF …"
    return w.say("E0814", "ELSE stands alone, or IF follows it", shown, w.whole())


def loop(w: Where) -> Diagnostic | None:
    """FOR: its name, IN, its values."""
    if w.word != "FOR":
        return None
    if "ARG_NAME" in w.expected and not w.touching:
        if w.ended:
            return w.say("E0811", "FOR needs a name and values", f"for example: {w.spec.example}", w.here(0))
        help = "a name is ASCII letters, digits and _, and starts with no digit: FOR VERSION IN 1 2"
        return w.say("E0811", f"{w.chunk} is no name", help)
    if w.last == "ARG_NAME" and w.chunk:
        name = w.raw(w.tokens[-1])
        if w.chunk.startswith("="):
            shown = f"write FOR {name} IN {w.rest[1:].strip()}"
            return w.say("E0811", "FOR gives its name one value after the other", shown)
        return w.say(
            "E0811", f"{name}{w.chunk} is no name", "a name is ASCII letters, digits and _: FOR VERSION IN 1 2"
        )
    if "IN" in w.expected or w.last_solid == "ARG_NAME":
        name = next(w.raw(token) for token in w.solid if token.type == "ARG_NAME")
        if w.chunk.upper() == "IN":
            edits = (Edit(span=w.here(2), text="IN", safe=True),)
            return w.say("E0811", f"{w.chunk} must be upper case: IN", f"write FOR {name} IN …", edits=edits)
        values = _OF.sub("", w.rest.strip(" \t\r\n").split("\n")[0])
        shown = f"FOR {name} IN {values}" if values and "=" not in values else f"FOR {name} IN one two"
        place = w.here(0) if w.ended else None
        return w.say("E0811", "IN must follow the name", f"write {shown}", place)
    if w.ended and w.last_solid == "IN":
        help = "write the values, or --split with an argument that may be empty: FOR --split NAME IN ${LIST}"
        return w.say("E0811", "FOR has no values", help, w.here(0))
    return None


def group(w: Where) -> Diagnostic | None:
    """DEFINE and USE: names, parameters, values."""
    if w.word not in ("DEFINE", "USE"):
        return None
    if w.last_solid == w.word or (w.last_solid == "DOT" and w.touching):
        if w.ended:
            return w.say("E0812", f"{w.word} needs the name of a group", f"for example: {w.spec.example}", w.here(0))
        name = re.split(r"[\s=(]", w.rest, maxsplit=1)[0]
        return _bad_group(w, name, w.here(len(name)))
    if w.last == "GROUP_NAME" and w.chunk:
        token = w.tokens[-1]
        written = re.split(r"[\s=(]", w.text[token.start :], maxsplit=1)[0]
        if w.char in "(=":
            return w.say("E0812", "a group takes its parameters by name, with blanks between them",
                         f"write {w.spec.forms[1]}", w.whole())  # fmt: skip
        return _bad_group(w, written, w.span(token.start, token.start + len(written)))
    if w.last == "ARG_NAME" and w.word == "USE" and (w.ended or w.char in " \t"):
        name = w.raw(w.tokens[-1])
        span = w.span(w.tokens[-1].start, w.tokens[-1].end)
        return w.say("E0812", f"{name} has no value, or is one without a name", f"write {w.spec.forms[1]}", span)
    if w.word == "DEFINE" and w.char in (",", ";"):
        line = " ".join(re.sub("[,;]", " ", w.text.split("\n")[0]).split())
        return w.say(CODE, f"`{w.char}` parts nothing here: white space does", f"write {line}", w.here(1))
    if w.word == "DEFINE" and w.chunk == "{":
        line = w.text[w.solid[0].start : w.at].strip(" \t")
        return w.say(CODE, "`{` opens nothing: the block begins at the end of the line", f"write {line}", w.whole())
    if "ARG_NAME" in w.expected and w.chunk and not w.touching:
        name = w.chunk.partition("=")[0]
        if w.word == "USE" and "=" not in w.chunk:
            return w.say("E0812", "USE gives values by name", f"write {w.spec.forms[1]}")
        help = "a parameter is ASCII letters, digits and _, and starts with no digit"
        return w.say("E0812", f"{name or '='} is no parameter", help, w.here(max(len(name), 1)))
    if w.last == "ARG_NAME" and w.chunk:
        written = w.raw(w.tokens[-1]) + re.split(r"[\s=]", w.chunk, maxsplit=1)[0]
        return w.say("E0812", f"{written} is no parameter", "a parameter is ASCII letters, digits and _")
    return None


def _bad_group(w: Where, name: str, span: Span) -> Diagnostic:
    help = "a group's name is a small letter, then a-z, 0-9, _ and -"
    right = re.sub(r"[^a-z0-9_-]", "-", name.lower()).lstrip("-_0123456789")
    if w.word == "USE" and "." in name:
        help = "one dot at most stands in it, behind the name of an import: USE common.install"
    elif right and _GROUP.fullmatch(right):
        help += f": {w.word} {right}"
    return w.say("E0812", f"{name or w.char} is no name of a group", help, span)


def importing(w: Where) -> Diagnostic | None:
    """IMPORT: its path, AS, its name."""
    if w.word != "IMPORT":
        return None
    kinds = [token.type for token in w.solid]
    if len(kinds) == 1:
        return w.say("E0813", "IMPORT needs a path and a name", f"for example: {w.spec.example}", w.here(0)) \
            if w.ended else None  # fmt: skip
    path = w.text[w.solid[1].start : w.at].split()[0] if "AS" not in kinds else ""
    if "AS" not in kinds and not w.touching:
        if w.chunk.upper() == "AS":
            edits = (Edit(span=w.here(2), text="AS", safe=True),)
            return w.say("E0813", f"{w.chunk} must be upper case: AS", f"write IMPORT {path} AS …", edits=edits)
        return _without_as(w, path)
    if "AS" not in kinds and w.ended:
        return _without_as(w, path)
    if kinds[-1] == "AS":
        if w.ended:
            return w.say("E0813", "a name must follow AS", f"for example: {w.spec.example}", w.here(0))
        return w.say("E0813", f"{w.chunk} is no name", "a name is a small letter, then a-z, 0-9, _ and -: AS common")
    if w.last == "GROUP_NAME" and w.chunk:
        return w.say(
            "E0813", f"{w.raw(w.tokens[-1])}{w.chunk} is no name", "it is a small letter, then a-z, 0-9, _ and -"
        )
    return (
        w.say("E0813", "nothing may follow the name", f"for example: {w.spec.example}", w.whole()) if w.chunk else None
    )


def _without_as(w: Where, path: str) -> Diagnostic:
    stem = re.sub(r"[^a-z0-9_-]", "-", path.rsplit("/", 1)[-1].partition(".")[0].lower()).lstrip("-_0123456789")
    help = f"write IMPORT {path} AS {stem or 'common'}"
    place = w.here(0) if w.ended else w.whole()
    return w.say("E0813", "IMPORT says with AS what its groups are called by", help, place)
