"""Help for the statement that is being typed: how it is written, and which part is next.

Invariant: the active part is a part of the form that is shown; the words are those of the table of statements.
"""

from metalor_lang.hints import Final
from metalor_lang.record import dataclass
from metalor_lang.source import Span
from metalor_lang.syntax.statements import BY_WORD, StatementSpec
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


def signature(text: str, cursor: int) -> Signature | None:
    """The signature of the statement at an offset; None where no statement has begun."""
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
    start = form.find(part := _part(spec, slot, typed))
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
        return "[--platform=os/arch]" if spec.word == "FROM" else "[--public]" if spec.word == "ARG" else "[flags]"
    if slot.key or (spec.word == "ARG" and "EQ" in kinds):
        return "value"
    if spec.word == "FROM" and "AS" in kinds:
        return "stage"
    if spec.word == "UNSET":
        return spec.forms[_form(spec, slot, typed)].removeprefix(f"UNSET {slot.what}").strip() if slot.what else "ENV"
    parts = PARTS[spec.word]
    if spec.word == "FROM" and slot.index:
        return "[AS stage]"
    return parts[min(slot.index, len(parts) - 1)]


def _help(spec: StatementSpec, slot: Slot, typed: Unfinished) -> str:
    name = slot.flag
    if not name and typed.partial.startswith("--"):
        name = typed.partial[2:]
    flag = spec.flag(name) if name else None
    if flag is None:
        return spec.summary
    return f"{flag.summary}, such as {flag.example}" if flag.takes_value else flag.summary
