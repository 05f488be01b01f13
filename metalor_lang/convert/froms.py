"""FROM and ARG: stages with their bases, arguments with their names.

Invariant: a stage has one name in the recipe, whatever it is called by in the Dockerfile.
"""

import re

from metalor_lang.checker.scope import ALWAYS, DEFAULT_PATH, EPOCH, PROXIES, RESERVED_ARGS
from metalor_lang.convert import survey as surveys
from metalor_lang.convert.names import Refused, Scope, public
from metalor_lang.convert.reader import Instruction
from metalor_lang.convert.settings import plain_only
from metalor_lang.convert.state import Context, Stage, base_stage
from metalor_lang.convert.values import Name, Value, exec_array, plain, value, word
from metalor_lang.hints import Final

_STAGE: Final = re.compile(r"[a-z][a-z0-9_.-]*")
_TAGGED: Final = re.compile(r"(?:[^/]*/)*[^/:@]+(?::[^/:@]+)?(?:@[a-z0-9]+:[0-9a-f]+)?")


def argument(context: Context, made: Instruction) -> list[str]:
    """ARG."""
    plain_only(made)
    lines: list[str] = []
    for name, text in surveys.arguments(made, context.escape):
        name = context.literal(name, "the name of an ARG")
        lines += _global(context, name, text) if not context.stages else _local(context, name, text, made)
    return lines


def _global(context: Context, name: str, text: str | None) -> list[str]:
    scope = Scope(arguments=context.names.outer)
    default = None if text is None else context.names.value(context.pieces(text), scope, context.notes)
    if name in PROXIES:
        return _proxy(context, name, default)
    text_of = plain(default or ())
    if text_of and name in context.survey.untagged and not _has_tag(text_of):
        context.note("without a tag Docker takes :latest, and so does this; what --arg gives needs a tag as well")
        default = (f"{text_of}:latest",)
    made, new = context.names.declare(name, default, None)
    context.names.outer[name] = made
    return _declared(context, made.name, made.default, new, required=made.required)


def _local(context: Context, name: str, text: str | None, made: Instruction) -> list[str]:
    stage = context.stage
    default = None if text is None else context.value(text)
    if default is not None:
        default = _constant(context, name, default)
    if name in PROXIES:
        return _proxy(context, name, default)
    if name in stage.scope.inherited:
        if default is None and name not in context.names.outer:
            default = stage.scope.environment[name]
            context.note(f"the base sets {name}, and its value is the default here")
        else:
            context.note(f"the base sets {name} as well, and the ARG beats it, as with BuildKit")
        stage.scope.inherited.discard(name)
        del stage.scope.environment[name]
    if name in stage.scope.environment:
        context.note(
            f"ENV {name} is set already and beats the ARG, as documented, so the ARG is left out; BuildKit lets it win"
        )
        return []
    if name in context.names.outer and default is None:
        stage.scope.arguments[name] = context.names.outer[name]
        return []
    argument, new = context.names.declare(name, default, stage.name or None)
    stage.scope.arguments[name] = argument
    if name == EPOCH:
        context.note("it is always defined: by --epoch, or as the base's time")
    if argument.name != name:
        context.note(
            f"{name} is called {argument.name} here, because {_why(context, name)}: give it with"
            f" --arg {argument.name}=VALUE"
        )
    if not context.every_arg and _reaches_more(context, name, made):
        context.note(
            f"{name} reaches the steps that name it; Docker shows it to every RUN below: --arg={argument.name} where"
            " a program reads it from the environment, or convert with --every-arg"
        )
    return _declared(context, argument.name, argument.default, new, required=argument.required)


def _why(context: Context, name: str) -> str:
    """Why an argument has another name than in the Dockerfile."""
    if name in context.survey.environment:
        return "an ENV has that name"
    if name in ALWAYS:
        return "that name is the build's own"
    if name in RESERVED_ARGS:
        return "that name is nobody's to give"
    return "it has another default elsewhere, and an ARG holds for the whole recipe"


def _reaches_more(context: Context, name: str, made: Instruction) -> bool:
    """Whether some shell text below does not name an argument that others do."""
    survey = context.stage.survey
    if name not in survey.words and name not in survey.shell:
        return False
    below = [each for each in survey.instructions if each.first > made.first]
    env = next((each.first for each in below if each.word == "ENV" and name in each.rest), made.last + 10**9)
    return any(
        each.word == "RUN" and each.array is None and each.first < env and name not in set(surveys.shell_names(each))
        for each in below
    )


