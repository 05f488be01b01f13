"""Refusals that belong to one statement: ENV, FROM, ARG, UNSET …

Invariant: a rule answers only for its own mistake.
"""

import re

from metalor_lang.diagnostics.model import Diagnostic, Edit
from metalor_lang.diagnostics.suggest import nearest
from metalor_lang.primitives import PrimitiveError, parse_exec_array, valid_identifier
from metalor_lang.source import Span
from metalor_lang.syntax.explain.commands import shortened
from metalor_lang.syntax.explain.where import Where
from metalor_lang.syntax.grammar import Token
from metalor_lang.syntax.statements import BY_WORD


def bracket(w: Where) -> Diagnostic | None:
    """A word that starts with `[`."""
    if w.char != "[" or not (w.expected & {"WORD", "RAW_OPEN"}):
        return None
    try:
        items = parse_exec_array(w.rest)
    except PrimitiveError:
        if w.chunk in ("[", "[[") and w.raw(w.solid[-1]) == "IF":
            return w.say("E0810", f"{w.chunk} is the shell's; IF compares by itself", "write IF ${NAME} == value")
        inner = (
            re.fullmatch(r"\[([\w.,/ \t-]*)\]", w.rest.strip(" \t\r\n")) if w.word in ("FOR", "IF", "ELSE") else None
        )
        if inner is not None:
            before = w.text[w.solid[0].start : w.at].strip(" \t")
            shown = " ".join(inner[1].replace(",", " ").split()) or "one two"
            return w.say("E0227", f"{w.word} takes words, not an array", f"write {before} {shown}", w.whole())
        help = f'quote it: "{w.chunk}"'
        if w.word == "COPY" and "]" in w.chunk:
            help += f"; or, if it is a pattern, write ./{w.chunk}"
        return w.say("E0227", "a bare word cannot start with [", help)
    words = " ".join(
        item if re.fullmatch(r"[\w./:@%+,=-]+", item) else '"' + item.replace('"', '\\"') + '"' for item in items
    )
    before = w.text[w.solid[0].start : w.at].strip(" \t")
    return w.say("E0227", f"{w.word} takes words, not an array", f"write {before} {words}", w.whole())


def from_(w: Where) -> Diagnostic | None:
    """What stands behind the base of FROM."""
    if w.word != "FROM":
        return None
    stage_at = w.expected & {"STAGE_NAME"} or w.last == "STAGE_NAME"
    if stage_at and not w.ended:
        start = w.tokens[-1].start if w.last == "STAGE_NAME" else w.at
        written = w.text[start : w.at] + w.chunk
        if "${" in written:
            help = "write it out: AS build; where it hangs on an argument, put a FROM into each branch of an IF"
            return w.say("E0231", "nothing is expanded in the name of a stage", help)
        name = re.sub(r"[^a-z0-9_-]", "-", written.lower())
        help = "a stage name is lower-case letters, digits, - and _, and starts with a letter"
        if name != written and name[:1].isalpha():
            help += f": {name}"
        return w.say("E0231", f"{written} is no stage name", help)
    if stage_at or w.last == "AS":
        return w.say("E0208", "a stage name must follow AS", "for example: FROM debian:12 AS build", w.here(0))
    if "AS" in w.expected and w.chunk:
        if w.chunk.upper() == "AS":
            edit = Edit(span=w.here(2), text="AS", safe=True)
            return w.say("E0230", f"{w.chunk} must be upper case: AS", "write AS", w.here(2), edits=(edit,))
        close = (
            "to name the stage, write AS " + w.chunk
            if re.fullmatch(r"[a-z][a-z0-9_-]*", w.chunk)
            else "only AS and a stage name may follow the base"
        )
        return w.say("E0232", "FROM takes one base", close)
    return None


