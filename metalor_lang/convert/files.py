"""COPY and ADD: files of the context and of stages, heredocs, archives, addresses, repositories.

Invariant: what lands where is what Docker lands there; where that depends on what nobody can know here, a note says so.
"""

import posixpath
import re
from collections.abc import Sequence

from metalor_lang.convert import origins
from metalor_lang.convert.froms import find_stage, origin
from metalor_lang.convert.heredocs import write
from metalor_lang.convert.model import Kind
from metalor_lang.convert.names import Refused
from metalor_lang.convert.reader import Instruction, bad_array
from metalor_lang.convert.sources import GLOB, Source, from_context, from_stage, into, is_folder, relative
from metalor_lang.convert.state import Context, Stage
from metalor_lang.convert.values import Value, plain, value, word
from metalor_lang.convert.words import blanks
from metalor_lang.record import dataclass, field


@dataclass(slots=True)
class Flags:
    """The flags of a COPY or ADD, as far as they are alike."""

    origin: str = ""
    stage: Stage | None = None
    chown: str = ""
    asked: bool = False
    """Whether the Dockerfile says the owner; else it is what Docker gives."""
    chmod: str = ""
    excludes: list[str] = field(default_factory=list)
    parents: bool = False
    checksum: str = ""
    unpack: bool = False

    def words(self, *, excludes: bool = True) -> list[str]:
        """The flags of the recipe that every statement takes."""
        out = [f"--from={self.origin}"] if self.origin else []
        out += [f"--chown={self.chown}"] if self.chown else []
        out += [f"--chmod={self.chmod}"] if self.chmod else []
        return out + (self.excludes if excludes else [])


def copy(context: Context, made: Instruction) -> list[str]:
    """COPY and ADD."""
    if bad_array(made.rest):
        raise Refused("Docker refuses it too: an array of something else than strings")
    words = list(made.array) if made.array is not None else blanks(made.rest)
    if len(words) < 2:
        raise Refused(f"Docker refuses it too: {made.word} needs a source and a destination")
    flags = _flags(context, made)
    destination = _destination(context, words[-1])
    context.guessed = []
    lines: list[str] = []
    plain_sources: list[str] = []
    heredocs = list(made.heredocs)
    for each in words[:-1]:
        doc = next((doc for doc in heredocs if doc.word == each), None)
        if doc is not None:
            heredocs.remove(doc)
            lines += write(context, doc, destination, flags.words(excludes=False), several=len(words) > 2)
        elif made.word == "ADD" and (found := origins.remote(context, each, destination, flags)) is not None:
            lines += found
        else:
            plain_sources.append(each)
    if plain_sources:
        lines += _copies(context, made, plain_sources, destination, flags, several=len(words) > 2)
    if len(context.guessed) == 1:
        path = context.guessed[0]
        context.note(f"{path} is taken for a file; where it is a directory, write {path}/, which means what is in it")
    elif context.guessed:
        context.note(f"{', '.join(context.guessed)} are taken for files; a directory is written with a / behind it")
    return lines


def _flags(context: Context, made: Instruction) -> Flags:
    flags = Flags()
    for name, given in made.flags:
        text = given or ""
        on = given is None or text.lower() in ("true", "1")
        match name:
            case "from" if made.word == "COPY" and text:
                flags.origin = origin(context, text)
                flags.stage = context.stages[int(text)] if text.isdigit() else find_stage(context, text)
            case "chown" if text:
                flags.chown, flags.asked = word(context.value(text)), True
            case "chmod" if text:
                flags.chmod = word(context.value(text))
            case "link":
                if on:
                    context.note("--link is left out: it says how layers are kept, not what is in them")
            case "exclude" if text:
                flags.excludes.append(f"--exclude={word(_exclude(context, text))}")
            case "parents":
                flags.parents = on
            case "checksum" if made.word == "ADD" and text:
                flags.checksum = text
            case "unpack" if made.word == "ADD":
                flags.unpack = on
                if not on:
                    raise Refused("leave an archive packed with COPY in place of ADD --unpack=false")
            case "keep-git-dir" if made.word == "ADD":
                if on:
                    raise Refused(
                        "GIT brings the files of a commit and no .git; clone it in a RUN where the history is needed"
                    )
            case _:
                raise Refused(f"Docker refuses it too: {made.word} has no flag --{name}{'=' if text else ''}{text}")
    if not flags.chown and not flags.origin and not context.stage.root:
        flags.chown = "0:0"
    return flags