def _constant(context: Context, name: str, default: Value) -> Value:
    """A default in which only arguments are named: ENV is put in as text."""
    out: list[str | Name] = []
    for part in default:
        if isinstance(part, Name) and part.name in context.stage.scope.environment:
            known = context.stage.scope.environment[part.name]
            if known is None or plain(known) is None:
                raise Refused(
                    f"the default of {name} needs ENV {part.name}, and defaults see only ARGs; write its value"
                )
            context.note(f"the value of ENV {part.name} is written out: defaults see only ARGs")
            out += known
        elif isinstance(part, Name) and part.name not in context.names.declared and part.name == "PATH":
            raise Refused(f"the default of {name} needs PATH, and defaults see only ARGs; write it where it is used")
        else:
            out.append(part)
    return value(*out)


def _proxy(context: Context, name: str, default: Value | None) -> list[str]:
    if default:
        raise Refused(f"{name} needs no ARG and can have no default; give it with --arg {name}=ADDRESS")
    context.note("it needs no ARG: given with --arg it reaches every step, and no key, history or image")
    return []


def _declared(context: Context, name: str, default: Value | None, new: bool, *, required: bool) -> list[str]:
    if not new:
        return []
    flag = ""
    if public(name):
        flag = "--public "
        context.note(f"{name} looks like a secret: --public says that it is none; where it is one, use --secret")
    if required:
        context.note(f"{name} must be given: --arg {name}=VALUE")
        return [f"ARG {flag}{name}"]
    if default is None:
        context.note(f"{name} has no default: it is empty here when it is not given, and not set in Docker")
    return [f"ARG {flag}{word(default or (), key=name)}" if default else f'ARG {flag}{name}=""']


def from_(context: Context, made: Instruction) -> list[str]:
    """FROM."""
    words = made.rest.split()
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
        raise Refused("Docker refuses it too: FROM takes BASE, or BASE AS NAME")
    called = words[2].lower() if len(words) == 3 else ""
    index = len(context.stages)
    name = _stage_name(context, called, index)
    scope = Scope(arguments=context.names.outer)
    platform = ""
    for flag, text in made.flags:
        if flag != "platform" or not text:
            raise Refused(f"Docker refuses it too: FROM has no flag --{flag}")
        platform = f"--platform={word(context.names.value(context.pieces(text), scope, context.notes))} "
    stage = Stage(index=index, names=frozenset(each for each in (called,) if each), name=name, scope=Scope())
    stage.survey = context.survey.stages[index]
    given = context.names.value(context.pieces(words[0]), scope, context.notes)
    base = _base(context, stage, given, scope)
    context.stages.append(stage)
    lines = [f"FROM {platform}{base}{f' AS {name}' if name else ''}"]
    if "PATH" not in stage.scope.environment and not stage.scope.open and not _sets_path(context, stage):
        context.note("Docker sets PATH where the base has none; drop the line where nobody needs it")
        stage.scope.environment["PATH"] = (DEFAULT_PATH,)
        lines.append(f"ENV PATH={DEFAULT_PATH}")
    if stage.survey.runs_shell and not stage.shell_known and not context.strict_shell:
        stage.shell_known = True
        lines.append(f"SHELL {exec_array([value(each) for each in stage.shell])}")
        context.remark(
            "SHELL is Docker's, which goes on after a failure in a script and takes unset names as empty;"
            " without these lines SH stops at the first of either"
        )
    return lines


def placeholder(context: Context, made: Instruction) -> None:
    """The stage of a FROM that was refused, so that the rest can be read."""
    words = made.rest.split()
    called = words[2].lower() if len(words) == 3 else ""
    index = len(context.stages)
    name = _stage_name(context, called, index) if not called or _STAGE.fullmatch(called) else ""
    stage = Stage(index=index, names=frozenset({called} - {""}), name=name, scope=Scope(open=True), workdir=None)
    stage.survey = context.survey.stages[index]
    stage.inherits = {"CMD": None, "ENTRYPOINT": None}
    context.stages.append(stage)


def _sets_path(context: Context, stage: Stage) -> bool:
    """Whether a stage sets PATH without asking for what it was."""
    for made in stage.survey.instructions:
        if made.word == "ENV" and "PATH" in made.rest:
            return "$PATH" not in made.rest and "${PATH" not in made.rest
    return False


