"""RUN: shell text as SH, arrays as RUN, mounts as flags.

Invariant: the text that the shell gets is Docker's; a name in it has Docker's value, or the line says how.
"""

import csv
import posixpath
import re
from collections.abc import Mapping, Sequence

from metalor_lang.checker.scope import ALWAYS, EPOCH, named_in_shell
from metalor_lang.convert import shelltext
from metalor_lang.convert.froms import origin
from metalor_lang.convert.heredocs import write
from metalor_lang.convert.names import Refused, Scope
from metalor_lang.convert.reader import Heredoc, Instruction, bad_array
from metalor_lang.convert.state import Context, Stage, fits
from metalor_lang.convert.values import Value, exec_array, plain, value, word
from metalor_lang.hints import Final
from metalor_lang.record import replace
from metalor_lang.syntax import ast

_SECRETS: Final = "/run/secrets"
PLATFORMS: Final = tuple(name for name in ALWAYS if name != EPOCH)
_MKDIR: Final = re.compile(r"(?:^|&&|;|\n)\s*mkdir((?:[ \t]+[^\s;&|]+)+)")
_PLAIN: Final = re.compile(r"[\w./+@-]+")
_TRUE: Final = ("", "true", "1")


def run(context: Context, made: Instruction) -> list[str]:
    """RUN."""
    if not made.rest:
        raise Refused("Docker refuses it too: RUN needs a command")
    if bad_array(made.rest) or made.array == ():
        raise Refused("Docker refuses it too: an array of something else than strings")
    flags, exports = _flags(context, made)
    if made.array is not None:
        return _array(context, made, flags, exports)
    if made.rest.startswith("["):
        context.note("this is no JSON array, so Docker takes it as shell text, and so does this; most likely a slip")
    text, bind = _text(context, made)
    flags += bind
    # A script is no text of the shell: nothing in it is seen to name an argument.
    more, lines = _names(context, text, everything=bool(bind))
    flags += more
    exports += lines
    head = " ".join(["SH", *flags])
    for each in _spellings(head, made, text, exports):
        found = fits(each)
        if isinstance(found, ast.Sh) and (exports or _words(found.text.text) == _words(text)):
            _made(context, text)
            context.comments_kept = any(line.lstrip().startswith("#") for line in each) and not made.heredocs
            return each
    raise Refused(
        "its text cannot be written as SH: a line of it begins with ''' or holds a control character;"
        " put it into a script and COPY that"
    )


def _made(context: Context, text: str) -> None:
    """Note directories that the text makes for certain, as far as plain words say so."""
    for found in _MKDIR.finditer(text):
        for each in found[1].split():
            if each.startswith("/") and _PLAIN.fullmatch(each):
                context.stage.made_directory(each)


def _spellings(head: str, made: Instruction, text: str, exports: Sequence[str]) -> list[list[str]]:
    """Ways to write it, the best first."""
    if exports:
        found = shelltext.block(head, "\n".join((*exports, text)))
        return [found] if found is not None else []
    out: list[list[str]] = []
    if not made.heredocs:
        out.append(shelltext.statement(head, made.parts))
    if "\n" not in text:
        out.append([f"{head} {text}"])
    found = shelltext.block(head, text)
    return out if found is None else [*out, found]


def _words(text: str) -> list[str]:
    """Text to compare: white space between words may differ where no quote is open (see shelltext)."""
    return text.split()


def _text(context: Context, made: Instruction) -> tuple[str, list[str]]:
    """What Docker's shell is given, and a flag that it needs."""
    if not made.heredocs:
        return made.rest, []
    only = made.heredocs[0]
    if len(made.heredocs) > 1 or made.rest != only.word:
        return "\n".join([made.rest, *(f"{each.text}{each.name}" for each in made.heredocs)]), []
    if not only.text.strip():
        raise Refused("the heredoc is empty")
    if only.stripped.startswith("#!"):
        return _script(context, only)
    return only.stripped.removesuffix("\n"), []


