"""Completion: everything that can stand at a place in a recipe, and nothing else.

Invariant: an item put in its place gives a text with which a right statement can begin, and each terminal that the
parser takes there is offered, unless it is text of the user's own (`FREE`).
"""

import json
import re
from collections.abc import Iterable, Iterator

from metalor_lang.hints import Final
from metalor_lang.record import dataclass
from metalor_lang.source import SourceFile, Span
from metalor_lang.syntax import ast
from metalor_lang.syntax.characters import bad_characters
from metalor_lang.syntax.printer import print_statement, print_word
from metalor_lang.syntax.statements import BY_WORD
from metalor_lang.tooling import shell
from metalor_lang.tooling.items import Item, ItemKind, Nothing, Surroundings
from metalor_lang.tooling.paths import Candidate
from metalor_lang.tooling.scope import Scope, groups_of, scope_behind
from metalor_lang.tooling.slots import Slot, slot_of
from metalor_lang.tooling.unfinished import Unfinished, expected, unfinished, viable
from metalor_lang.tooling.values import FLAG_VALUES, KEYS, WORDS, Asked

MARKS: Final = {
    "EQ": ("=", "a value follows"),
    "REF_OPEN": ("${", "the value of an ARG or ENV"),
    "REF_CLOSE": ("}", "ends the name"),
    "LBRACKET": ("[", "an array of strings: the program and its arguments"),
    "RBRACKET": ("]", "ends the array"),
    "COMMA": (",", "one more string follows"),
    "IS": ("==", "if the two are the same text; != if they are not"),
    "DOT": (".", "a group of an imported file follows"),
    "QUOTE": ('"', "a string: JSON's escapes, and ${NAME}"),
    "QUOTE_END": ('"', "ends the string"),
    "RAW_OPEN": ("'''", "a block, in which nothing is touched"),
    "RAW_CLOSE": ("'''", "ends the block"),
    "TEXT_OPEN": ('"""', "a block, in which ${NAME} is expanded"),
    "TEXT_CLOSE": ('"""', "ends the block"),
}
"""Terminals that are written in one way, with their help."""

INNER: Final = {
    "AS": "names the stage",
    "IN": "one of the values behind it",
    "NOT": "none of the values behind it: NOT IN",
}
"""Words of the language that stand inside a line only, with their help."""

FREE: Final = frozenset(
    {"WS", "NL", "BACKSLASH", "COMMENT", "$END", "ARG_NAME", "ENV_KEY", "STAGE_NAME", "GROUP_NAME", "DOLLARS_BRACE",
     "DOLLAR", "WORD", "VALUE", "REST", "SINGLE", "STRING", "ITEM", "ESCAPE", "SH_TEXT", "SH_LINE", "RAW_LINE",
     "TEXT"}
)  # fmt: skip
"""Terminals that are the user's own text: names and values are offered for them where some are known."""

