"""Instructions that set something of the image: ENV, LABEL, WORKDIR, USER, CMD and the like.

Invariant: each gives lines of the recipe and adds to the notes, or raises `Refused`.
"""

import posixpath
import re

from metalor_lang.convert import survey as surveys
from metalor_lang.convert.names import Refused, public
from metalor_lang.convert.reader import Instruction, bad_array
from metalor_lang.convert.state import Context, clean, is_root, layout
from metalor_lang.convert.values import Name, Value, exec_array, plain, value, word
from metalor_lang.convert.words import WordError, blanks
from metalor_lang.hints import Final

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_AUTHORS: Final = "org.opencontainers.image.authors"


def plain_only(made: Instruction) -> None:
    """Refuse flags where there are none, and an instruction without words."""
    if made.flags:
        raise Refused(f"Docker refuses it too: {made.word} has no flag --{made.flags[0][0]}")
    if not made.rest:
        raise Refused(f"Docker refuses it too: {made.word} needs something behind it")


def _pairs(context: Context, made: Instruction) -> dict[str, Value]:
    try:
        given = surveys.assignments(made, context.escape)
    except WordError as error:
        raise Refused(f"Docker refuses it too: {error}") from None
    out: dict[str, Value] = {}
    for name, text in given:
        key = context.literal(name, "the name")
        if key in out:
            context.note(f"{key} stands twice in this line; the last one counts, as in Docker")
            del out[key]
        out[key] = context.value(text)
    return out


def env(context: Context, made: Instruction) -> list[str]:
    """ENV."""
    plain_only(made)
    scope = context.stage.scope
    pairs = _pairs(context, made)
    lines: list[str] = []
    words: list[str] = []
    for name, given in pairs.items():
        if not _NAME.fullmatch(name):
            raise Refused(f"`{name}` is no name for a variable of a recipe; set it in the command that needs it")
        if public(name) and given != (Name(name),):
            argument, new = context.names.declare_public(name, given)
            if new:
                lines.append(f"ARG --public {word(given, key=argument)}")
            context.note(f"{name} looks like a secret: it is an ARG --public; give it with --secret where it is one")
            given = (Name(name),)
        words.append(word(given, key=name))
    for name, given in pairs.items():
        scope.inherited.discard(name)
        scope.environment[name] = given if (Name(name) not in given) else None
    return [*lines, *layout("ENV", words, made)]


def label(context: Context, made: Instruction) -> list[str]:
    """LABEL."""
    plain_only(made)
    words = []
    for key, given in _pairs(context, made).items():
        if not _KEY.fullmatch(key):
            raise Refused(f"`{key}` is no key of a label in a recipe: letters, digits and . _ / - only")
        words.append(word(given, key=key))
    return layout("LABEL", words, made)


def maintainer(context: Context, made: Instruction) -> list[str]:
    """MAINTAINER."""
    plain_only(made)
    context.note(f"Docker writes it into a field of its own; here it is the label {_AUTHORS}")
    return [f"LABEL {word(value(made.rest), key=_AUTHORS)}"]


def workdir(context: Context, made: Instruction) -> list[str]:
    """WORKDIR."""
    plain_only(made)
    stage = context.stage
    found = context.value(made.rest)
    if not found:
        raise Refused("the path is empty here")
    path = context.absolute(found, "the path")
    path = clean(path)
    if any(isinstance(part, str) and ".." in part.split("/") for part in path):
        raise Refused("where `..` leads depends on a variable; write out the path")
    stage.workdir = path
    stage.made_directory(context.guess(path))
    return [f"WORKDIR {word(path)}"]


def user(context: Context, made: Instruction) -> list[str]:
    """USER."""
    plain_only(made)
    stage = context.stage
    found = context.value(made.rest)
    if not found:
        raise Refused("the name is empty here")
    text = plain(found)
    stage.user, stage.root = word(found), text is not None and is_root(text)
    if stage.scratch and text is not None and not text.partition(":")[0].isdigit() and not stage.root:
        context.note(f"the build asks the image's /etc/passwd for {text}, and fails where it has no such entry")
    return [f"USER {stage.user}"]