def _script(context: Context, doc: Heredoc) -> tuple[str, list[str]]:
    """A heredoc that begins with `#!`: Docker runs it as a program, from a folder that is not in the image."""
    name = context.free_stage("script")
    stage = Stage(index=-1, names=frozenset(), name=name, scope=Scope())
    context.stages.append(stage)
    try:
        lines = write(context, replace(doc, expands=False), (f"/{doc.name}",), ["--chmod=755"], several=False)
    finally:
        context.stages.pop()
    context.before([f"FROM scratch AS {name}", *lines])
    context.note(f"the script is a file of the stage {name}, and is shown to the step as /run/{doc.name}")
    return f"/run/{doc.name}", [f"--bind={word((f'{name}:/{doc.name}:/run/{doc.name}',))}"]


def _names(context: Context, text: str, *, everything: bool) -> tuple[list[str], list[str]]:
    """Flags for arguments that the text does not name (with `everything` all), and lines that put names right."""
    stage = context.stage
    flags: list[str] = []
    lines: list[str] = []
    here = stage.scope.arguments
    for docker, argument in here.items():
        if docker in stage.scope.environment:
            continue
        named = bool(named_in_shell(text, (docker,)))
        wanted = everything or _for_commands(context, docker)
        if argument.name != docker and (named or wanted):
            lines.append(f'export {docker}="${argument.name}"')
        elif not named and wanted:
            flags.append(f"--arg={argument.name}")
        elif argument.default is None and not argument.required and named and re.search(rf"\$\{{{docker}[-+?]", text):
            lines.append(f'[ -n "${docker}" ] || unset {docker}')
    shown = [name for name in (*context.names.declared, *PLATFORMS) if name not in here or here[name].name != name]
    for name in named_in_shell(text, shown):
        if name in here and here[name].name != name:
            continue  # put right above
        if name in stage.scope.environment:
            continue  # it ships the argument
        if re.search(rf"(?:^|[\s;&|(]){name}=|\bfor\s+{name}\b|\bread\s[^;&|]*\b{name}\b", text):
            continue
        lines.append(f"unset {name}")
        context.note(
            f"Docker does not show ARG {name} to this stage, because no ARG line repeats it here;"
            " drop the `unset` where that was a slip"
        )
    if lines and posixpath.basename(stage.shell[0]) not in ("sh", "bash", "ash", "dash", "ksh", "zsh"):
        raise Refused("names would have to be set for this shell; set them by hand")
    return flags, lines


def _for_commands(context: Context, docker: str) -> bool:
    """Whether an argument goes to steps that do not name it: nothing in the stage does, so it is meant for commands."""
    found = context.stage.survey
    return context.every_arg or (docker not in found.words and docker not in found.shell)


def _array(context: Context, made: Instruction, flags: list[str], exports: Sequence[str]) -> list[str]:
    """An exec array: Docker expands nothing in it, and shows it every ARG."""
    assert made.array is not None
    stage = context.stage
    if exports:
        raise Refused("a secret in a variable needs a shell: write it as shell text")
    for docker, argument in stage.scope.arguments.items():
        if docker in stage.scope.environment:
            continue
        if argument.name == docker:
            flags.append(f"--arg={argument.name}")
        else:
            context.note(f"Docker shows the program {docker}, which is {argument.name} here: it does not see it")
    return [" ".join(["RUN", *flags, exec_array([value(each) for each in made.array])])]


def _flags(context: Context, made: Instruction) -> tuple[list[str], list[str]]:
    flags: list[str] = []
    exports: list[str] = []
    for name, given in made.flags:
        text = given or ""
        match name:
            case "mount":
                found, line = _mount(context, text)
                flags += found
                exports += line
            case "network" if text in ("none", "host"):
                flags.append(f"--network={text}")
            case "network" if text == "default":
                pass
            case "security" if text == "sandbox":
                pass
            case "security":
                raise Refused("a recipe gives no step more rights than it has; do it where the container runs")
            case "device":
                raise Refused("a recipe gives no step a device; do it where the container runs")
            case _:
                raise Refused(f"Docker refuses it too: RUN has no flag --{name}{'=' if text else ''}{text}")
    return flags, exports


_KEYS: Final = {"target": "target", "dst": "target", "destination": "target", "source": "source", "src": "source",
                "readonly": "ro", "ro": "ro", "readwrite": "rw", "rw": "rw"}  # fmt: skip


