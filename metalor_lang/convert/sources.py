"""What a source of COPY is in the recipe: with a `/` behind it, as a pattern, with a mode of its own.

Docker copies what is in a directory, whether it was named, matched or ends in `/`; a recipe says which of the two is
meant. So the world is asked what a source is, and what another stage holds is remembered, as far as the Dockerfile
says it.

Invariant: what a source is taken for without being known is noted.
"""

import posixpath
import re

from metalor_lang.convert.model import Kind
from metalor_lang.convert.names import Refused
from metalor_lang.convert.state import Context, Stage
from metalor_lang.convert.values import Value, plain, value, word
from metalor_lang.hints import Final
from metalor_lang.record import dataclass

_UMASK: Final = frozenset({0o664, 0o775})
GLOB: Final = re.compile(r"[*?\[]")


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


def is_folder(found: Value) -> bool:
    """Whether a destination is written as a folder."""
    last = found[-1]
    return isinstance(last, str) and last.rpartition("/")[2] in ("", ".", "..")


def into(context: Context, destination: Value) -> Value:
    """A destination for a file: with `/` where it is a directory already, as Docker finds it."""
    if is_folder(destination):
        return destination
    path = context.where(destination)
    if not context.stage.is_directory(path):
        return destination
    if posixpath.normpath(path) not in context.stage.directories:
        context.note(f"{path} is a directory in most images, so the file goes into it; drop the / where it is none")
    return value(*destination, "/")


def relative(context: Context, found: Value) -> Value:
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


def from_context(context: Context, text: str, destination: Value) -> list[Source]:
    """A source of the context."""
    found = relative(context, context.value(text))
    path = context.guess(found)
    if GLOB.search("".join(part for part in found if isinstance(part, str))) is not None:
        return _matches(context, found, destination)
    kind = context.world.kind(posixpath.normpath(path.lstrip("/") or "."))
    if kind is None:
        context.note(f"{path} is not in the context now: it is taken for a file")
    mode = _mode(context, path, kind)
    if path.startswith("#"):
        found = value("./", *found)
    return [Source(text=word(found, glob=False), directory=kind is Kind.DIRECTORY, path=path, mode=mode)]


def _modes(context: Context, path: str) -> list[int]:
    """Modes that a recipe does not keep; those that a umask makes are told once."""
    found = context.world.modes(path)
    if found & _UMASK:
        context.remark("modes 664 and 775, which a umask of 002 makes, become 644 and 755")
    return sorted(found - _UMASK)


def _mode(context: Context, path: str, kind: Kind | None) -> str:
    """The mode of one file where it must be said; directories with such files are noted."""
    found = _modes(context, posixpath.normpath(path.lstrip("/") or "."))
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
    odd = any(_modes(context, each) for each in matches)
    if odd and (not folders or len(matches) == 1):
        context.note(f"{pattern} has modes that become 755 or 644; a COPY --chmod= for what needs them keeps them")
    if not folders:
        lone = not is_folder(destination)
        if lone and len(matches) == 1:
            context.note(f"the pattern matches {matches[0]} now, and that becomes {context.guess(destination)}")
            return [Source(text=word((matches[0],), glob=False), directory=False, path=matches[0])]
        if lone and not context.stage.is_directory(context.where(destination)):
            raise Refused("what a pattern matches needs a destination that ends in /")
        if not matches:
            context.note("the pattern matches nothing now, which Docker lets pass: --optional does as well")
        elif pattern.endswith("*") and context.world.kind(pattern[:-1]) is not None and not GLOB.search(pattern[:-1]):
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


def from_stage(context: Context, text: str, destination: Value, stage: Stage | None) -> list[Source]:
    """A source of another stage; the stage is None where it stands for an image."""
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
    if GLOB.search("".join(part for part in found if isinstance(part, str))) is not None:
        context.note(
            "what the pattern matches goes in under its name, and must be there; Docker copies what is in matching"
            " directories, and lets none pass"
        )
        return [Source(text=word(found, glob=True), directory=False, path=path, glob=True)]
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
    where = context.where(destination)
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
    context.guessed.append(path)
    return False