def pairs(w: Where) -> Diagnostic | None:
    """Keys and values of ENV, LABEL and ANNOTATE."""
    if w.word not in ("ENV", "LABEL", "ANNOTATE"):
        return None
    key_type = "ENV_KEY" if w.word == "ENV" else "META_KEY"
    if w.last == key_type and "EQ" in w.expected:
        return _after_key(w, w.tokens[-1])
    if key_type in w.expected and w.chunk and not w.touching:
        key = w.chunk.partition("=")[0]
        if not key:
            return w.say(
                "E0235",
                "a key is missing before `=`",
                f"write {w.word} {'NAME' if w.word == 'ENV' else 'key'}=value; no white space around `=`",
            )
        return _bad_key(w, key, w.here(len(key)))
    return None


def _after_key(w: Where, key: Token) -> Diagnostic:
    name = w.raw(key)
    first = sum(token.type == "EQ" for token in w.solid) == 0
    if w.char and w.char not in " \t\r\n":
        written = name + w.chunk.partition("=")[0]
        if w.chunk.startswith("+="):
            return w.say("E0235", f"there is no += in {w.word}", f"write {name}=${{{name}}}{w.chunk[2:]}", w.here(2))
        return _bad_key(w, written, w.here(len(w.chunk.partition("=")[0])))
    value = re.split(r"[ \t]#", w.rest, maxsplit=1)[0].strip(" \t").removesuffix("\\").rstrip(" \t")
    if value.startswith("="):
        return w.say(
            "E0234", "no white space may stand around `=`", f"write {name}={value[1:].strip() or 'value'}", w.whole()
        )
    if not first:
        before = w.text[: key.start].split()[-1] if w.text[: key.start].split() else ""
        help = f"write {name}=value, or quote a value with white space in it"
        if "=" in before and not before.endswith(('"', "'")):
            left, _, right = before.partition("=")
            joined = f"{right} {name}".strip()
            help = f'write {name}=value; if it belongs to the value before it, quote that: {left}="{joined}"'
        return w.say("E0234", f"{name} has no `=`", help, w.span(w.at, w.at + (1 if w.char else 0)))
    if not value or value.startswith("#") or re.match(r"[A-Za-z0-9_./-]+=", value):
        extra = f", or {name}=${{{name}}} to ship an argument" if w.word == "ENV" else ""
        return w.say("E0234", f"{name} has no value", f"write {w.word} {name}=value{extra}", w.here(0))
    shown = (
        value
        if re.fullmatch(r"[^\s\"'\\]+", value) or value[0] in "\"'"
        else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    )
    start = w.at + len(w.rest) - len(w.rest.lstrip(" \t"))
    edits = (Edit(span=w.span(key.start, start + len(value)), text=f"{name}={shown}"),)
    return w.say(
        "E0233",
        f"{w.word} takes key=value",
        f"write {w.word} {name}={shortened(shown)}",
        w.here(start - w.at + len(value)),
        edits=edits,
    )


def _bad_key(w: Where, key: str, span: Span) -> Diagnostic:
    if key[0] in "\"'":
        return w.say("E0235", "keys are not quoted", f"quote the value alone: {w.word} key={key[0]}value{key[0]}", span)
    if "$" in key:
        return w.say("E0235", "a key is written out: nothing is expanded in it", "write the key itself", span)
    if w.word == "ENV":
        return w.say(
            "E0235",
            f"{key} is no variable name",
            "a name is ASCII letters, digits and _, and starts with no digit: ENV NAME=value",
            span,
        )
    return w.say(
        "E0235",
        f"{key} is no key",
        "a key is ASCII letters, digits and . _ / -, and starts with a letter or digit: LABEL org.example.key=value",
        span,
    )


