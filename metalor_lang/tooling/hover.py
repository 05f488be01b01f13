"""What can be said of a place in a recipe: the name there, the flag, the statement.

Invariant: says what the tables and the checker know, and guesses nothing.
"""

from metalor_lang.record import dataclass
from metalor_lang.source import SourceFile, Span
from metalor_lang.syntax import ast
from metalor_lang.syntax.statements import BY_WORD
from metalor_lang.tooling.describe import describe_flag, describe_statement
from metalor_lang.tooling.names import How, NameKind, Names, Origin, Symbol, Use
from metalor_lang.tooling.outline import statement_at, tokens_of

_MOST_LINES = 12
"""Lines of a group that are shown."""
_ALWAYS = {
    "TARGETPLATFORM": "the platform that is built for",
    "TARGETOS": "the operating system that is built for",
    "TARGETARCH": "the architecture that is built for",
    "TARGETVARIANT": "the variant of the architecture that is built for; may be empty",
    "BUILDPLATFORM": "the platform of the machine that builds",
    "BUILDOS": "the operating system of the machine that builds",
    "BUILDARCH": "the architecture of the machine that builds",
    "SOURCE_DATE_EPOCH": "the newest time in the image, in seconds since 1970; each stage has its own",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """A text of Markdown about a span."""

    span: Span
    text: str


def about(names: Names, offset: int) -> About | None:
    """What is known of the place at an offset; None where nothing is to be said."""
    use = names.at(offset)
    if use is not None:
        return About(span=use.span, text=_group(names, use) or _name(names, use))
    return _condition(names, offset) or _word(names.source, offset)


def _group(names: Names, use: Use) -> str:
    """A group where it is used: its parameters and the lines that it stands for."""
    found = names.groups.get(use.symbol.name) if use.symbol.kind is NameKind.GROUP else None
    if found is None or use.how is How.DECLARES:
        return ""
    define, body = found
    return body_text(names.source, Span(define.span.start, body.end))


def body_text(source: SourceFile, span: Span, where: str = "") -> str:
    """The lines of a group as Markdown, as far as there is room."""
    first, last = source.position(span.start).line, source.position(span.end).line
    lines = [source.line(number) for number in range(first, min(last, first + _MOST_LINES - 1) + 1)]
    lines += ["    …"] if last > first + _MOST_LINES - 1 else []
    return "\n".join(["```metalor", *lines, "```", f"the group of line {first}{where}"])


def _condition(names: Names, offset: int) -> About | None:
    """Whether a condition is so, with the values that are known."""
    found = next((each for each in names.conditions if each.span.start <= offset <= each.span.end), None)
    if found is None:
        return None
    value = names.text(found.value)
    others = [names.text(word) for word in found.others]
    if value is None or None in others:
        return About(span=found.span, text="Whether this is so depends on a value that the build gives.")
    known = [other for other in others if other is not None]
    so = (value in known) is (found.comparison in (ast.Comparison.EQUAL, ast.Comparison.IN))
    listed = " ".join(code(other) for other in known)
    return About(
        span=found.span, text=f"{code(value)} {found.comparison} {listed}: {'it is so' if so else 'it is not'}"
    )


def _name(names: Names, use: Use) -> str:
    symbol = use.symbol
    lines = [f"**`{symbol.name}`** {_what(symbol)}"]
    if use.how is How.SHELL and symbol.kind is NameKind.VARIABLE:
        lines.append("Shell text names it: the shell may have its own.")
    if symbol.kind is NameKind.GROUP and (listed := len(names.of(symbol)) - 1) >= 0:
        lines.append(f"used {listed} time{'' if listed == 1 else 's'}" if listed else "nothing uses it")
    elif use.value is not None and symbol.kind is not NameKind.STAGE:
        lines.append(f"value here: {code(use.value)}")
    elif symbol.kind is NameKind.ARGUMENT and symbol.origin is Origin.RECIPE:
        lines.append("It has no default: the build must give it.")
    for each in names.declarations(symbol):
        if each.span != use.span:
            line = names.source.position(each.span.start).line
            lines.append(f"line {line}: {code(' '.join(names.source.slice(each.statement).split()))}")
    return "\n\n".join(lines)


def _what(symbol: Symbol) -> str:
    if symbol.origin is Origin.ALWAYS:
        return f"is {_ALWAYS.get(symbol.name, 'always defined')}"
    if symbol.origin is Origin.BASE:
        return "is a variable that the base image may set"
    return {
        NameKind.ARGUMENT: "is an argument of the build",
        NameKind.VARIABLE: "is a variable of the stage, and of its image",
        NameKind.STAGE: "is a stage",
        NameKind.CONTEXT: "is a context: a folder that is given to the build",
        NameKind.LOOP: "is each value of its FOR in turn",
        NameKind.PARAMETER: "is a parameter of its group: a USE gives it",
        NameKind.GROUP: "is a group of statements",
        NameKind.SPACE: "is the space of an imported file's groups",
    }[symbol.kind]


def _word(source: SourceFile, offset: int) -> About | None:
    """The statement's word or the flag at an offset."""
    cut = statement_at(source, offset)
    if cut is None:
        return None
    tokens = tokens_of(source, cut)
    words = [token for token in tokens if token.type in BY_WORD]
    spec = None
    for kind, start, end in tokens:
        if kind in BY_WORD and words and start <= words[min(1, len(words) - 1)].start:
            spec = BY_WORD[kind]
        span = Span(cut.start + start, cut.start + end)
        if not span.start <= offset < span.end or spec is None:
            continue
        if kind in BY_WORD:
            return About(span=span, text=describe_statement(BY_WORD[kind]))
        flag = spec.flag(source.slice(span).removeprefix("--")) if kind == "FLAG" else None
        if flag is not None:
            return About(span=span, text=describe_flag(spec, flag))
    return None


def code(text: str) -> str:
    """A text as Markdown's code; on one line."""
    if not text:
        return "(empty)"
    fence = "``" if "`" in text else "`"
    space = " " if text[0] == "`" or text[-1] == "`" else ""
    shown = text if len(text) <= 200 else f"{text[:199]}…"
    return f"{fence}{space}{' '.join(shown.splitlines())}{space}{fence}"
