"""COPY, FILE and FETCH as COPY and ADD.

Invariant: a source is looked at, because what COPY means to a Dockerfile depends on what it is; owner and mode are
written out where the two languages choose differently.
"""

from collections.abc import Mapping

from metalor_lang.convert.back.model import Unsaid
from metalor_lang.convert.back.words import document, path
from metalor_lang.convert.model import Kind, World
from metalor_lang.plan.graph import CopyFiles, FetchFile, WriteFile


def copy(action: CopyFiles, world: World, stages: Mapping[int, str]) -> list[str]:
    """The lines of a COPY.

    Raises:
        Unsaid: the two languages differ in what would be copied.

    """
    if action.excludes:
        raise Unsaid("--exclude: builders read it in different ways; write the patterns into .metalorignore")
    if action.stage is not None:
        return _from_stage(action, stages[action.stage])
    if action.context:
        raise Unsaid(f"the files of the context {action.context} are not looked at here; copy from a stage, or from .")
    lines: list[str] = []
    together: list[str] = []
    directory = action.destination.endswith("/") or action.destination in (".", "./")
    flags = ""
    for source in action.sources:
        found = world.glob(source.path) if source.glob else (source.path,)
        for each in found:
            kind = world.kind(each)
            if kind is None:
                if action.optional:
                    continue
                raise Unsaid(f"there is no {each} in the context")
            if kind is Kind.DIRECTORY:
                lines.append(_directory(action, each, world, contents=_contents(source.path) and not source.glob))
            else:
                flags = _flags(action, world, each, flags)
                together.append(path(each))
    if together:
        if len(together) > 1 and not directory:
            raise Unsaid("several files go into one name")
        lines.insert(0, f"COPY {flags}{' '.join(together)} {path(action.destination)}")
    return lines or ["# there was nothing to copy (--optional)"]


def _contents(source: str) -> bool:
    return source.endswith(("/", "/.")) or source == "."


def _directory(action: CopyFiles, source: str, world: World, *, contents: bool) -> str:
    if world.modes(source):
        raise Unsaid(f"{source}: a recipe makes modes 755 or 644, a Dockerfile keeps them: set them so in the context")
    if action.chmod is not None:
        raise Unsaid(
            "--chmod: of a directory's files a Dockerfile's means something else; set the modes in the context"
        )
    plain = source.rstrip("/")
    destination = action.destination
    if not contents and (destination.endswith("/") or destination in (".", "./")):
        destination = f"{destination.rstrip('/')}/{plain.rpartition('/')[2]}/"  # a Dockerfile copies what is in it
    return (
        f"COPY {_owner(action.chown, action.user)}{path(plain if plain not in ('', '.') else '.')}/ {path(destination)}"
    )


def _flags(action: CopyFiles, world: World, source: str, before: str) -> str:
    mode = action.chmod
    if mode is None and world.modes(source):
        raise Unsaid(f"{source}: a recipe makes modes 755 or 644, a Dockerfile keeps them: write --chmod")
    flags = _owner(action.chown, action.user) + _mode(mode)
    assert not before or before == flags
    return flags


def _from_stage(action: CopyFiles, stage: str) -> list[str]:
    if action.chmod is not None:
        raise Unsaid("--chmod with --from: it depends on what the stage holds")
    chown = f"--chown={action.chown} " if action.chown is not None else ""
    lines = []
    for source in action.sources:
        if source.glob:
            raise Unsaid("a pattern with --from: it depends on what the stage holds; write the names")
        into = action.destination.endswith("/") or action.destination == "."
        if into and not _contents(source.path):
            # Whether it is a file or a directory, it goes in under its name: a whole name says that of both.
            name = source.path.rstrip("/").rpartition("/")[2]
            destination = f"{action.destination.rstrip('/')}/{name}"
        else:
            destination = action.destination
        lines.append(f"COPY --from={stage} {chown}{path(source.path)} {path(destination)}")
    return lines


def write(action: WriteFile) -> list[str]:
    """The lines of a FILE.

    Raises:
        Unsaid: its mode is symbolic.

    """
    flags = _owner(action.chown, action.user) + _mode(action.chmod)
    opening, rest = document(action.content.decode(), f" {path(action.destination)}")
    return [f"COPY {flags}{opening}", *rest.split("\n")]


def fetch(action: FetchFile) -> list[str]:
    """The line of a FETCH.

    Raises:
        Unsaid: it unpacks, or is no file of the web.

    """
    if action.unpack:
        raise Unsaid("--unpack: ADD of an address unpacks nothing; write tar into a command")
    if not action.url.startswith(("http://", "https://")):
        raise Unsaid("a file: address is of this machine")
    known = "" if action.unpinned else f"--checksum=sha256:{action.sha256} "
    flags = _owner(action.chown, action.user) + _mode(action.chmod or "644")
    return [f"ADD {known}{flags}{path(action.url)} {path(action.destination)}"]


def _owner(chown: str | None, user: str) -> str:
    """Who gets it: a Dockerfile gives what comes from outside to root, a recipe to the USER."""
    owner = chown if chown is not None else user
    return f"--chown={owner} " if owner not in ("", "root", "0", "0:0") else ""


def _mode(chmod: str | None) -> str:
    if chmod is None:
        return ""
    if not chmod.isdigit():
        raise Unsaid("--chmod: a Dockerfile takes it in octal: --chmod=755")
    return f"--chmod={chmod} "