def _mount(context: Context, text: str) -> tuple[list[str], list[str]]:
    try:
        fields = next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise Refused(f"Docker refuses it too: --mount={text}: {error}") from None
    options: dict[str, str] = {}
    for each in fields:
        key, _, given = each.partition("=")
        key = key.strip().lower()
        options[_KEYS.get(key, key)] = given
    kind = options.pop("type", "bind")
    target = options.pop("target", "")
    match kind:
        case "cache":
            return _cache(context, _target(context, target), options), []
        case "bind":
            return _bind(context, _target(context, target), options), []
        case "tmpfs":
            if "size" in options:
                context.note("its size has no word here; the machine's memory is the limit")
            _only(options, "tmpfs", "size")
            return [f"--tmpfs={word(_target(context, target))}"], []
        case "secret":
            return _secret(context, target, options)
        case "ssh":
            raise Refused("the agent is not handed to steps; GIT --commit=… brings a repository by ssh before them")
        case _:
            raise Refused(f"Docker refuses it too: there is no mount of type {kind}")


def _only(options: Mapping[str, str], kind: str, *known: str) -> None:
    odd = next((each for each in options if each not in known), None)
    if odd is not None:
        raise Refused(f"a {kind} mount with {odd}= has no equal here; write it without, or by hand")


def _target(context: Context, target: str) -> Value:
    if not target:
        raise Refused("Docker refuses it too: the mount has no target")
    return context.absolute(context.value(target), "the target")


def _cache(context: Context, target: Value, options: dict[str, str]) -> list[str]:
    for each in ("from", "source"):
        if options.get(each, "").strip("/"):
            raise Refused("a cache begins empty here: fill it in the step, or bind what it begins with")
    if options.get("ro", "false") in _TRUE:
        raise Refused("a cache can be written here; bind what is only read")
    _only(options, "cache", "id", "sharing", "from", "source", "ro", "rw", "uid", "gid", "mode")
    sharing = options.get("sharing", "shared")
    if sharing not in ("shared", "private", "locked"):
        raise Refused(f"Docker refuses it too: there is no sharing={sharing}")
    if any(each in options for each in ("uid", "gid")):
        context.note("the cache belongs to the user that the step runs as, whatever uid= says")
    if options.get("mode", "0755").lstrip("0") != "755":
        context.note("the cache has the mode 755")
    more = f",id={options['id']}" if options.get("id") else ""
    more += f",sharing={sharing}" if sharing != "shared" else ""
    return [f"--cache={word(value(*target, *context.value(more)) if more else target)}"]


def _bind(context: Context, target: Value, options: dict[str, str]) -> list[str]:
    if options.get("rw", "false") in _TRUE:
        raise Refused("a bind is read-only here: copy what it shows into a --tmpfs first")
    _only(options, "bind", "source", "from", "ro", "rw")
    source = context.value(options.get("source", ""))
    front = f"{origin(context, options['from'])}:" if options.get("from") else ""
    text = plain(source)
    if text is not None:
        path = posixpath.normpath(f"/{text.lstrip('/')}")
        source = (path if front else path.lstrip("/") or ".",)
    return [f"--bind={word(value(front, *source, ':', *target))}"]


def _secret(context: Context, target: str, options: dict[str, str]) -> tuple[list[str], list[str]]:
    name = options.get("id") or posixpath.basename(target)
    if not name:
        raise Refused("Docker refuses it too: the secret has neither id= nor target=")
    variable = options.get("env", "")
    _only(options, "secret", "id", "required", "uid", "gid", "mode", "env")
    if options.get("required", "false") not in _TRUE or "required" not in options:
        context.note(f"the secret {name} must be given: a step without it would fail in ways that nobody understands")
    if options.get("mode", "0400").lstrip("0") != "400" or "uid" in options or "gid" in options:
        context.note("the secret can be read by the user that the step runs as, and by nobody else")
    path = context.absolute(context.value(target), "the target") if target else ()
    flag = f"--secret={word(value(name, ':', *path) if path and plain(path) != f'{_SECRETS}/{name}' else value(name))}"
    if not variable:
        return [flag], []
    if not re.fullmatch(r"[A-Za-z_]\w*", variable):
        raise Refused(f"`{variable}` is no name of a variable")
    where = plain(path) if path else f"{_SECRETS}/{name}"
    if where is None:
        raise Refused("the target of a secret that becomes a variable must be written out")
    context.note(f"the shell reads {variable} from the secret's file; line ends at its end are lost")
    return [flag], [f"export {variable}=\"$(cat '{where}')\""]
