"""COPY and ADD: files of the context and of stages, heredocs, archives, addresses, repositories.

Docker copies what is in a directory, whether it was named, matched or ends in `/`; a recipe says which of the two is
meant. So the world is asked what a source is.

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
from metalor_lang.convert.state import Context, Stage
from metalor_lang.convert.values import Value, plain, value, word
from metalor_lang.convert.words import blanks
from metalor_lang.hints import Final
from metalor_lang.record import dataclass, field

_GLOB: Final = re.compile(r"[*?\[]")


@dataclass(slots=True)
class Flags:
    """The flags of a COPY or ADD, as far as they are alike."""

    origin: str = ""
    stage: Stage | None = None
    chown: str = ""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source as the recipe writes it.

    Args:
        text: the word.
        directory: whether what is in it is copied; None where that is not known.
        optional: whether it may match nothing.
        glob: whether it is a pattern, whose matches go into a folder.
        path: what it is without names, for messages.
        mode: the `--chmod=` that keeps its mode; "" when it is kept anyhow.

    """

    text: str
    directory: bool | None
    path: str
    optional: bool = False
    glob: bool = False
    mode: str = ""


def copy(context: Context, made: Instruction) -> list[str]:
    """COPY and ADD."""
    if bad_array(made.rest):
        raise Refused("Docker refuses it too: an array of something else than strings")
    words = list(made.array) if made.array is not None else blanks(made.rest)
    if len(words) < 2:
        raise Refused(f"Docker refuses it too: {made.word} needs a source and a destination")
    flags = _flags(context, made)
    destination = _destination(context, words[-1])
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
                flags.chown = word(context.value(text))
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


def is_folder(found: Value) -> bool:
    """Whether a destination is written as a folder."""
    last = found[-1]
    return isinstance(last, str) and last.rpartition("/")[2] in ("", ".", "..")


def into(context: Context, destination: Value) -> Value:
    """A destination for a file: with `/` where it is a directory already, as Docker finds it."""
    if is_folder(destination):
        return destination
    path = context.guess(context.absolute(destination, "the destination"))
    if not context.stage.is_directory(path):
        return destination
    if posixpath.normpath(path) not in context.stage.directories:
        context.note(f"{path} is a directory in most images, so the file goes into it; drop the / where it is none")
    return value(*destination, "/")


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
            _from_stage(context, each, destination, flags)
            if flags.origin
            else _from_context(context, each, destination)
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
    path = context.guess(context.absolute(destination, "the destination"))
    folder = is_folder(destination) or len(sources) > 1 or any(each.directory for each in sources)
    if folder:
        stage.made_directory(path)
    else:
        stage.made_directory(posixpath.dirname(path))
    for each in sources:
        name = posixpath.basename(each.path.rstrip("/"))
        if each.directory is False:
            stage.paths[posixpath.normpath(posixpath.join(path, name) if folder else path)] = "file"


def _relative(context: Context, found: Value) -> Value:
    """A path of the context, as Docker takes it: `/` in front is nothing, and no `..` leads out."""
    text = plain(found)
    if text is None:
        return found
    if not text:
        raise Refused("the source is empty here")
    path = posixpath.normpath(f"/{text.lstrip('/')}").lstrip("/") or "."
    if posixpath.normpath(text).startswith(".."):
        context.note("`..` leads nowhere in Docker: it stays at the root of the context, and is left out here")
    return (path,)


def _from_context(context: Context, text: str, destination: Value) -> list[Source]:
    found = _relative(context, context.value(text))
    path = context.guess(found)
    if _GLOB.search("".join(part for part in found if isinstance(part, str))) is not None:
        return _matches(context, found, destination)
    kind = context.world.kind(posixpath.normpath(path.lstrip("/") or "."))
    if kind is None:
        context.note(f"{path} is not in the context now: it is taken for a file")
    mode = _mode(context, path, kind)
    if path.startswith("#"):
        found = value("./", *found)
    return [Source(text=word(found, glob=False), directory=kind is Kind.DIRECTORY, path=path, mode=mode)]


def _mode(context: Context, path: str, kind: Kind | None) -> str:
    """The mode of one file where it must be said; directories with such files are noted."""
    found = sorted(context.world.modes(posixpath.normpath(path.lstrip("/") or ".")))
    if not found:
        return ""
    if kind is not Kind.DIRECTORY:
        return f"{found[0]:o}"
    shown = ", ".join(f"{mode:o}" for mode in found)
    context.note(f"{path} has modes ({shown}) that become 755 or 644; a COPY --chmod= for what needs them keeps them")
    return ""


