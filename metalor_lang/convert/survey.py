"""A look at the whole Dockerfile before the first line is converted: who declares and who names what.

Invariant: reads only; what it finds decides names and defaults, so that they need not change half-way.
"""

import re
from collections.abc import Iterator

from metalor_lang.convert.reader import Dockerfile, Instruction
from metalor_lang.convert.words import Variable, WordError, literal, pieces, split, variables
from metalor_lang.hints import Final
from metalor_lang.record import dataclass, field

SHELL_WORDS: Final = frozenset({"RUN", "CMD", "ENTRYPOINT", "SHELL", "HEALTHCHECK", "ONBUILD"})
"""Instructions whose text Docker leaves to the shell or to nobody."""
_IN_SHELL: Final = re.compile(r"\$\{?#?([A-Za-z_]\w*)")


@dataclass(slots=True)
class StageSurvey:
    """What one stage names.

    Args:
        instructions: those behind its FROM.
        words: names that stand outside shell text.
        shell: names that stand in the text of RUN.
        runs_shell: whether a RUN needs the shell before any SHELL.

    """

    instructions: list[Instruction] = field(default_factory=list)
    words: set[str] = field(default_factory=set)
    shell: set[str] = field(default_factory=set)
    runs_shell: bool = False


@dataclass(slots=True)
class Survey:
    """What the file names.

    Args:
        escape: its escape character.
        stages: in order.
        environment: names that some ENV sets to something else than the ARG of that name.
        fallback: for an ARG without default that is only ever read as `${NAME:-text}`: the text.
        required: ARGs without default that must be given: `${NAME:?}`, or a FROM that is nothing without them.
        untagged: ARGs that are the whole base of a FROM, and nothing else.

    """

    escape: str
    stages: list[StageSurvey] = field(default_factory=list)
    environment: set[str] = field(default_factory=set)
    fallback: dict[str, str] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    untagged: set[str] = field(default_factory=set)


def survey(file: Dockerfile) -> Survey:
    """Look at a Dockerfile."""
    found = Survey(escape=file.escape)
    defaults: dict[str, list[bool]] = {}
    uses: dict[str, list[Variable]] = {}
    shipped: set[str] = set()
    for made in file.instructions:
        stage = found.stages[-1] if found.stages else None
        if made.word == "FROM":
            stage, shipped = StageSurvey(), set()
            found.stages.append(stage)
        elif stage is not None:
            stage.instructions.append(made)
        if made.word == "ARG":
            for name, given in _assigned(made, file.escape):
                defaults.setdefault(name, []).append(given is not None)
        if made.word in SHELL_WORDS:
            if made.word == "RUN" and stage is not None:
                stage.shell.update(shell_names(made))
            continue
        for each in _variables(made, file.escape):
            if each.name not in shipped:
                uses.setdefault(each.name, []).append(each)
            if stage is not None and made.word != "FROM":
                stage.words.add(each.name)
        if made.word == "ENV":
            shipped.update(_env_names(made, file.escape))
    for stage in found.stages:
        _of_stage(stage, found)
    for name, defaulted in defaults.items():
        if not any(defaulted):
            _without_default(name, uses.get(name, []), found)
    _bases(file, defaults, found)
    return found


def shell_names(made: Instruction) -> Iterator[str]:
    """The names in shell text, heredocs included."""
    texts = [made.rest, *(each.text for each in made.heredocs), *(value or "" for _, value in made.flags)]
    return (found[1] for text in texts for found in _IN_SHELL.finditer(text))


def assignments(made: Instruction, escape: str) -> list[tuple[str, str]]:
    """The `name=value` of ENV and LABEL, values still quoted; raises WordError as Docker refuses."""
    words = split(made.rest, escape)
    if not words:
        raise WordError(f"{made.word} needs a name and a value")
    if "=" not in words[0]:
        name, gap, rest = made.rest.partition(" ")
        name, rest = (name, rest) if gap and "\t" not in name else tuple([*made.rest.split(None, 1), ""][:2])
        if not rest.strip():
            raise WordError(f"{made.word} {name} has no value")
        return [(name, rest.lstrip())]
    out = []
    for each in words:
        if "=" not in each:
            raise WordError(f"`{each}` is no name=value")
        name, _, text = each.partition("=")
        out.append((name, text))
    return out


