"""Secrets of a build: given on the command line, shown to steps, kept out of everything that stays.

Invariant: a value is in memory only; what a step leaves is searched before it becomes part of the store.
"""

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from metalor_lang.build.failures import Refused, refuse
from metalor_lang.build.needles import LEAST, Needles
from metalor_lang.digest import Json, canonical_json
from metalor_lang.errors import MetalorError, UsageError
from metalor_lang.hints import Final
from metalor_lang.kernel.trees import read_xattrs
from metalor_lang.plan.graph import Plan, Step
from metalor_lang.source import SourceFile

LIMIT: Final = 1 << 20
_CHUNK: Final = 1 << 20
_ENV: Final = "env:"
_REMEDY: Final = "delete it in the same step, write it to a --tmpfs, or let the program read /run/secrets itself"


class Leak(MetalorError):
    """A step left a secret behind."""


class Secrets:
    """Values by name; never shown.

    Args:
        values: at least LEAST bytes each.

    """

    def __init__(self, values: Mapping[str, bytes] | None = None) -> None:
        self._values = dict(values or {})
        self.needles = Needles(self._values)

    def __repr__(self) -> str:
        return f"Secrets({sorted(self._values)})"

    @property
    def names(self) -> frozenset[str]:
        """Of all that are given."""
        return frozenset(self._values)

    def value(self, name: str) -> bytes:
        """The value of one.

        Raises:
            MetalorError: it is not given.

        """
        if name not in self._values:
            raise MetalorError(f"the secret `{name}` is not given", help=f"give it: --secret {name}=FILE")
        return self._values[name]

    # --- what stays -----------------------------------------------------------------------------------------------

    def vet_plan(self, plan: Plan, source: SourceFile) -> None:
        """Refuse a plan whose image config, history or keys would hold a secret.

        Raises:
            Refused: at the first statement where one is.

        """
        if not self.needles:
            return
        for stage in plan.stages.values():
            for step in stage.steps:
                where = self._in_step(step)
                if where:
                    raise self._refused(step, where, source)

    def _in_step(self, step: Step) -> str:
        name = self.needles.find(step.text.encode("utf-8", "surrogateescape"))
        if name:
            return f"the secret `{name}` stands in this statement, and with it in the image's history"
        parts: Json = dict(step.parts)
        name = self.needles.find(canonical_json(parts)) or self.needles.find(_spoken(step))
        return (
            f"the secret `{name}` is in what this statement becomes: everybody who has the image reads it"
            if name
            else ""
        )

    def _refused(self, step: Step, where: str, source: SourceFile) -> Refused:
        return refuse(
            "E0612",
            where,
            step.span,
            source,
            help="give it to a step as a file: SH --secret=NAME cat /run/secrets/NAME",
        )

    def vet_tree(self, path: Path) -> None:
        """Search everything beneath a directory: names, contents, link targets and attributes.

        Raises:
            Leak: a secret is there; says where.

        """
        if not self.needles:
            return
        for folder, directories, names, fd in os.fwalk(path, follow_symlinks=False):
            relative = os.path.relpath(folder, path)
            for name in (*directories, *names):
                place = f"/{name}" if relative == "." else f"/{relative}/{name}"
                self._vet_entry(fd, name, place)

    def _vet_entry(self, fd: int, name: str, place: str) -> None:
        needles = self.needles
        if found := needles.find(os.fsencode(name)):
            raise Leak(
                f"a step left the secret `{found}` in the name of a file in {os.path.dirname(place)}", help=_REMEDY
            )
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            found = needles.find(os.fsencode(os.readlink(name, dir_fd=fd)))
            if found:
                raise Leak(f"a step left the secret `{found}` in the link {place}", help=_REMEDY)
        elif stat.S_ISREG(status.st_mode):
            found = self._in_file(fd, name)
            if found:
                raise Leak(f"a step left the secret `{found}` in the file {place}", help=_REMEDY)
        for key, value in read_xattrs(fd, name).items():
            if found := needles.find(key.encode("utf-8", "surrogateescape") + b"\0" + value):
                raise Leak(f"a step left the secret `{found}` in an attribute of {place}", help=_REMEDY)

    def _in_file(self, fd: int, name: str) -> str:
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=fd)
        keep = self.needles.longest - 1
        with open(opened, "rb", buffering=0) as file:
            rest = b""
            while data := file.read(_CHUNK):
                data = rest + data
                if found := self.needles.find(data):
                    return found
                rest = data[-keep:] if keep > 0 else b""
        return ""


NONE: Final = Secrets()


def _spoken(step: Step) -> bytes:
    """The image's configuration after a step, as bytes."""
    state = step.after
    texts = (
        *(text for pair in (*state.env, *state.labels, *state.annotations) for text in pair),
        *(state.entrypoint or ()),
        *(state.cmd or ()),
        *(state.shell or ()),
        *state.exposed,
        *state.volumes,
        state.user,
        state.workdir,
    )
    return "\0".join(texts).encode("utf-8", "surrogateescape")


def parse_secrets(words: Sequence[str]) -> Secrets:
    """The values of `--secret NAME=FILE` and `--secret NAME=env:VARIABLE`, read now.

    Raises:
        UsageError: one has a wrong form, stands twice, cannot be read, or is no secret.

    """
    values: dict[str, bytes] = {}
    for word in words:
        name, equals, source = word.partition("=")
        if name in ("id", "type") and "," in source:
            shown = source.partition(",")[0] if name == "id" else "NAME"
            raise UsageError(
                "--secret takes no list of fields", help=f"write --secret {shown}=FILE or --secret {shown}=env:VARIABLE"
            )
        if not name or not equals or not source:
            raise UsageError(f"--secret {name or word}: where is it?", help=f"write --secret {name or 'NAME'}=FILE")
        if name in values:
            raise UsageError(f"--secret {name} is given twice", help="give each secret once")
        value = _from_environment(name, source) if source.startswith(_ENV) else _from_file(name, source)
        if len(value.strip()) < LEAST:
            what = "is empty" if not value.strip() else f"has less than {LEAST} bytes"
            raise UsageError(f"the secret {name} {what}", help="it could not be kept out of logs and layers")
        values[name] = value
    return Secrets(values)


def _from_environment(name: str, source: str) -> bytes:
    variable = source.removeprefix(_ENV)
    if variable not in os.environ:
        raise UsageError(f"--secret {name}: the environment has no {variable}", help=f"export {variable}=…")
    return os.fsencode(os.environ[variable])


def _from_file(name: str, source: str) -> bytes:
    try:
        with open(source, "rb") as file:
            value = file.read(LIMIT + 1)
    except OSError as error:
        help = f"a variable is --secret {name}=env:{source}" if source in os.environ else ""
        raise UsageError(f"--secret {name}: {source} cannot be read: {error.strerror}", help=help) from None
    if len(value) > LIMIT:
        raise UsageError(f"--secret {name}: {source} has more than {LIMIT >> 20} MiB")
    return value
