r"""The model as a TextMate grammar, which Visual Studio Code and many others read.

Invariant: vscode-textmate gives every character the role that the model gives it.

A region stands for each state: entered behind the text of a move, left at the end of the line. A move leads into a
region inside, so whatever stands in a region stands at `\G`, where it was entered; and at a line end `\G` tells whether
the line ended in this very state, or in one inside that has been left since: then nothing goes on, and this one is left
too. A state that goes on over a line end takes it and stays; its patterns at `^` are those of the state in which the
next line starts. In a state where nothing goes on a move into itself opens no region, and `\G` is not asked for.
"""

import json
from collections.abc import Iterator
from typing import Final, TypeAlias

from metalor_lang.editors import regex
from metalor_lang.editors.model import START, Model, Move
from metalor_lang.tooling.roles import Role

PATH: Final = "grammar/editors/vscode/syntaxes/metalor.tmLanguage.json"

SCOPES: Final[dict[Role, str]] = {
    Role.KEYWORD: "keyword.control",
    Role.COMMENT: "comment.line.number-sign",
    Role.CONTINUATION: "punctuation.separator.continuation",
    Role.FLAG: "entity.other.attribute-name",
    Role.OPERATOR: "keyword.operator",
    Role.NUMBER: "constant.numeric",
    Role.NAME: "variable.other.constant",
    Role.KEY: "support.type.property-name",
    Role.WORD: "meta.word",
    Role.STRING: "string.quoted",
    Role.ESCAPE: "constant.character.escape",
    Role.VARIABLE: "variable.other.readwrite",
    Role.EXPANSION: "punctuation.section.embedded",
    Role.FENCE: "string.quoted.triple",
    Role.SHELL: "meta.embedded.block.shell",
    Role.BLOCK: "string.unquoted.block",
    Role.ERROR: "invalid.illegal",
}
"""Role → scope, as themes know them; `.metalor` is put behind each. Bare words have no colour, and no `string` in their
scope: inside of strings Visual Studio Code closes no brackets and opens no menus.
"""

_Rule: TypeAlias = dict[str, object]

_END: Final = r"\r?\n"
_REST: Final = r"(?:[^\r\n]|\r(?!\n))+"


def scope(role: Role) -> str:
    """The scope of a role."""
    return f"{SCOPES[role]}.metalor"


def files(model: Model) -> dict[str, str]:
    """The grammar by its path.

    Raises:
        ValueError: a line end leads where this scheme cannot follow.

    """
    return {PATH: text(model)}


