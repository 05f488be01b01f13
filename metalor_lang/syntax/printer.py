"""One statement as text, from its node: as histories, events and lists show it.

Invariant: what is printed parses to the same statement, blocks apart.
"""

import re
from json.encoder import encode_basestring

from metalor_lang.pattern import pattern
from metalor_lang.syntax import ast

_PLAIN = pattern(r"[A-Za-z0-9_./:@%+,=^~-]+")
_NOT_BARE = pattern(r"[\s\"'\\\x00-\x1f\x7f-\x9f]")
_DOLLAR_TRAP = pattern(r"\$+(?=[A-Za-z_({]|\Z)")


def print_statement(statement: ast.Statement) -> str:
    """The statement on one line, as history and events show it; the text of an SH block follows SH whole.

    What is printed parses to the same statement, blocks apart: of a FILE only the destination is shown.
    """
    flags = "".join(f" {_flag(flag)}" for flag in statement.flags)
    return statement.word + flags + _rest(statement)


def _rest(statement: ast.Statement) -> str:
    match statement:
        case ast.RecipeVersion():
            return f" {statement.version}"
        case ast.Arg():
            return f" {statement.name}" + (
                "" if statement.default is None else f"={print_word(statement.default, value=True)}"
            )
        case ast.From():
            return f" {print_word(statement.base)}" + (f" AS {statement.stage}" if statement.stage else "")
        case ast.Env() | ast.Label() | ast.Annotate():
            return _pairs(statement.pairs)
        case ast.Unset():
            return f" {statement.kind}" + (f" {print_word(statement.name)}" if statement.name else "")
        case ast.Workdir():
            return f" {print_word(statement.path)}"
        case ast.User():
            return f" {print_word(statement.user)}"
        case ast.StopSignal():
            return f" {print_word(statement.signal)}"
        case ast.Layer():
            return f" {print_word(statement.name)}"
        case ast.Expose():
            return _words(*statement.ports)
        case ast.Volume():
            return _words(*statement.paths)
        case ast.Shell() | ast.Entrypoint() | ast.Cmd() | ast.Run():
            return " [" + ", ".join(_double(item, in_array=True) for item in statement.argv.items) + "]"
        case ast.Sh():
            return " " + statement.text.text.strip("\n")
        case ast.Copy():
            return _words(*statement.sources, statement.destination)
        case ast.File():
            return _words(statement.destination)
        case ast.Fetch() | ast.Git():
            return _words(statement.url, statement.destination)
        case ast.Test():
            return f" {print_statement(statement.step)}"
        case ast.If() | ast.Else():
            return _condition(statement.condition, isinstance(statement, ast.Else))
        case ast.End():
            return ""
        case ast.For():
            return f" {statement.name} IN{_words(*statement.values)}"
        case ast.Define():
            return f" {statement.name}" + "".join(
                f" {each.name}" + ("" if each.default is None else f"={print_word(each.default, value=True)}")
                for each in statement.parameters
            )
        case ast.Use():
            return f" {statement.title}" + _pairs(statement.pairs)
        case ast.Import():
            return f" {print_word(statement.path)} AS {statement.space}"


def _condition(condition: ast.Condition | None, otherwise: bool) -> str:
    if condition is None:
        return ""
    before = " IF" if otherwise else ""
    return f"{before} {print_word(condition.value)} {condition.comparison}{_words(*condition.others)}"


def _pairs(pairs: tuple[ast.Pair, ...]) -> str:
    return "".join(f" {pair.key}={print_word(pair.value, value=True)}" for pair in pairs)


def _words(*words: ast.Word) -> str:
    return "".join(f" {print_word(word)}" for word in words)


def _flag(flag: ast.Flag) -> str:
    return f"--{flag.name}" + ("" if flag.value is None else f"={print_word(flag.value, value=True)}")


def print_word(word: ast.Word, *, value: bool = False) -> str:
    """A word as it is written: bare where that means the same, else in quotes.

    Args:
        word: the word.
        value: whether it stands behind `=`, where more may come first and nothing at all is a value.

    """
    literal = word.literal
    if word.form is ast.Form.BARE and (bare := _bare(word, value=value)) is not None:
        return bare
    if literal is not None and _PLAIN.fullmatch(literal) and not literal.startswith("--"):
        return literal
    if literal is not None and "$" in literal and not re.search(r"['\r\n\x00-\x08\x0b-\x1f\x7f-\x9f]", literal):
        return f"'{literal}'"
    return _double(word, in_array=False)


def _bare(word: ast.Word, *, value: bool) -> str | None:
    """The word without quotes, or None where it needs some."""
    if not word.parts:
        return "" if value else None
    out = []
    for index, part in enumerate(word.parts):
        if isinstance(part, ast.Ref):
            out.append(f"${{{part.name}}}")
            continue
        if _NOT_BARE.search(part.value):
            return None
        text = part.value.replace("${", "$${")
        follows = index + 1 < len(word.parts)
        if re.search(r"\$[A-Za-z_(]", text) or (follows and text.endswith("$")):
            return None
        out.append(text)
    text = "".join(out)
    if text.startswith(("[", "#", "--", "<<")) and not value:
        return None
    return text


def _double(word: ast.Word, *, in_array: bool) -> str:
    """The word in double quotes."""
    out = []
    for index, part in enumerate(word.parts):
        if isinstance(part, ast.Ref):
            out.append(f"${{{part.name}}}")
            continue
        if "$" not in part.value:
            out.append(_escaped(part.value))
            continue
        last = index + 1 == len(word.parts)

        def dollars(found: re.Match[str], text: str = part.value, last: bool = last) -> str:
            following = text[found.end() : found.end() + 1]
            if following == "{":
                return found.group() + "$"
            # A `$` that would be read together with what follows is written by its number.
            if (not following and not last) or (following and not in_array):
                return "\\u0024" * len(found.group())
            return found.group()

        pieces: list[str] = []
        at = 0
        for found in _DOLLAR_TRAP.finditer(part.value):
            pieces += (_escaped(part.value[at : found.start()]), dollars(found))
            at = found.end()
        out.append("".join(pieces) + _escaped(part.value[at:]))
    return '"' + "".join(out) + '"'


def _escaped(text: str) -> str:
    """Text with JSON's escapes, and those characters escaped that no recipe may hold."""
    quoted = encode_basestring(text)[1:-1]
    if quoted.isprintable():
        return quoted
    return re.sub(r"[\x7f-\x9f\u202a-\u202e\u2066-\u2069]", lambda found: f"\\u{ord(found.group()):04x}", quoted)