def _exclude(context: Context, text: str) -> Value:
    found = context.value(text)
    pattern = plain(found)
    if pattern is None:
        raise Refused("--exclude with a variable: write out what it gives")
    pattern = posixpath.normpath(pattern)
    if pattern.startswith("!"):
        raise Refused("--exclude=! has no equal; name what is left out")
    return (pattern if pattern.startswith("**") else f"/{pattern.lstrip('/')}",)


def _destination(context: Context, text: str) -> Value:
    """A destination as it is written; without `..`."""
    found = context.value(text)
    if not found:
        raise Refused("the destination is empty here")
    parts = "".join(part for part in found if isinstance(part, str)).split("/")
    if ".." not in parts:
        return found
    ends = "" if not parts[-1] or parts[-1] in (".", "..") else "no"
    path = plain(context.absolute(found, "the destination"))
    if path is None:
        raise Refused(
            "a destination with `..` and a variable cannot be written without the dots; write out where it leads"
        )
    context.note("the destination is written without `..`")
    return (f"{path.rstrip('/')}/" if not ends else path,)


def _copies(
    context: Context, made: Instruction, words: Sequence[str], destination: Value, flags: Flags, *, several: bool
) -> list[str]:
    if several and not is_folder(destination):
        raise Refused("Docker refuses it too: several sources need a destination that ends in /")
    if flags.parents:
        return _parents(context, words, destination, flags)
    lines: list[str] = []
    sources: list[Source] = []
    for each in words:
        if made.word == "ADD" and (found := _archive(context, each, destination, flags)) is not None:
            lines += found
            continue
        sources += (
            from_stage(context, each, destination, flags.stage)
            if flags.origin
            else from_context(context, each, destination)
        )
    if flags.chmod and any(source.directory for source in sources) and flags.chmod.isdigit():
        context.note("Docker gives directories this very mode as well; here they get an x wherever they get an r")
    for group in _groups(sources):
        lines.append(_line(context, group, destination, flags))
    _landed(context, sources, destination)
    return lines


def _groups(sources: Sequence[Source]) -> list[list[Source]]:
    """Sources in statements: what may be missing, and what needs a mode, stands alone."""
    out: list[list[Source]] = []
    for each in sources:
        if out and (out[-1][0].optional, out[-1][0].mode) == (each.optional, each.mode):
            out[-1].append(each)
        else:
            out.append([each])
    return out


def _line(context: Context, sources: Sequence[Source], destination: Value, flags: Flags) -> str:
    needs = len(sources) > 1 or any(source.glob for source in sources)
    folder = is_folder(destination)
    target = destination
    if needs and not folder:
        target = value(*destination, "/")
    elif len(sources) == 1 and sources[0].directory is False:
        target = into(context, destination)
    folder = is_folder(target)
    words = []
    for each in sources:
        inner = folder and each.directory and each.text != "." and not each.text.endswith(("/", "/."))
        words.append(_slashed(each.text) if inner else each.text)
    mode = sources[0].mode if not flags.chmod else ""
    more = [*([f"--chmod={mode}"] if mode else []), *(["--optional"] if sources[0].optional else [])]
    head = ["COPY", *flags.words(), *more]
    return " ".join([*head, *words, word(target)])


def _slashed(text: str) -> str:
    return f"{text[:-1]}/{text[-1]}" if text.endswith(('"', "'")) else f"{text}/"


