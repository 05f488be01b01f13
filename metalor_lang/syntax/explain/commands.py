"""Shell text where an exec array belongs, and the array that says the same.

Invariant: what is suggested runs what was written: a shell is called where only a shell can.
"""

import re
import shlex

from metalor_lang.diagnostics.model import Diagnostic, Edit
from metalor_lang.source import Span
from metalor_lang.syntax.explain.where import Where
from metalor_lang.syntax.statements import ARRAY_WORDS

_BUILTINS = frozenset(
    [
        "!",
        ".",
        "[[",
        "alias",
        "bg",
        "break",
        "builtin",
        "case",
        "cd",
        "command",
        "continue",
        "declare",
        "dirs",
        "disown",
        "eval",
        "exit",
        "export",
        "fg",
        "for",
        "function",
        "getopts",
        "hash",
        "if",
        "jobs",
        "let",
        "local",
        "popd",
        "pushd",
        "read",
        "readonly",
        "return",
        "select",
        "set",
        "shift",
        "shopt",
        "source",
        "times",
        "trap",
        "type",
        "typeset",
        "ulimit",
        "umask",
        "unalias",
        "unset",
        "until",
        "wait",
        "while",
        "{",
    ]
)
"""Words that only a shell knows."""
_SHELL_META = re.compile(r"[|&;<>()$`\\*?~#\n]")


def exec_words(w: Where) -> Diagnostic | None:
    """Shell text where an exec array belongs."""
    if w.word not in ARRAY_WORDS or w.last_solid not in (
        *ARRAY_WORDS,
        "FLAG",
        "EQ",
        "WORD",
        "VALUE",
        "REST",
        "QUOTE_END",
        "SINGLE",
    ):
        return None
    if w.ended:
        return w.say("E0208", f"{w.word} needs an exec array", f"for example: {w.spec.example}", w.here(0))
    if w.touching:
        return w.say(
            "E0209",
            f"{w.chunk[:1]} cannot stand right behind {w.raw(w.solid[-1])}",
            "write white space between them",
            w.here(1),
        )
    text = w.rest.strip(" \t")
    written = w.whole()
    quoted = re.fullmatch(r"\"([^\"\\]*[ \t][^\"\\]*)\"|'([^']*[ \t][^']*)'", text)
    if quoted is not None:
        # A whole command line in quotes would be the name of one program.
        text = quoted[1] or quoted[2]
    array = _as_array(text)
    edits: tuple[Edit, ...] = ()
    if w.word == "RUN" and w.solid[0].type == "RUN" and (lasting := _lasting(text)):
        edits = (Edit(span=Span(w.span(w.solid[0].start, w.solid[0].end).start, written.end), text=lasting),)
        gone = f"RUN takes an exec array, and what `{text.split()[0]}` does is gone after its step"
        return w.say("E0210", gone, f"write {lasting}", written, edits=edits)
    if w.word == "RUN":
        goes_on = text.endswith("\\")
        line = text.removesuffix("\\").rstrip() + (" …" if goes_on else "")
        help = "the lines below it stay as they are" if goes_on else f"or write RUN {array}"
        if (run := next((token for token in w.solid[:2] if token.type == "RUN"), None)) is not None:
            edits = (Edit(span=w.span(run.start, run.end), text="SH"),)
            if quoted is not None:
                edits = (*edits, Edit(span=written, text=text))
        message = f"RUN takes an exec array; for shell text write `SH {shortened(line)}`"
        return w.say("E0210", message, help, written, edits=edits)
    return w.say("E0211", f"{w.word} takes an exec array, not shell text", f"write {w.word} {array}", written)


def _lasting(text: str) -> str:
    """The statement that does for all later steps what `cd` and `export` do for none; "" for other commands."""
    if (folder := re.fullmatch(r"cd\s+(/[\w./-]*)", text)) is not None:
        return f"WORKDIR {folder[1]}"
    pair = re.fullmatch(r"export\s+([A-Za-z_]\w*=[\w./:-]*)", text, re.ASCII)
    return f"ENV {pair[1]}" if pair is not None else ""


def shortened(text: str) -> str:
    """At most 60 characters of a text."""
    return text if len(text) <= 60 else text[:59] + "…"


def array_of(text: str) -> str:
    """The exec array that does what a line of shell says, or one that calls a shell with it."""
    words: list[str] = []
    if not _SHELL_META.search(text):
        try:
            words = shlex.split(text)
        except ValueError:
            words = []
    if words[:1] == ["exec"]:
        words = words[1:]  # what an array starts takes the shell's place anyway
    if not words or "=" in words[0] or words[0] in _BUILTINS:
        # What the shell is to expand when it runs must not be expanded while the recipe is read.
        words = ["/bin/sh", "-c", re.sub(r"(\$+)\{", r"\1${", text)]
    return "[" + ", ".join('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words) + "]"


def _as_array(text: str) -> str:
    """As `array_of`, in a length that a help can have."""
    array = array_of(text)
    return f"[{shortened(array[1:-1])}]" if len(array) <= 62 else '["/bin/sh", "-c", "…"]'