def arg(w: Where) -> Diagnostic | None:
    """The name of ARG, and words behind it."""
    if w.word != "ARG":
        return None
    if "ARG_NAME" in w.expected and w.chunk and not w.touching:
        name = w.chunk.partition("=")[0]
        return w.say(
            "E0236",
            f"{name or '='} is no argument name",
            "a name is ASCII letters, digits and _, and starts with no digit: ARG NAME=value",
            w.here(max(1, len(name))),
        )
    if w.last == "ARG_NAME" and w.chunk:
        name = w.raw(w.tokens[-1]) + w.chunk.partition("=")[0]
        return w.say(
            "E0236",
            f"{name} is no argument name",
            f"a name is ASCII letters, digits and _: {re.sub(r'[^A-Za-z0-9_]', '_', name)}",
            w.here(len(w.chunk.partition("=")[0])),
        )
    following = w.rest.strip(" \t")
    if not following:
        return None
    if following.startswith("="):
        name = w.raw(next(token for token in w.solid if token.type == "ARG_NAME"))
        return w.say(
            "E0234", "no white space may stand around `=`", f"write ARG {name}={following[1:].strip() or 'value'}"
        )
    if not w.touching and any(token.type == "ARG_NAME" for token in w.solid):
        next_name = following.split()[0].partition("=")[0]
        if valid_identifier(next_name):
            return w.say(
                "E0237",
                "ARG declares one argument",
                f"write ARG {following.split()[0]} on a line of its own, or quote a value with white space in it",
            )
        return w.say("E0237", "ARG declares one argument", 'quote a value with white space in it: ARG NAME="two words"')
    return None


def unset(w: Where) -> Diagnostic | None:
    """What UNSET takes."""
    if w.word != "UNSET":
        return None
    kinds = ("ENV", "LABEL", "VOLUME", "EXPOSE", "CMD", "ENTRYPOINT", "USER", "WORKDIR", "STOPSIGNAL")
    if "STOPSIGNAL" in w.expected and w.chunk and not w.touching:
        close = w.chunk.upper() if w.chunk.upper() in kinds else nearest(w.chunk.upper(), kinds)
        if close is None and valid_identifier(w.chunk):
            return w.say(
                "E0249",
                f"UNSET must say what {w.chunk} is",
                f"write UNSET ENV {w.chunk}, or one of " + " ".join(kinds[1:]),
            )
        return w.say(
            "E0249",
            f"UNSET cannot take away {w.chunk}",
            f"did you mean {close}?" if close else "it takes " + " ".join(kinds),
        )
    last = w.last_solid
    if w.touching and w.chunk and last in ("ENV_KEY", "META_KEY"):
        written = w.raw(w.tokens[-1]) + w.chunk
        what = "variable name" if last == "ENV_KEY" else "key"
        return w.say("E0235", f"{written} is no {what}", "write the name alone")
    if w.touching and w.chunk and last in kinds and w.char != "\\":
        written = w.raw(w.tokens[-1]) + w.chunk
        return w.say("E0249", f"UNSET cannot take away {written}", "it takes " + " ".join(kinds))
    if last in ("ENV", "LABEL") and w.chunk and not w.touching:
        return w.say(
            "E0235",
            f"{w.chunk} is no {'variable name' if last == 'ENV' else 'key'}",
            f"for example: UNSET {last} {'NAME' if last == 'ENV' else 'org.example.key'}",
        )
    if last in kinds[:4] and w.ended:
        return w.say(
            "E0208",
            f"UNSET {last} needs a name",
            f"for example: UNSET {last} "
            + {"ENV": "NAME", "LABEL": "key", "VOLUME": "/data", "EXPOSE": "80/tcp"}[last],
            w.here(0),
        )
    if w.chunk and "$END" in w.expected and not w.touching:
        return w.say("E0238", "UNSET takes away one thing", "write one UNSET a line", w.whole())
    return None


def test(w: Where) -> Diagnostic | None:
    """What TEST takes."""
    if w.word != "TEST" or not w.chunk:
        return None
    if w.chunk.startswith("--"):
        step = "SH" if re.search(r"[ \t]SH(?:[ \t]|$)", w.rest) else "RUN"
        return w.say("E0248", "the flags of a test stand behind RUN or SH", f"write TEST {step} {w.chunk} …")
    if w.chunk.upper() in ("RUN", "SH"):
        return w.say(
            "E0248",
            f"{w.chunk} must be upper case: {w.chunk.upper()}",
            f"write TEST {w.chunk.upper()}",
            edits=(Edit(span=w.here(len(w.chunk)), text=w.chunk.upper(), safe=True),),
        )
    if w.chunk in BY_WORD:
        return w.say(
            "E0248",
            f"TEST takes RUN or SH, not {w.chunk}",
            f"a test runs a command and changes nothing: {BY_WORD['TEST'].example}",
        )
    text = w.rest.strip(" \t")
    return w.say(
        "E0248", "TEST takes RUN or SH", f"write TEST {'RUN' if text.startswith('[') else 'SH'} {shortened(text)}"
    )


