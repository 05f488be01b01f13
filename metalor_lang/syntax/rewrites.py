"""What a refused statement would be in right words: edits for the diagnostics of spellings that come from elsewhere.

Invariant: an edit is what the diagnostic's help shows, and takes its error away. Where what was meant is not certain
to a word, there is none. Imported when a bad statement is met.
"""

import json
import re
from collections.abc import Callable, Mapping

from metalor_lang.diagnostics.model import Diagnostic, Edit
from metalor_lang.hints import Final
from metalor_lang.primitives import PrimitiveError, parse_exec_array
from metalor_lang.record import dataclass, replace
from metalor_lang.source import SourceFile, Span

_BARE: Final = re.compile(r"[\w./:@%+,=*?-]+")
_ARCHIVE: Final = re.compile(r"\.(?:tar|t?gz|tgz|bz2|tbz2?|xz|txz|zst)$")
_WORDS: Final = re.compile(r"\S+")
_MEANT: Final = re.compile(r"did you mean (--[a-z0-9-]+|[A-Z]+)\?")
_REMEDY: Final = re.compile(r"write (--[^\s;]+)")
_LEFT_OUT: Final = "leave it out"
HEREDOC: Final = "E0228"
_HEREDOC: Final = re.compile(
    r"(?P<word>RUN|COPY)(?P<flags>(?:[ \t]+--[a-z-]+=[^\s\"']+)*)[ \t]+"
    r"<<(?P<dash>-?)(?P<quote>[\"']?)(?P<tag>\w+)(?P=quote)(?P<path>[ \t]+[^\s\"'\\$]+)?[ \t]*"
)
_ASSIGNS: Final = re.compile(r"([A-Za-z_]\w*)[ \t]*=[ \t]*([^\s\"'\\$#=]+)[ \t]*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refused:
    """A refused statement: the line that it begins on, and what is said of it."""

    source: SourceFile
    start: int
    line: str
    wrong: Diagnostic

    @property
    def rest(self) -> str:
        """What stands behind the first word."""
        return self.line.partition(" ")[2].strip(" \t")

    def whole(self, text: str) -> tuple[Edit, ...]:
        """A line in place of this one."""
        return (Edit(span=Span(self.start, self.start + len(self.line)), text=text),)

    def word(self, text: str) -> tuple[Edit, ...]:
        """A text in place of the word that the error begins with."""
        found = _WORDS.match(self.source.text, self.wrong.span.start)
        return () if found is None else (Edit(span=Span(*found.span()), text=text),)


def with_edits(source: SourceFile, start: int, wrong: Diagnostic) -> Diagnostic:
    """A diagnostic with the edits that put its statement right, where they are known.

    Args:
        source: the recipe.
        start: where the statement starts.
        wrong: what is said of it.

    """
    rule = _RULES.get(wrong.code)
    if wrong.edits or rule is None:
        return wrong
    end = source.text.find("\n", start)
    line = source.text[start : len(source.text) if end < 0 else end].rstrip("\r").rstrip(" \t")
    if line.endswith("\\") and wrong.code != "E0116":
        return wrong  # what goes on in the next lines was not read
    return replace(wrong, edits=rule(_Refused(source=source, start=start, line=line, wrong=wrong)))


def with_block(source: SourceFile, wrong: Diagnostic) -> Diagnostic:
    """A diagnostic of a heredoc with the edits that make a block of its lines.

    Unlike other edits they depend on text far from the statement, so they are looked for when the whole file is read.
    """
    if wrong.code != HEREDOC:
        return wrong
    at = source.position(wrong.span.start).line
    edits = _block(source, at, source.line(at))
    return replace(wrong, edits=edits) if edits else wrong


def _block(source: SourceFile, at: int, line: str) -> tuple[Edit, ...]:
    start = source.line_span(at).start + len(line) - len(line.lstrip(" \t"))
    found = _HEREDOC.fullmatch(line.strip(" \t"))
    if found is None or (found["word"] == "COPY") == (found["path"] is None):
        return ()
    first = at + 1
    # Blanks behind the tag do not count: the roomy text of a document has some.
    numbers = range(first, source.line_count + 1)
    last = next((number for number in numbers if source.line(number).rstrip(" \t") == found["tag"]), None)
    if last is None:
        return ()
    body = [source.line(number) for number in range(first, last)]
    expands = found["word"] == "COPY" and not found["quote"] and any("$" in line or "`" in line for line in body)
    if expands or any(line.lstrip().startswith("'''") for line in body) or not any(line.strip() for line in body):
        return ()
    if (found["dash"] and any(line.startswith("\t") for line in body)) or body[0].startswith("#!"):
        return ()
    word = "SH" if found["word"] == "RUN" else "FILE"
    opening = f"{word}{found['flags']}{found['path'] or ''} '''"
    end = source.line_span(at).end
    return (Edit(span=Span(start, end), text=opening), Edit(span=source.line_span(last), text="'''"))


_PERHAPS: Final = re.compile(r"did you mean (?:`([^`]+)`|\$\{(\w+)\})\?")
_NAMED: Final = re.compile(r"`([^`]+)`")
_INSTEAD: Final = re.compile(r"(?:names are lower case:|write) ([^\s,]+)\Z")


def with_remedy(source: SourceFile, wrong: Diagnostic) -> Diagnostic:
    """A diagnostic of a name, a flag or a source with the edit that its help speaks of, where there is one."""
    if wrong.edits or not len(wrong.span):
        return wrong
    text, start = source.slice(wrong.span), wrong.span.start
    named, perhaps = _NAMED.search(wrong.message), _PERHAPS.match(wrong.help)
    if perhaps is not None and named is not None and text.count(named[1]) == 1:
        at = start + text.index(named[1])
        new = perhaps[1] or perhaps[2]
        if not re.search(r"[\s\"'\\$]", new):
            return replace(wrong, edits=(Edit(span=Span(at, at + len(named[1])), text=new),))
    if wrong.help.startswith("remove --") and text.startswith("--"):
        blank = re.compile(r"[ \t]*").match(source.text, wrong.span.end)
        end = wrong.span.end if blank is None else blank.end()
        return replace(wrong, edits=(Edit(span=Span(start, end), text=""),))
    if (
        wrong.code == "E0321"
        and (instead := _INSTEAD.match(wrong.help)) is not None
        and not re.search("PATH|DIR|TAG", instead[1])
    ):
        return replace(wrong, edits=(Edit(span=wrong.span, text=instead[1]),))
    return wrong


def _quoted(word: str) -> str:
    return word if _BARE.fullmatch(word) and not word.startswith("--") else json.dumps(word, ensure_ascii=False)


def _maintainer(bad: _Refused) -> tuple[Edit, ...]:
    who = bad.rest.strip("\"'")
    if not who or "$" in who or '"' in who or "\\" in who:
        return ()
    return bad.whole(f"LABEL org.opencontainers.image.authors={json.dumps(who, ensure_ascii=False)}")


def _add(bad: _Refused) -> tuple[Edit, ...]:
    """ADD is COPY for files and FETCH for an address; a local archive, which it unpacks, has no like."""
    words = bad.rest.split()
    flags = [word for word in words if word.startswith("--")]
    values = _values(bad.rest) if not flags else words[len(flags) :]
    if len(values) < 2 or words[: len(flags)] != flags:
        return ()
    kept: list[str] = []
    pin = "--unpinned"
    for flag in flags:
        name, _, value = flag.partition("=")
        if name == "--checksum" and value.startswith("sha256:"):
            pin = f"--sha256={value.removeprefix('sha256:')}"
        elif name in ("--chown", "--chmod") and value:
            kept.append(flag)
        elif name != "--link":
            return ()
    *sources, destination = values
    addresses = [word for word in sources if re.match(r"https?://", word)]
    if not addresses and not any(_ARCHIVE.search(word) or word.endswith(".git") or "@" in word for word in sources):
        return bad.whole(" ".join(["COPY", *kept, *map(_quoted, values)]))
    if len(sources) == 1 and addresses and not sources[0].endswith(".git"):
        return bad.whole(" ".join(["FETCH", pin, *kept, _quoted(sources[0]), _quoted(destination)]))
    return ()


def _values(text: str) -> list[str]:
    """The words of a statement, or the strings of the array in their place; none where they are neither."""
    if text.startswith("["):
        try:
            return list(parse_exec_array(text))
        except PrimitiveError:
            return []
    return text.split() if not re.search(r"[\"'\\$#]", text) else []


def _no_array(bad: _Refused) -> tuple[Edit, ...]:
    at = bad.line.find("[")
    try:
        items = parse_exec_array(bad.line[at:])
    except PrimitiveError:
        return ()
    return bad.whole(bad.line[:at] + " ".join(map(_quoted, items))) if "$" not in bad.line else ()


def _array(bad: _Refused) -> tuple[Edit, ...]:
    """Shell text of CMD, ENTRYPOINT, SHELL: the array that does the same."""
    from metalor_lang.syntax.explain.commands import array_of

    return (Edit(span=bad.wrong.span, text=array_of(bad.source.slice(bad.wrong.span))),)


def _remedy(bad: _Refused) -> tuple[Edit, ...]:
    """The flag that the help shows, in place of what is written."""
    found = _REMEDY.match(bad.wrong.help)
    if found is None or re.search(r"=(?:PATH|NAME)\b|:DST\b", found[1]):
        return ()
    if bad.wrong.code != "E0242":
        return bad.word(found[1])
    name, _, value = found[1].partition("=")
    written = re.compile(rf"{re.escape(name)}[ \t]+{re.escape(value)}(?!\S)").match(
        bad.source.text, bad.wrong.span.start
    )
    return () if written is None else (Edit(span=Span(*written.span()), text=found[1]),)


def _meant(bad: _Refused) -> tuple[Edit, ...]:
    """The word or flag that is perhaps meant; a flag that is better left out goes."""
    if bad.wrong.help.startswith(_LEFT_OUT):
        found = re.compile(r"\S+[ \t]*").match(bad.source.text, bad.wrong.span.start)
        return () if found is None else (Edit(span=Span(*found.span()), text=""),)
    found = _MEANT.search(bad.wrong.help)
    if found is None:
        return ()
    text = bad.source.text
    start = bad.wrong.span.start if found[1].startswith("--") or bad.wrong.code == "E0249" else bad.start
    name = re.compile(r"--[A-Za-z0-9_-]+|[A-Za-z]+").match(text, start)
    return () if name is None else (Edit(span=Span(*name.span()), text=found[1]),)


def _stage(bad: _Refused) -> tuple[Edit, ...]:
    found = re.search(r"([ \t]AS[ \t]+)(\S+)\Z", bad.line)
    name = "" if found is None or "$" in found[2] else re.sub(r"[^a-z0-9_-]", "-", found[2].lower())
    if found is None or not re.fullmatch(r"[a-z][a-z0-9_-]*", name):
        return ()
    return (Edit(span=Span(bad.start + found.start(2), bad.start + found.end(2)), text=name),)


def _assigns(bad: _Refused) -> tuple[Edit, ...]:
    """`NAME = value` without its white space."""
    found = _ASSIGNS.match(bad.rest)
    if found is None:
        return ()
    return bad.whole(f"{bad.line.split()[0]} {found[1]}={found[2]}")


def _appends(bad: _Refused) -> tuple[Edit, ...]:
    found = re.fullmatch(r"ENV[ \t]+([A-Za-z_]\w*)\+=([^\s\"'\\$]+)", bad.line)
    return () if found is None else bad.whole(f"ENV {found[1]}=${{{found[1]}}}{found[2]}")


def _one_a_line(bad: _Refused) -> tuple[Edit, ...]:
    """Several things of a statement that takes one, each on its line."""
    if re.search(r"[\"'\\#]", bad.line):
        return ()
    word, *rest = bad.line.split()
    if word == "ARG" and all(re.fullmatch(r"[A-Za-z_]\w*(=[^\s$]*)?", each) for each in rest):
        return bad.whole("\n".join(f"ARG {each}" for each in rest))
    if word == "UNSET" and len(rest) > 2:
        return bad.whole("\n".join(f"UNSET {rest[0]} {each}" for each in rest[1:]))
    return ()


def _unset(bad: _Refused) -> tuple[Edit, ...]:
    found = re.match(r"write (UNSET ENV \w+)", bad.wrong.help)
    return bad.whole(found[1]) if found is not None else _meant(bad)


def _no_backslash(bad: _Refused) -> tuple[Edit, ...]:
    slash = bad.source.text.find("\\", bad.wrong.span.start)
    return (Edit(span=Span(slash, slash + 1), text=""),) if slash == bad.wrong.span.start else ()


_RULES: Final[Mapping[str, Callable[[_Refused], tuple[Edit, ...]]]] = {
    "E0116": _no_backslash,
    "E0201": _meant,
    "E0203": _maintainer,
    "E0204": _add,
    "E0211": _array,
    "E0227": _no_array,
    "E0229": _remedy,
    "E0231": _stage,
    "E0234": _assigns,
    "E0235": _appends,
    "E0237": _one_a_line,
    "E0238": _one_a_line,
    "E0240": _meant,
    "E0242": _remedy,
    "E0243": _remedy,
    "E0249": _unset,
}
"""By the code of the error."""