def _stage_name(context: Context, called: str, index: int) -> str:
    if called and not _STAGE.fullmatch(called):
        raise Refused(f"Docker refuses it too: `{called}` is no name of a stage")
    if not called:
        return context.free_stage(f"stage{index}") if index in context.numbered else ""
    wanted = called.replace(".", "-")
    name = context.free_stage(wanted)
    if name != called:
        context.note(f"the stage {called} is called {name} here")
    return name


def _base(context: Context, stage: Stage, given: Value, scope: Scope) -> str:
    text = plain(given)
    earlier = find_stage(context, text) if text is not None else None
    if earlier is not None:
        stage.scope = earlier.scope.copy()
        stage.scratch, stage.workdir, stage.user, stage.root = (
            earlier.scratch,
            earlier.workdir,
            earlier.user,
            earlier.root,
        )
        stage.shell, stage.shell_known = earlier.shell, earlier.shell_known
        stage.directories, stage.paths = set(earlier.directories), dict(earlier.paths)
        stage.volumes = list(earlier.volumes)
        stage.inherits = {
            each: True if each in earlier.spent else earlier.inherits.get(each, False) for each in ("CMD", "ENTRYPOINT")
        }
        return _named(context, earlier)
    if text == "scratch":
        stage.scratch = True
        return "scratch"
    guess = context.guess(given)
    if not guess and text is not None:
        raise Refused("Docker refuses it too: the base is empty")
    tagged = _with_tag(context, given, guess)
    facts = context.world.base(context.guess(tagged))
    if facts is not None and facts.onbuild:
        raise Refused(f"the base acts here by ONBUILD, and a recipe would not: write out {'; '.join(facts.onbuild)}")
    base_stage(facts, stage, guess)
    if facts is None:
        context.unknown.append(word(tagged))
    return word(tagged)


def _named(context: Context, stage: Stage) -> str:
    if not stage.name:
        raise Refused("the stage has no name, because its FROM was refused")
    return stage.name


def _has_tag(reference: str) -> bool:
    return ":" in reference.rpartition("/")[2] or "@" in reference


def _with_tag(context: Context, given: Value, guess: str) -> Value:
    """A base with a tag: Docker means `latest` where there is none."""
    if not guess or _has_tag(guess):
        return given
    last = given[-1]
    if isinstance(last, str) or len(given) > 1:
        context.note("without a tag Docker takes :latest, and so does this; a tag or digest that stays is better")
        return value(*given, ":latest")
    argument = context.names.declared.get(last.name)
    if argument is None:
        raise Refused("the base has no tag, and where it comes from is not known")
    raise Refused(f"the base has no tag: write one into the default of {argument.name}, as {guess}:latest")


def find_stage(context: Context, called: str | None) -> Stage | None:
    """The latest stage of a name, in any case."""
    if not called:
        return None
    return next((stage for stage in reversed(context.stages) if called.lower() in stage.names), None)


def origin(context: Context, called: str) -> str:
    """What the recipe names behind `--from=`: a stage, or one made for an image.

    Args:
        context: the conversion.
        called: a stage's name or number, or an image.

    Raises:
        Refused: it is no earlier stage, or has a variable.

    """
    if called.isdigit():
        number = int(called)
        if number >= context.stage.index:
            raise Refused(f"Docker refuses it too: stage {number} does not stand before this one")
        return _named(context, context.stages[number])
    stage = find_stage(context, called)
    if stage is not None and stage is not context.stage:
        return _named(context, stage)
    if stage is not None:
        raise Refused("Docker refuses it too: a stage cannot copy from itself")
    if "$" in called:
        raise Refused("Docker refuses it too: --from takes no variable; name a stage that stands on the image")
    if called.lower() == "scratch":
        raise Refused("there is nothing in scratch")
    if called not in context.images:
        reference = called if ":" in called.rpartition("/")[2] or "@" in called else f"{called}:latest"
        if not _TAGGED.fullmatch(reference):
            raise Refused(f"`{called}` is neither a stage nor an image")
        if reference != called:
            context.note("without a tag Docker takes :latest, and so does this")
        last = re.sub(r"[^a-z0-9_-]+", "-", called.rpartition("/")[2].partition("@")[0].lower()).strip("-")
        name = context.free_stage(f"from-{last}" if last else "from-image")
        context.images[called] = name
        context.before([f"FROM {reference} AS {name}"])
        context.note(
            f"the image is the base of a stage of its own, {name}; where {called} was a --build-context, take that"
            f" stage out and give --context {called}=DIR"
        )
    return context.images[called]