def expose(context: Context, made: Instruction) -> list[str]:
    """EXPOSE."""
    plain_only(made)
    words: list[str] = []
    for each in blanks(made.rest):
        found = context.value(each)
        text = plain(found)
        words += [word(found)] if text is None else [word((port.lower(),)) for port in text.split()]
    if not words:
        raise Refused("nothing is left of it: its variables are empty")
    return [f"EXPOSE {' '.join(dict.fromkeys(words))}"]


def volume(context: Context, made: Instruction) -> list[str]:
    """VOLUME."""
    plain_only(made)
    if bad_array(made.rest):
        raise Refused("Docker refuses it too: an array of something else than strings")
    stage = context.stage
    found = [context.value(each) for each in (made.array if made.array is not None else blanks(made.rest))]
    if not found or not all(found):
        raise Refused("Docker refuses it too: a path is empty")
    words = []
    for each in found:
        text = plain(each)
        if text is not None and text != "/":
            each = (text.rstrip("/"),)
        words.append(word(each))
    stage.volumes += [context.guess(each) for each in found]
    if any(each.word in ("RUN", "COPY", "ADD") and each.first > made.first for each in stage.survey.instructions):
        context.note("what lines below write there stays, as with BuildKit; older builders throw it away")
    return [f"VOLUME {' '.join(dict.fromkeys(words))}"]


def stop_signal(context: Context, made: Instruction) -> list[str]:
    """STOPSIGNAL."""
    plain_only(made)
    return [f"STOPSIGNAL {word(context.value(made.rest))}"]


def shell(context: Context, made: Instruction) -> list[str]:
    """SHELL."""
    plain_only(made)
    if not made.array:
        raise Refused("Docker refuses it too: SHELL needs an array of strings")
    program = posixpath.basename(made.array[0].replace("\\", "/")).lower().removesuffix(".exe")
    if program in ("powershell", "pwsh", "cmd") and made.array[0].lower().endswith(("cmd", ".exe", "powershell")):
        raise Refused("this is a shell of Windows, and recipes make images for Linux")
    stage = context.stage
    stage.shell, stage.shell_known = made.array, True
    return [f"SHELL {exec_array([value(each) for each in made.array])}"]


def command(context: Context, made: Instruction) -> list[str]:
    """CMD and ENTRYPOINT."""
    plain_only(made)
    stage = context.stage
    if bad_array(made.rest):
        raise Refused("Docker refuses it too: an array of something else than strings")
    before = stage.spent.get(made.word)
    if before is not None:
        context.dropped[before] = f"the {made.word} of line {made.first} counts, as in Docker"
    if made.array == ():
        return _nothing(context, made)
    stage.spent[made.word] = context.chunk
    if made.array is not None:
        return [f"{made.word} {exec_array([value(each) for each in made.array])}"]
    if made.rest.startswith("["):
        context.note("this is no JSON array, so Docker hands it to the shell, brackets and all; most likely a slip")
    else:
        context.note(
            "shell form: the shell is process 1, and signals reach it only; an array of the program's own words is"
            " better"
        )
    return [f"{made.word} {exec_array([value(each) for each in (*stage.shell, made.rest)])}"]


def _nothing(context: Context, made: Instruction) -> list[str]:
    """`CMD []` and `ENTRYPOINT []`."""
    stage = context.stage
    stage.spent.pop(made.word, None)
    words = ["CMD"] if made.word == "CMD" else ["ENTRYPOINT", *(["CMD"] if "CMD" not in stage.spent else [])]
    lines = []
    for each in words:
        there = stage.inherits.get(each, False)
        stage.inherits[each] = False
        if there or (there is None and each == made.word):
            lines.append(f"UNSET {each}")
        if there is None:
            context.note(
                "`metalor build` refuses UNSET of what the base does not set: drop the line then"
                if each == made.word
                else f"Docker takes the base's {each} away as well: add UNSET {each} where it has one"
            )
    if not lines and not context.notes:
        context.note("there is nothing to take away")
    return lines


def health_check(context: Context, made: Instruction) -> list[str]:
    """HEALTHCHECK."""
    raise Refused(
        "an OCI image has no place for a health check; say it where the container is started, or test the image"
        " with TEST"
    )


def on_build(context: Context, made: Instruction) -> list[str]:
    """ONBUILD."""
    raise Refused("a recipe acts where it stands; write the line into the recipes that build on this image")