def _matches(context: Context, found: Value, destination: Value) -> list[Source]:
    """A pattern: as it is where it matches files only, else written out."""
    pattern = plain(found)
    if pattern is None:
        raise Refused("a pattern with a variable in it matches nothing in a recipe; write out what it gives")
    if "\\" in pattern or "**" in pattern:
        raise Refused(
            "this pattern has no equal (`\\` and `**`); name what it matches, or use a directory with --exclude"
        )
    matches = context.world.glob(pattern)
    folders = [each for each in matches if context.world.kind(each) is Kind.DIRECTORY]
    bare = word(value("./", *found) if pattern.startswith("[") else found, glob=True)
    if bare[:1] in "\"'":
        raise Refused("a pattern with blanks or quotes cannot be written; name what it matches")
    odd = any(context.world.modes(each) for each in matches)
    if odd and (not folders or len(matches) == 1):
        context.note(f"{pattern} has modes that become 755 or 644; a COPY --chmod= for what needs them keeps them")
    if not folders:
        lone = not is_folder(destination)
        if lone and len(matches) == 1:
            context.note(f"the pattern matches {matches[0]} now, and that becomes {context.guess(destination)}")
            return [Source(text=word((matches[0],), glob=False), directory=False, path=matches[0])]
        if lone and not context.stage.is_directory(context.guess(context.absolute(destination, "the destination"))):
            raise Refused("what a pattern matches needs a destination that ends in /")
        if not matches:
            context.note("the pattern matches nothing now, which Docker lets pass: --optional does as well")
        elif pattern.endswith("*") and context.world.kind(pattern[:-1]) is not None and not _GLOB.search(pattern[:-1]):
            context.note("the * lets the file be missing: --optional says so")
            return [Source(text=bare, directory=False, path=pattern, optional=True, glob=True)]
        return [Source(text=bare, directory=False, path=pattern, optional=not matches, glob=True)]
    context.note(
        "Docker copies what is in the directories that a pattern matches, so they are written out as they are now"
    )
    return [
        Source(
            text=word((each,), glob=False), directory=each in folders, path=each,
            mode=_mode(context, each, Kind.DIRECTORY if each in folders else Kind.FILE),
        )
        for each in matches
    ]  # fmt: skip


def _from_stage(context: Context, text: str, destination: Value, flags: Flags) -> list[Source]:
    found = context.value(text)
    known = plain(found)
    if known is not None:
        known = posixpath.normpath(f"/{known}").replace("//", "/", 1)
        slash = text.endswith(("/", "/.")) and known != "/"
        found = (known,)
    else:
        slash = text.endswith(("/", "/."))
        if not context.guess(found).startswith("/"):
            found = value("/", *found)
    path = context.guess(found).rstrip("/") or "/"
    if _GLOB.search("".join(part for part in found if isinstance(part, str))) is not None:
        context.note(
            "what the pattern matches goes in under its name, and must be there; Docker copies what is in matching"
            " directories, and lets none pass"
        )
        return [Source(text=word(found, glob=True), directory=False, path=path, glob=True)]
    stage = flags.stage
    directory: bool | None = None
    if slash or path == "/" or (stage is not None and stage.is_directory(path)):
        directory = True
    elif stage is not None and path in stage.paths:
        directory = stage.paths[path] == "directory"
    if directory is None:
        directory = _taken(context, path, destination)
    written = value(*found, "/") if slash and not str(found[-1]).endswith("/") else found
    return [Source(text=word(written, glob=False), directory=directory, path=path)]


def _taken(context: Context, path: str, destination: Value) -> bool | None:
    """What a path of another stage is taken for where nothing says what it is."""
    where = context.guess(context.absolute(destination, "the destination"))
    name = posixpath.basename(path)
    if not is_folder(destination):
        if not context.stage.is_directory(where) or posixpath.basename(posixpath.normpath(where)) == name:
            return None  # whatever it is, it becomes the destination in both
        context.note(
            f"{path} is taken for a file that goes into {where}; where it is a directory, drop the / of {where}"
        )
        return False
    if posixpath.basename(posixpath.normpath(where)) == name:
        context.note(f"{path} is taken for a directory, by the destination's name; where it is a file, drop its /")
        return True
    context.note(f"{path} is taken for a file; where it is a directory, write {path}/, which means what is in it")
    return False


def _archive(context: Context, text: str, destination: Value, flags: Flags) -> list[str] | None:
    """An archive that ADD unpacks: it is the base of a stage, and what is in it is copied from there."""
    found = _relative(context, context.value(text))
    path = plain(found)
    if path is None or _GLOB.search(path) is not None:
        guess = context.guess(found)
        names = context.world.glob(guess) if _GLOB.search(guess) is not None else (guess,)
        if any(context.world.kind(each) is Kind.ARCHIVE for each in names):
            raise Refused("ADD would unpack what this names; name each archive without variable or pattern")
        return None
    if context.world.kind(path) is not Kind.ARCHIVE:
        return None
    last = re.sub(r"[^a-z0-9_-]+", "-", posixpath.basename(path).lower().partition(".")[0]).strip("-")
    name = context.free_stage(f"unpacked-{last}" if last else "unpacked")
    context.before([f"FROM {word(('rootfs:' + path,))} AS {name}"])
    context.note(
        f"ADD unpacks {path}: here the archive is the base of the stage {name}, and its files are copied from there"
    )
    target = destination if is_folder(destination) else value(*destination, "/")
    context.stage.made_directory(context.guess(context.absolute(target, "the destination")))
    chown = [f"--chown={flags.chown}"] if flags.chown and flags.chown != "0:0" else []
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
        if _GLOB.search(text):
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
            context.stage.made_directory(context.guess(context.absolute(target, "the destination")))
    if not lines:
        context.note("the pattern matches nothing now, and Docker lets that pass; the line is left out")
    return lines
