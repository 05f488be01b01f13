"""Help for the statement that is being typed: how it is written, and which part is next.

Invariant: the active part is a part of the form that is shown; the words are those of the table of statements.
"""

from collections.abc import Callable, Mapping

from metalor_lang.hints import Final
from metalor_lang.record import dataclass
from metalor_lang.source import Span
from metalor_lang.syntax.ast import Define
from metalor_lang.syntax.printer import print_word
from metalor_lang.syntax.statements import BY_WORD, StatementSpec
from metalor_lang.tooling.scope import groups_of, scope_behind
from metalor_lang.tooling.slots import Slot, slot_of
from metalor_lang.tooling.unfinished import Unfinished, unfinished

_PROGRAM: Final = ('"program"', '"argument", …')

PARTS: Final[dict[str, tuple[str, ...]]] = {
    "RECIPE": ("1",),
    "ARG": ("NAME",),
    "FROM": ("base", "stage"),
    "ENV": ("NAME",),
    "LABEL": ("key",),
    "ANNOTATE": ("key",),
    "UNSET": ("",),
    "WORKDIR": ("/path",),
    "USER": ("name-or-id[:group-or-id]",),
    "EXPOSE": ("port[/protocol] …",),
    "VOLUME": ("/path …",),
    "STOPSIGNAL": ("signal",),
    "SHELL": _PROGRAM,
    "RUN": _PROGRAM,
    "SH": ("shell text",),
    "COPY": ("source…", "destination"),
    "FILE": ("destination", "block"),
    "FETCH": ("url", "destination"),
    "GIT": ("url", "destination"),
    "TEST": ("",),
    "LAYER": ('"name"',),
    "ENTRYPOINT": _PROGRAM,
    "CMD": _PROGRAM,
    "IF": ("value",),
    "ELSE": ("value",),
    "FOR": ("NAME", "value …"),
    "DEFINE": ("name", "PARAMETER …"),
    "END": ("",),
    "USE": ("name", "PARAMETER=value …"),
    "IMPORT": ("path", "space"),
}
"""Of each statement, how its form calls the n-th word; the last one is for all that follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A statement's form with the part that the cursor is in.

    Args:
        form: how it is written.
        active: the part, as a span of `form`; empty where there is none.
        help: one line: what the statement does, or what the flag at the cursor does.
        forms: every form of the statement.

    """

    form: str
    active: Span
    help: str
    forms: tuple[str, ...]


def signature(text: str, cursor: int, recipe: Callable[[str], str | None] | None = None) -> Signature | None:
    """The signature of the statement at an offset; None where no statement has begun.

    Args:
        text: the recipe, or a part of one.
        cursor: the offset in it.
        recipe: reads a file that IMPORT names by its path, for the parameters of its groups.

    """
    typed = unfinished(text, cursor)
    if typed is None:
        return None
    slot = slot_of(typed)
    if not slot.word:
        if not slot.test:
            return None
        spec = BY_WORD["TEST"]
        return Signature(form=spec.forms[0], active=Span(0, 0), help=spec.summary, forms=spec.forms)
    spec = BY_WORD[slot.word]
    forms = tuple(f"TEST {form}" for form in spec.forms) if slot.test else spec.forms
    form = forms[_form(spec, slot, typed)]
    if spec.word == "USE" and (known := _group(text, typed, slot, recipe)) is not None:
        return known
    part = _part(spec, slot, typed)
    second = spec.word in ("IF", "ELSE") and slot.index > 0
    start = form.rfind(part) if second else form.find(part)
    active = Span(start, start + len(part)) if part and start >= 0 else Span(0, 0)
    return Signature(form=form, active=active, help=_help(spec, slot, typed), forms=forms)


