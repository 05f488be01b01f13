"""Sources of ADD that lie elsewhere: addresses as FETCH, repositories as GIT.

Invariant: what is not pinned says so in the recipe.
"""

import re

from metalor_lang.convert.names import Refused
from metalor_lang.convert.sources import into
from metalor_lang.convert.state import Context
from metalor_lang.convert.values import Value, value, word
from metalor_lang.hints import Final, Protocol

_GIT: Final = re.compile(r"(?:git://|ssh://|git@[^/:]+:).+|https?://[^?#]+\.git(?:#.*)?")
_SCP: Final = re.compile(r"(git@[^/:]+):(?!/)(.+)")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


class HasFlags(Protocol):
    """What is asked of the flags of an ADD."""

    chown: str
    chmod: str
    checksum: str
    unpack: bool


def remote(context: Context, text: str, destination: Value, flags: HasFlags) -> list[str] | None:
    """FETCH or GIT for a source of ADD; None where it is a file of the context."""
    found = context.value(text)
    guess = context.guess(found)
    if _GIT.fullmatch(guess):
        return _git(context, found, guess, destination, flags)
    if not guess.startswith(("http://", "https://")):
        return None
    words = ["FETCH"]
    if flags.checksum:
        kind, _, digest = flags.checksum.partition(":")
        if kind != "sha256" or not re.fullmatch("[0-9a-f]{64}", digest):
            raise Refused("FETCH compares a sha256 only: write --sha256= with that of the file")
        words.append(f"--sha256={digest}")
    else:
        words.append("--unpinned")
        context.note("the file is not pinned: put --sha256=HEX in the place of --unpinned")
    words += [f"--chown={flags.chown}"] if flags.chown else []
    if flags.unpack:
        words += [f"--chmod={flags.chmod}"] if flags.chmod else []
        context.note("owners and set-id bits of the archive are not kept; Docker keeps them")
        target = destination
        context.stage.made_directory(context.where(destination))
        return [" ".join([*words, "--unpack", word(found), word(target)])]
    words.append(f"--chmod={flags.chmod or '600'}")
    return [" ".join([*words, word(found), word(into(context, destination))])]


def _git(context: Context, found: Value, guess: str, destination: Value, flags: HasFlags) -> list[str]:
    address, _, fragment = guess.partition("#")
    if guess != "".join(part for part in found if isinstance(part, str)):
        raise Refused(
            "a repository with a variable in its address: write GIT --unpinned=${NAME} ADDRESS DESTINATION by hand"
        )
    if flags.checksum and not _COMMIT.fullmatch(flags.checksum):
        raise Refused("GIT --commit= takes the whole name of a commit, 40 digits")
    match = _SCP.fullmatch(address)
    if match is not None:
        address = f"ssh://{match[1]}/{match[2]}"
    reference, _, folder = fragment.partition(":")
    commit = flags.checksum or (reference if _COMMIT.fullmatch(reference) else "")
    pin = f"--commit={commit}" if commit else f"--unpinned={reference or 'HEAD'}"
    if not commit:
        context.note("the repository is not pinned: put --commit=SHA in the place of --unpinned")
    owner = [f"--chown={flags.chown}"] if flags.chown else []
    mode = [f"--chmod={flags.chmod}"] if flags.chmod else []
    context.stage.made_directory(context.where(destination))
    if not folder.strip("/"):
        return [" ".join(["GIT", pin, *owner, *mode, word(value(address)), word(destination)])]
    name = context.free_stage("repository")
    context.before([f"FROM scratch AS {name}", " ".join(["GIT", pin, word(value(address)), "/"])])
    context.note(f"the repository is fetched in a stage of its own, {name}, and the directory is copied from there")
    return [
        " ".join(["COPY", f"--from={name}", *owner, *mode, word(value("/", folder.strip("/"), "/")), word(destination)])
    ]