def recipe(w: Where) -> Diagnostic | None:
    """The version."""
    if w.word != "RECIPE":
        return None
    if w.ended and "VERSION" not in w.expected:
        return None
    if w.chunk and "VERSION" in w.expected:
        return w.say("E0250", f"{w.chunk} is no language version", "write RECIPE 1")
    if w.chunk and "VERSION" not in w.expected:
        return w.say("E0250", "only the version follows RECIPE", "write RECIPE 1", w.whole())
    return None


def file(w: Where) -> Diagnostic | None:
    """A FILE without its block."""
    if w.word != "FILE" or ("RAW_OPEN" not in w.expected and not (w.ended and "WS" in w.expected)):
        return None
    has_destination = any(token.type in ("WORD", "SINGLE", "QUOTE_END", "REF_CLOSE", "DOLLAR") for token in w.solid)
    if w.ended and not has_destination:
        return None
    if w.chunk and "RAW_OPEN" not in w.expected:
        return None
    return w.say(
        "E0252",
        "FILE takes a destination and a block",
        "end the line with ''' and write the text on the lines below it, closed by '''",
        w.here(0) if w.ended else w.whole(),
    )


def missing(w: Where) -> Diagnostic | None:
    """A line that ends too early."""
    if not w.ended or "$END" in w.expected:
        return None
    if w.word == "SH":
        return w.say("E0245", "SH without any text", "for example: SH apt-get update", w.here(0))
    if w.word == "TEST":
        return w.say("E0248", "TEST takes RUN or SH", f"for example: {w.spec.example}", w.here(0))
    if w.word == "COPY" and any(
        token.type in ("WORD", "SINGLE", "QUOTE_END", "REF_CLOSE", "DOLLAR") for token in w.solid[1:]
    ):
        return w.say(
            "E0239",
            "COPY needs a destination",
            "write COPY source destination; `COPY . .` copies all into the working directory",
            w.here(0),
        )
    if w.word in BY_WORD:
        return w.say(
            "E0208",
            f"{w.word} is not complete",
            f"write {' or '.join(w.spec.forms[:2])}, for example: {w.spec.example}",
            w.here(0),
        )
    return None


def too_many(w: Where) -> Diagnostic | None:
    """Words behind a complete statement."""
    if (
        not w.chunk
        or w.touching
        or w.word not in ("WORKDIR", "USER", "STOPSIGNAL", "LAYER", "FETCH", "GIT", "FROM")
        or "$END" not in w.expected
    ):
        return None
    if w.word in ("FETCH", "GIT"):
        return w.say(
            "E0238", f"{w.word} takes a url and a destination", "quote a word with white space in it", w.whole()
        )
    if w.word == "FROM":
        return w.say("E0238", "nothing may follow the stage name", "for example: FROM debian:12 AS build", w.whole())
    before = w.text[w.solid[0].end : w.at].strip(" \t")
    if before.startswith("--"):
        start = w.solid[1].start
        span = w.span(start, start + len(before))
        return w.say("E0244", f"{w.word} takes no flags", f"for example: {w.spec.example}", span)
    return w.say(
        "E0238",
        f"{w.word} takes one word",
        f'if it holds white space, quote it: {w.word} "{shortened(before)} {shortened(w.rest.strip())}"'
        if not re.search(r"[\"'\\\n]", before + w.rest)
        else "quote a word with white space in it",
        w.whole(),
    )