def _form(spec: StatementSpec, slot: Slot, typed: Unfinished) -> int:
    """Which of the forms is being written."""
    kinds = {token.type for token in typed.tokens}
    match spec.word:
        case "ARG":
            return int("EQ" in kinds and slot.flag == "")
        case "SH":
            return int("RAW_OPEN" in kinds)
        case "FILE":
            return int("TEXT_OPEN" in kinds)
        case "FETCH" | "GIT":
            return int("unpinned" in (*slot.flags, slot.flag))
        case "IF":
            return 3 if "NOT" in kinds else 2 if "IN" in kinds else int(_unequal(typed))
        case "ELSE":
            return int("IF" in kinds or (slot.index == 0 and typed.partial == "" and len(typed.tokens) > 1))
        case "DEFINE":
            return 2 if "EQ" in kinds else int(slot.index > 0)
        case "USE":
            return 2 if "DOT" in kinds else int(slot.index > 0)
        case "UNSET":
            found = (at for at, form in enumerate(spec.forms) if form.startswith(f"UNSET {slot.what}"))
            return next(found, 0) if slot.what else 0
        case _:
            return 0


def _part(spec: StatementSpec, slot: Slot, typed: Unfinished) -> str:
    """How the form calls what is at the cursor."""
    kinds = [token.type for token in typed.tokens]
    if "RAW_OPEN" in kinds or "TEXT_OPEN" in kinds:
        return "block"
    if slot.flag or (typed.partial.startswith("--") and "FLAG" in typed.accepts):
        return {"FROM": "[--platform=os/arch]", "ARG": "[--public]", "FOR": "[--split]"}.get(spec.word, "[flags]")
    if slot.key and spec.word == "USE":
        return "PARAMETER=value …"
    if slot.key or (spec.word == "ARG" and "EQ" in kinds):
        return "value"
    if spec.word == "FROM" and "AS" in kinds:
        return "stage"
    if spec.word == "UNSET":
        return spec.forms[_form(spec, slot, typed)].removeprefix(f"UNSET {slot.what}").strip() if slot.what else "ENV"
    parts = PARTS[spec.word]
    if spec.word in ("IF", "ELSE") and slot.index and "IN" in kinds:
        return "value …"
    if spec.word == "DEFINE" and "EQ" in kinds:
        return "PARAMETER=default …" if slot.index else "name"
    if spec.word == "USE" and "DOT" in kinds and not slot.index:
        return "space.name"
    if spec.word == "FROM" and slot.index:
        return "[AS stage]"
    return parts[min(slot.index, len(parts) - 1)]


def _unequal(typed: Unfinished) -> bool:
    return any(token.type == "IS" and typed.text.startswith("!", token.start) for token in typed.tokens)


def _group(text: str, typed: Unfinished, slot: Slot, recipe: Callable[[str], str | None] | None) -> Signature | None:
    """The parameters of a group, when its name stands there."""
    names = [typed.text[token.start : token.end] for token in typed.tokens if token.type == "GROUP_NAME"]
    there = any(token.type == "DOT" for token in typed.tokens)
    if not slot.index or len(names) != 1 + there:
        return None
    scope = scope_behind(text[: typed.start])
    groups: Mapping[str, Define] = scope.groups
    if there:
        file = recipe(scope.spaces[names[0]]) if recipe is not None and names[0] in scope.spaces else None
        groups = groups_of(file) if file is not None else {}
    group = groups.get(names[-1])
    if group is None:
        return None
    keys = [typed.text[token.start : token.end] for token in typed.tokens if token.type == "ARG_NAME"]
    here = slot.key or next((each.name for each in group.parameters if each.name not in keys), "")
    form, active = f"USE {'.'.join(names)}", Span(0, 0)
    for each in group.parameters:
        part = f"{each.name}=value" if each.default is None else f"[{each.name}={print_word(each.default, value=True)}]"
        if each.name == here:
            active = Span(len(form) + 1, len(form) + 1 + len(part))
        form += f" {part}"
    return Signature(form=form, active=active, help=BY_WORD["USE"].summary, forms=(form,))


def _help(spec: StatementSpec, slot: Slot, typed: Unfinished) -> str:
    name = slot.flag
    if not name and typed.partial.startswith("--"):
        name = typed.partial[2:]
    flag = spec.flag(name) if name else None
    if flag is None:
        return spec.summary
    return f"{flag.summary}, such as {flag.example}" if flag.takes_value else flag.summary