_ABOVE_STAGES: Final = frozenset({"ARG", "FROM", "IF", "FOR", "DEFINE", "IMPORT"})
_NOT_IN_A_BLOCK: Final = frozenset({"ARG", "FROM", "RECIPE", "DEFINE", "IMPORT"})
_ARGUMENTS_ONLY: Final = frozenset({"", "ARG", "FROM", "IF", "ELSE", "FOR", "DEFINE", "USE", "IMPORT"})
"""Statements that see no variable of a stage."""
_VALUES: Final = frozenset({"WORD", "VALUE", "REST", "STRING", "ITEM", "SINGLE", "QUOTE_END"})
_NAMED: Final = frozenset({ItemKind.FILE, ItemKind.FOLDER, ItemKind.PROGRAM})
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./+:@%,-]*")
_REF: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$(\$+\{)")


def complete(text: str, cursor: int, around: Surroundings | None = None, *, before: str = "") -> tuple[Item, ...]:
    """The items for a place in a recipe, the likeliest first.

    Args:
        text: the recipe; what stands behind the cursor does not matter.
        cursor: offset of the cursor.
        around: who knows files, images and names from outside.
        before: whole statements that stand above the text, which ends a recipe; spans do not count them.

    """
    typed = unfinished(text, cursor)
    if typed is None:
        return ()
    scope = scope_behind(before + text[: typed.start])
    asked = _Asked(typed=typed, slot=slot_of(typed), scope=scope, around=around or Nothing())
    found: dict[str, Item] = {}
    for kind in (asked.words, asked.names, asked.values, asked.keys, asked.flags, asked.marks):
        for item in kind():
            if item.insert not in found and asked.fits(item):
                found[item.insert] = item
    return tuple(found.values()) or tuple(item for item in asked.behind() if asked.fits(item))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A statement at the cursor with all that is known of it; each method gives one kind of items."""

    typed: Unfinished
    slot: Slot
    scope: Scope
    around: Surroundings

    def item(
        self, text: str, kind: ItemKind, help: str = "", suffix: str = "", at: int | None = None, label: str = ""
    ) -> Item:
        start = self.typed.at if at is None else at
        span = Span(self.typed.start + start, self.typed.start + len(self.typed.text))
        return Item(text=text, span=span, kind=kind, help=help, suffix=suffix, label=label)

    def fits(self, item: Item) -> bool:
        """Whether an item continues what is typed (in any case), and gives the beginning of a statement."""
        at = item.span.start - self.typed.start
        written = self.typed.text[at:]
        begins = item.text.lower().startswith(written.lower()) or _unquoted(item.text).startswith(_unquoted(written))
        if not begins:
            return False
        if item.kind in _NAMED and _PLAIN.fullmatch(item.text) and not item.text.startswith("-"):
            return True  # thousands of names: such a one is itself wherever a name can stand
        return viable(self.typed.text[:at] + item.insert) and not bad_characters(SourceFile("", item.insert))

    # ---- words of the language ---------------------------------------------------------------------------------

    def words(self) -> Iterator[Item]:
        """Statement words, AS, and what UNSET takes away."""
        for word, spec in BY_WORD.items():
            if word in self.typed.accepts and self._stands(word):
                alone = word in ("ELSE", "END")
                if self.slot.word == "UNSET" and not self.slot.what:
                    alone = word not in ("ENV", "LABEL", "VOLUME", "EXPOSE")
                kind = ItemKind.STATEMENT if not self.typed.tokens or self.slot.test else ItemKind.KEYWORD
                help = spec.summary if self.slot.word != "UNSET" else f"takes away what {word} set"
                yield self.item(word, kind, help, "" if alone else " ")
        for word, help in INNER.items():
            if word in self.typed.accepts:
                help = "names the space of its groups" if self.slot.word == "IMPORT" else help
                yield self.item(word, ItemKind.KEYWORD, help, " ")

    def _stands(self, word: str) -> bool:
        """Whether the checker lets a statement begin here."""
        if self.typed.tokens:
            return True
        blocks = self.scope.blocks
        if word in ("END", "ELSE"):
            return bool(blocks) and (word == "END" or blocks[-1] == "IF")
        if word in _NOT_IN_A_BLOCK and blocks:
            return word in ("ARG", "FROM") and not {"DEFINE", "FOR" if word == "ARG" else ""} & set(blocks)
        if not self.scope.in_stage:
            return word in _ABOVE_STAGES or (word == "RECIPE" and self.scope.first)
        return word not in ("RECIPE", "IMPORT") and word not in self.scope.written

    # ---- flags -------------------------------------------------------------------------------------------------

    def flags(self) -> Iterator[Item]:
        """The flags that the statement takes and that do not stand there yet."""
        if "FLAG" not in self.typed.accepts or self.slot.word not in BY_WORD:
            return
        for flag in BY_WORD[self.slot.word].flags:
            if flag.repeats or flag.name not in self.slot.flags:
                suffix = "=" if flag.takes_value else " "
                yield self.item(f"--{flag.name}", ItemKind.FLAG, flag.summary, suffix)

    # ---- names -------------------------------------------------------------------------------------------------

    def names(self) -> Iterator[Item]:
        """The names in `${`, and whole expansions behind a lone `$`."""
        dollar = self.typed.partial == "$" and "REF_OPEN" in self.typed.accepts
        if "REF" not in self.typed.accepts and not dollar:
            return
        head, tail = ("${", "}") if dollar else ("", "}")
        for name, value in self.scope.arguments.items():
            yield self.item(head + name, ItemKind.ARGUMENT, value or "", tail, label=name)
        if self.slot.word in _ARGUMENTS_ONLY or self.slot.flag == "from":
            return  # only arguments are seen there
        for name, value in {**self.around.environment(), **self.scope.environment}.items():
            if name not in self.scope.arguments:
                yield self.item(head + name, ItemKind.VARIABLE, value or "", tail, label=name)

    # ---- keys --------------------------------------------------------------------------------------------------

    def keys(self) -> Iterator[Item]:
        """Keys of ENV, LABEL and ANNOTATE, and of their UNSET."""
        unset = self.slot.word == "UNSET"
        if unset and {"ENV_KEY", "META_KEY"} & self.typed.accepts:
            for each in WORDS["UNSET"](self._asked("")):
                yield self.item(each.text, each.kind, each.help)
        elif "ENV_KEY" in self.typed.accepts:
            for name, value in {**self.around.environment(), **self.scope.environment}.items():
                if name not in self.scope.arguments:
                    yield self.item(name, ItemKind.VARIABLE, value or "", "=")
            for name in self.scope.arguments:
                yield self.item(f"{name}=${{{name}}}", ItemKind.ARGUMENT, "ships the argument", label=name)
        elif self.slot.word == "USE":
            yield from self._groups()
        elif "META_KEY" in self.typed.accepts:
            own = [(name, "set in this stage") for name in self.scope.set.get(ast.UnsetKind.LABEL, ())]
            for name, help in (*own, *KEYS):
                yield self.item(name, ItemKind.KEY, help, "=")
        if "VERSION" in self.typed.accepts:
            for each in WORDS["RECIPE"](self._asked("")):
                yield self.item(each.text, each.kind, each.help)

    def _groups(self) -> Iterator[Item]:
        """Groups and spaces behind USE, and the parameters that are not given yet."""
        tokens = self.typed.tokens
        names = [self.typed.text[token.start : token.end] for token in tokens if token.type == "GROUP_NAME"]
        there = any(token.type == "DOT" for token in tokens)
        if there:
            text = self.around.recipe(self.scope.spaces.get(names[0], ""))
            groups = groups_of(text) if text is not None else {}
        else:
            groups = self.scope.groups
        if "GROUP_NAME" in self.typed.accepts and len(names) == there:
            for name, group in groups.items():
                yield self.item(name, ItemKind.GROUP, print_statement(group), " " if group.parameters else "")
            for space, path in self.scope.spaces.items() if not there else ():
                yield self.item(space, ItemKind.GROUP, f"the groups of {path}", ".")
        if "ARG_NAME" in self.typed.accepts:
            given = {self.typed.text[token.start : token.end] for token in tokens if token.type == "ARG_NAME"}
            found = groups.get(names[-1]) if names else None
            for each in found.parameters if found is not None else ():
                if each.name not in given:
                    help = "must be given" if each.default is None else f"else {print_word(each.default, value=True)}"
                    yield self.item(each.name, ItemKind.ARGUMENT, help, "=")

    # ---- values ------------------------------------------------------------------------------------------------

    def _asked(self, written: str) -> Asked:
        found = re.search(r"--from=[\"']?([A-Za-z][A-Za-z0-9_.-]*)", self.typed.text)
        origin = found.group(1) if found else ""
        return Asked(written=written, slot=self.slot, scope=self.scope, around=self.around, origin=origin)

    def values(self) -> Iterator[Item]:
        """What the word, the value or the string at the cursor can be."""
        if self.typed.accepts & {"SH_TEXT", "SH_LINE"}:
            yield from self._shell()
            return
        if not self.typed.accepts & _VALUES:
            return
        raw = self.typed.text[self.slot.value + len(self.slot.quote) :]
        written = self._expanded(raw)
        if written is None:
            return
        asked = self._asked(written)
        spec = BY_WORD[self.slot.word] if self.slot.word else None
        if self.slot.flag:
            flag = spec.flag(self.slot.flag) if spec is not None else None
            found: Iterable[Candidate] = FLAG_VALUES[flag.value](asked) if flag is not None else ()
        else:
            found = WORDS[self.slot.word](asked) if self.slot.word and not self.slot.key else ()
        for each in found:
            if each.text.lower().startswith(written[each.cut :].lower()):
                yield from self._value(each, raw, written)

    def _shell(self) -> Iterator[Item]:
        text = self.typed.partial
        for each in shell.candidates(text, self.scope, self.around):
            yield self.item(each.text, each.kind, each.help, each.suffix, self.typed.at + each.cut)

    def _expanded(self, raw: str) -> str | None:
        """What stands of a value, expanded and without escapes; None where a part of it is not known."""
        known = {**self.around.environment(), **self.scope.environment, **self.scope.arguments}
        missing = False

        def value_of(found: re.Match[str]) -> str:
            nonlocal missing
            if found.group(2):
                return found.group(2)
            value = known.get(found.group(1))
            missing = missing or value is None
            return value or ""

        if self.slot.quote == "'":
            return raw
        text = _REF.sub(value_of, raw)
        if self.slot.quote and "\\" in text:
            try:
                text = json.loads(f'"{text}"')
            except ValueError:
                return None
        return None if missing else text

    def _value(self, each: Candidate, raw: str, written: str) -> Iterator[Item]:
        """A candidate as it is written at the cursor: in the quotes that are open, or in new ones if it needs some."""
        tail = written[each.cut :]
        at = len(self.typed.text) - len(tail)
        quote = self.slot.quote
        whole = raw == written
        if not raw.endswith(tail):
            return
        text, suffix = each.text, each.suffix
        if quote == '"':
            text = json.dumps(each.text, ensure_ascii=False)[1:-1]
        elif not quote and (each.quoted or not _PLAIN.fullmatch(each.text)) and self._needs_quotes(each, at):
            if not whole:
                return
            nowhere = Span(0, 0)
            parts = (ast.Text(value=written[: each.cut] + each.text, span=nowhere),)
            text = print_word(ast.Word(parts=parts, form=ast.Form.DOUBLE, span=nowhere))
            if not text.startswith(("'", '"')):
                text = f'"{text}"'
            quote, at = text[0], self.slot.value
            yield self.item(text[:-1], each.kind, each.help, "" if each.open else suffix + quote, at, label=each.text)
            return
        yield self.item(text, each.kind, each.help, suffix + ("" if each.open else quote), at, label=each.text)

    def _needs_quotes(self, each: Candidate, at: int) -> bool:
        return each.quoted or not _stays_bare(self.typed.text[:at], each.text)

    # ---- marks -------------------------------------------------------------------------------------------------

    def marks(self) -> Iterator[Item]:
        """What is written in one way: at what is being typed, and behind it where it could end here."""
        for name, (text, help) in MARKS.items():
            if name in self.typed.accepts:
                opens = name == "LBRACKET"
                yield self.item(text, ItemKind.MARK, help, '"' if opens else "")

    def behind(self) -> Iterator[Item]:
        """What could end the word that is being typed."""
        if self.typed.partial and self.slot.quote != "'" and viable(self.typed.text):
            accepted = expected(self.typed.text)
            for name in ("EQ", "QUOTE_END", "COMMA", "RBRACKET"):
                if name in accepted:
                    text, help = MARKS[name]
                    yield self.item(text, ItemKind.MARK, help, at=len(self.typed.text))


def _unquoted(text: str) -> str:
    return re.sub(r"[\\\"']", "", text).lower()


def _stays_bare(before: str, text: str) -> bool:
    """Whether a text is itself, as one token, in a bare word."""
    if not viable(before + text) or re.search(r"[\s\"'\\$]", text):
        return False
    return not (before[-1:] in " \t\n" and text.startswith(("#", "[", "--", "<<")))