def _landed(context: Context, sources: Sequence[Source], destination: Value) -> None:
    """Note what is where now."""
    stage = context.stage
    path = context.where(destination)
    folder = is_folder(destination) or len(sources) > 1 or any(each.directory for each in sources)
    if folder:
        stage.made_directory(path)
    else:
        stage.made_directory(posixpath.dirname(path))
    for each in sources:
        name = posixpath.basename(each.path.rstrip("/"))
        if each.directory is False:
            stage.paths[posixpath.normpath(posixpath.join(path, name) if folder else path)] = "file"


def _archive(context: Context, text: str, destination: Value, flags: Flags) -> list[str] | None:
    """An archive that ADD unpacks: it is the base of a stage, and what is in it is copied from there."""
    found = relative(context, context.value(text))
    path = plain(found)
    if path is None or GLOB.search(path) is not None:
        guess = context.guess(found)
        names = context.world.glob(guess) if GLOB.search(guess) is not None else (guess,)
        if any(context.world.kind(each) is Kind.ARCHIVE for each in names):
            raise Refused("ADD would unpack what this names; name each archive without variable or pattern")
        return None
    if context.world.kind(path) is not Kind.ARCHIVE:
        return None
    name = context.images.get(f"rootfs:{path}", "")
    if not name:
        last = re.sub(r"[^a-z0-9_-]+", "-", posixpath.basename(path).lower().partition(".")[0]).strip("-")
        name = context.images[f"rootfs:{path}"] = context.free_stage(f"unpacked-{last}" if last else "unpacked")
        context.before(
            [f"FROM {word((f'rootfs:{posixpath.normpath(posixpath.join(context.root, path))}',))} AS {name}"]
        )
    context.note(
        f"ADD unpacks {path}: here the archive is the base of the stage {name}, and its files are copied from there"
    )
    target = destination if is_folder(destination) else value(*destination, "/")
    context.stage.made_directory(context.where(target))
    chown = [f"--chown={flags.chown}"] if flags.asked else []
    chmod = [f"--chmod={flags.chmod}"] if flags.chmod else []
    return [" ".join(["COPY", f"--from={name}", *chown, *chmod, *flags.excludes, "/", word(target)])]


def _parents(context: Context, words: Sequence[str], destination: Value, flags: Flags) -> list[str]:
    """`--parents`: the path of a source stays beneath the destination."""
    lines: list[str] = []
    front = destination if is_folder(destination) else value(*destination, "/")
    for each in words:
        found = context.value(each)
        text = plain(found)
        if text is None:
            raise Refused("--parents with a variable: write out what it gives")
        pivot, dotted, rest = text.partition("/./")
        pivot, rest = (pivot, rest) if dotted else ("", text)
        names = [posixpath.normpath(posixpath.join(pivot, rest)).lstrip("/")]
        if GLOB.search(text):
            if flags.origin:
                raise Refused("--parents with a pattern in another stage: name what it matches")
            if "**" in text:
                raise Refused("--parents with `**`: name what it matches, or copy the directory with --exclude")
            names = list(context.world.glob(names[0]))
            context.note("the pattern is written out as it matches now")
        for name in names:
            kept = posixpath.relpath(name, pivot.lstrip("/") or ".")
            source, directory = name, False
            if flags.origin:
                source = f"/{name}"
                stage = flags.stage
                directory = each.endswith("/") or (stage is not None and stage.is_directory(source))
                if not directory and (stage is None or source not in stage.paths):
                    context.note(
                        f"{source} is taken for a file; where it is a directory, write {source}/ and where it goes"
                    )
            else:
                directory = context.world.kind(name) is Kind.DIRECTORY
            above = kept if directory else posixpath.dirname(kept)
            target = value(*front, f"{above}/" if above not in ("", ".") else "")
            shown = (
                _slashed(word((source,), glob=False)) if directory and source != "." else word((source,), glob=False)
            )
            lines.append(" ".join(["COPY", *flags.words(), shown, word(target)]))
            context.stage.made_directory(context.where(target))
    if not lines:
        context.note("the pattern matches nothing now, and Docker lets that pass; the line is left out")
    return lines
