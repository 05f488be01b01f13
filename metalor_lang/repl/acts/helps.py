"""`:explain :help :history :quit`.

Invariant: what is said comes from the tables of commands, statements and codes.
"""

from collections.abc import Iterator
from itertools import groupby

from metalor_lang.diagnostics.codes import CODES
from metalor_lang.diagnostics.render.page import page
from metalor_lang.diagnostics.suggest import nearest
from metalor_lang.errors import UsageError
from metalor_lang.repl.acts.words import no_words, one_word
from metalor_lang.repl.commands import BY_NAME, COMMANDS, GROUPS, Command
from metalor_lang.repl.core import Core
from metalor_lang.repl.outcome import Left, Question, Result, Said
from metalor_lang.syntax.statements import BY_WORD, STATEMENTS


def explain(core: Core, words: str) -> Iterator[Result]:
    """Say what an error code means."""
    name = one_word(words, ":explain", ":explain E0601").upper()
    if name not in CODES:
        near = nearest(name, CODES)
        raise UsageError(
            f":explain {words}: there is no such code",
            help=f"did you mean {near}?" if near else "an error shows its code: :explain E0601",
        )
    yield Said(lines=tuple(page(CODES[name]).rstrip("\n").split("\n")))


def show(core: Core, words: str) -> Iterator[Result]:
    """All commands, or one command, or a statement."""
    if not words:
        yield Said(lines=tuple(_overview()))
        return
    name = words if words in BY_NAME else f":{words}"
    if name in BY_NAME:
        command = BY_NAME[name]
        yield Said(lines=(written(command), f"    {command.help}", *(f"    {line}" for line in command.more)))
        return
    spec = BY_WORD.get(words.upper())
    if spec is None:
        near = nearest(words, (*BY_NAME, *BY_WORD))
        hint = f"did you mean {near}?" if near else "see :help"
        raise UsageError(f":help {words}: neither a command nor a statement", help=hint)
    lines = [*spec.forms, f"    {spec.summary}", "", f"    {spec.example}"]
    if spec.flags:
        lines += ["", *(f"    {flag.example:<28} {flag.summary}" for flag in spec.flags)]
    yield Said(lines=tuple(lines))


def written(command: Command) -> str:
    """A command with its arguments."""
    return f"{command.name} {command.arguments}".rstrip()


def _overview() -> Iterator[str]:
    words = " ".join(spec.word for spec in STATEMENTS)
    yield "A statement is carried out as it is typed and becomes part of the recipe:"
    yield f"    {words}"
    for group, commands in groupby(COMMANDS, key=lambda command: command.group):
        yield ""
        yield f"{GROUPS[group]}:"
        for command in commands:
            yield f"    {written(command):<30} {command.help}"


def history(core: Core, words: str) -> Iterator[Result]:
    """What was typed in this session."""
    no_words(words, ":history")
    yield Said(lines=tuple(core.typed[:-1]) or ("nothing was typed yet",))


def quit(core: Core, words: str) -> Iterator[Result]:
    """Leave; asks when steps would be left behind unsaved."""
    no_words(words, ":quit")
    count = sum(entry.serial not in core.saved for entry in core.entries)
    if count:
        answer = core.person.ask(
            Question(
                text=f"{count} statement{' is' if count == 1 else 's are'} not saved. Leave?",
                choices={"leave": "`metalor repl --resume` has them again", "save": "save first", "stay": "go on"},
                default="leave",
            )
        )
        if answer == "stay":
            return
        if answer == "save":
            from metalor_lang.repl.acts.documents import save

            yield from save(core, "")
    yield Left()