def text(model: Model) -> str:
    """The grammar as JSON, one rule of the repository a line."""
    grammar = _Grammar(model)
    repository = ",\n".join(f"    {json.dumps(name)}: {_json(rule)}" for name, rule in grammar.repository())
    head = {"name": "Metalor", "scopeName": "source.metalor", "fileTypes": ["metalor"]}
    lines = [
        *(f"  {json.dumps(key)}: {_json(value)}" for key, value in head.items()),
        f'  "comment": "Made from grammar/metalor.lark ({model.grammar[:12]}) by `make grammar`, not by hand."',
        f'  "patterns": {_json([{"include": "#start"}])}',
        f'  "repository": {{\n{repository}\n  }}',
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


class _Grammar:
    """Writes one model's rules."""

    def __init__(self, model: Model) -> None:
        self.model = model
        ranges = tuple((low, high) for low, high in model.bad.ranges if not 0xD800 <= low <= 0xDFFF)
        self.bad = regex.Class(ranges)
        # Another grammar's match may hold what no recipe may: such a line is not shown to it.
        self.clean = f"(?=[^{spelled(self.bad)[1:-1]}\\r\\n]*{_END})"
        self.lines = sorted({state.newline for state in model.states} - {START})
        for state in self.lines:
            self._check(state)

    def _check(self, line: int) -> None:
        """Blank lines end what goes on, or change nothing; in the latter case, whatever goes on inside is the same."""
        states = self.model.states
        if states[line].newline not in (START, line):
            raise ValueError(f"a blank line leads from state {line} to another that goes on")
        if states[line].newline == START:
            return
        inside, todo = {line}, [line]
        while todo:
            for to in (move.target for move in states[todo.pop()].moves):
                if to not in inside:
                    inside.add(to)
                    todo.append(to)
                    newline = states[to].newline
                    if newline != START and states[newline].newline != newline:
                        raise ValueError(f"a blank line changes nothing in state {line}, but ends {newline} inside it")

    def repository(self) -> Iterator[tuple[str, _Rule]]:
        """Every rule by its name."""
        yield "bad", {"match": spelled(self.bad), "name": scope(Role.ERROR)}
        yield "start", {"patterns": [*self._moves(START, "", START), _wrong("")]}
        for number in range(1, len(self.model.states)):
            yield f"s{number}", {"patterns": list(self._state(number))}
        for number in self.lines:
            yield f"l{number}", {"patterns": list(self._line(number))}

    def _state(self, number: int) -> Iterator[_Rule]:
        """What stands in a state, and where the next line goes on."""
        newline = self.model.states[number].newline
        if newline != START:
            yield {"include": f"#l{newline}"}
            yield {"match": rf"\G{_END}"}
        loops = newline == START and any(move.target == number for move in self.model.states[number].moves)
        anchor = "" if loops else r"\G"
        yield from self._moves(number, anchor, newline)
        yield _wrong(anchor)

    def _line(self, number: int) -> Iterator[_Rule]:
        """What stands in a state in which a line starts."""
        state = self.model.states[number]
        if state.newline == number:
            yield {"match": f"^{_END}"}
        if any(move.role is Role.SHELL and state.newline == number for move in state.moves):
            yield from self._block(number)
        yield from self._moves(number, "^", number)
        yield _wrong("^")

    def _block(self, number: int) -> Iterator[_Rule]:
        """Lines of shell that another grammar reads, up to one that does not belong there, whatever stands open."""
        ends = [move.pattern for move in self.model.states[number].moves if move.role is not Role.SHELL]
        here = f"^(?!{'|'.join(map(spelled, ends))}){self.clean}"
        yield {
            "begin": here,
            "while": here,
            "contentName": scope(Role.SHELL),
            "patterns": [{"include": "source.shell"}],
        }

    def _moves(self, number: int, anchor: str, newline: int) -> Iterator[_Rule]:
        """The moves of a state; `newline` is where the next line starts in the region in which they stand."""
        for move in self.model.states[number].moves:
            pattern = f"(?:{spelled(move.pattern)})"
            captures = self._captures(move)
            if move.target == number and newline == START:
                yield {"match": pattern, **({"captures": captures} if captures else {})}
                continue
            region: _Rule = {
                "end": self._end(move.target, newline),
                "patterns": [{"include": f"#s{move.target}"}],
            }
            if move.role is Role.SHELL:
                if (rest := _behind_first(move.pattern)) is not None:
                    command = {"1": _COMMAND_CAPTURE, "2": _SHELL_CAPTURE}
                    yield {"begin": f"{anchor}{self.clean}{_COMMAND}({rest})", "beginCaptures": command, **region}
                yield {"begin": f"{anchor}{self.clean}{pattern}", "beginCaptures": {"0": _SHELL_CAPTURE}, **region}
            yield {"begin": anchor + pattern, **({"beginCaptures": captures} if captures else {}), **region}

    def _end(self, number: int, outside: int) -> str:
        """Where the region of a state ends."""
        newline = self.model.states[number].newline
        if newline == START:
            return f"(?={_END})"
        if newline == outside:
            # What stands outside goes on in the same way: the line end is left to it, so that regions do not pile up.
            return rf"\G{_END}|(?={_END})"
        stays = r"\G|^" if self.model.states[newline].newline == newline else r"\G"
        return f"(?!{stays})(?={_END})"

    def _captures(self, move: Move) -> _Rule:
        """What the text of a move is."""
        if move.role is Role.SPACE:
            return {}
        bad = regex.meet(regex.characters(move.pattern), self.bad.ranges)
        return {"0": {"name": scope(move.role), **({"patterns": [{"include": "#bad"}]} if bad else {})}}


_SHELL_CAPTURE: Final[_Rule] = {"name": scope(Role.SHELL), "patterns": [{"include": "source.shell"}]}
_COMMAND_CAPTURE: Final[_Rule] = {"name": f"{scope(Role.SHELL)} entity.name.command.shell"}
# The shell's grammar knows a command by the line's start before it, where ours has SH: its first word is named here.
_COMMAND: Final = (
    "((?!(?:case|coproc|do|done|elif|else|esac|fi|for|function|if|in|select|then|time|until|while)\\b)"
    "[A-Za-z0-9_./+-]+(?=[ \\t;&|]|\\r?\\n))"
)


def _behind_first(pattern: regex.Node) -> str | None:
    """What a pattern matches behind its first characters, when it goes on in one way."""
    if not isinstance(pattern, regex.Sequence) or not isinstance(pattern.parts[-1], regex.Repeat):
        return None
    words = (
        (ord("+"), ord("+")),
        (ord("-"), ord("9")),
        (ord("A"), ord("Z")),
        (ord("_"), ord("_")),
        (ord("a"), ord("z")),
    )
    more = pattern.parts[-1]
    alone = (
        [part for part in more.what.options if isinstance(part, regex.Class)]
        if isinstance(more.what, regex.Choice)
        else []
    )
    if not any(regex.covers(each, words) for each in alone):
        return None
    return spelled(more)


def _wrong(anchor: str) -> _Rule:
    return {"match": f"{anchor}{_REST}", "name": scope(Role.ERROR)}


def spelled(node: regex.Node) -> str:
    r"""A pattern as Oniguruma reads it: as Python's, but for characters above U+FFFF and `\x80` to `\xff`."""
    return regex.python(node, code=lambda number: f"\\x{{{number:x}}}")