def _assigned(made: Instruction, escape: str) -> list[tuple[str, str | None]]:
    """The names of an ARG, and their defaults still quoted."""
    return [
        (name, text if equals else None)
        for name, equals, text in (each.partition("=") for each in split(made.rest, escape))
    ]


def arguments(made: Instruction, escape: str) -> list[tuple[str, str | None]]:
    """The names of an ARG, and their defaults still quoted."""
    return _assigned(made, escape)


def _variables(made: Instruction, escape: str) -> Iterator[Variable]:
    texts = [made.rest if made.array is None else " ".join(made.array)]
    texts += [value for _, value in made.flags if value]
    for text in texts:
        try:
            yield from variables(pieces(text, escape))
        except WordError:
            yield from (Variable(each[1], "?") for each in _IN_SHELL.finditer(text))
    for each in made.heredocs:
        if each.expands and made.word != "RUN":
            try:
                yield from variables(pieces(each.text, escape, quotes=False))
            except WordError:
                continue


def _of_stage(stage: StageSurvey, found: Survey) -> None:
    declared: set[str] = set()
    for made in stage.instructions:
        if made.word == "SHELL" and not stage.runs_shell:
            stage.runs_shell = False
            break
        if made.word == "RUN" and made.array is None:
            stage.runs_shell = True
            break
    for made in stage.instructions:
        if made.word == "ARG":
            declared.update(name for name, _ in _assigned(made, found.escape))
        if made.word == "ENV":
            try:
                given = assignments(made, found.escape)
            except WordError:
                continue
            for name, text in given:
                if name not in declared or not ships(name, text, found.escape):
                    found.environment.add(name)


def _env_names(made: Instruction, escape: str) -> list[str]:
    try:
        return [name for name, _ in assignments(made, escape)]
    except WordError:
        return []


def ships(name: str, text: str, escape: str) -> bool:
    """Whether `ENV name=text` only hands on the ARG of that name."""
    try:
        read = pieces(text, escape)
    except WordError:
        return False
    only = [each for each in read if isinstance(each, Variable) or each.text]
    return (
        len(only) == 1 and isinstance(only[0], Variable) and only[0].name == name
        and only[0].operator in ("", "-", ":-", "?", ":?")
    )  # fmt: skip


def _without_default(name: str, uses: list[Variable], found: Survey) -> None:
    """What an ARG without any default can be given as one."""
    if any(each.operator in ("?", ":?") for each in uses):
        found.required.add(name)
        return
    texts = {literal(each.word) for each in uses if each.operator == ":-"}
    text = next(iter(texts), None) if len(texts) == 1 else None
    if not text or not all(each.operator == ":-" for each in uses):
        return
    for stage in found.stages:
        if name in stage.shell and not _shipped_first(name, stage, found.escape):
            return
    found.fallback[name] = text


def _shipped_first(name: str, stage: StageSurvey, escape: str) -> bool:
    """Whether ENV hands the ARG on before any RUN names it."""
    for made in stage.instructions:
        if made.word == "RUN" and name in set(shell_names(made)):
            return False
        if made.word == "ENV":
            try:
                if any(each == name and ships(name, text, escape) for each, text in assignments(made, escape)):
                    return True
            except WordError:
                continue
    return False


def _bases(file: Dockerfile, defaults: dict[str, list[bool]], found: Survey) -> None:
    """ARGs without default that a FROM is nothing without: the whole base, or what stands between `:`, `/` and `@`."""
    for made in file.instructions:
        if made.word != "FROM":
            continue
        base = made.rest.split()[0] if made.rest.split() else ""
        whole = re.fullmatch(r"\$\{?([A-Za-z_]\w*)\}?", base)
        if whole is not None and not any(whole[1] in stage.words | stage.shell for stage in found.stages):
            found.untagged.add(whole[1])
        for match in re.finditer(r"(?:^|[:/@])\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))(?=$|[:@/])", base):
            name = match[1] or match[2]
            if name in defaults and not any(defaults[name]):
                found.required.add(name)
