"""A Dockerfile for a Buildah that is older than some of what is in it.

Invariant: the meaning is BuildKit's; what is written in another way is said, and what has no other way is refused.

Debian 12 has Buildah 1.28, which reads no here documents and knows few flags. A here document of RUN is given to the
same shell as one argument, one of COPY as a file of a context of its own; flags that choose a network, let a layer be
reused or state a digest (which metalor has checked by then) change no file, and are left out.
"""

import json
from collections.abc import Mapping, Sequence

from metalor_lang.convert.reader import Directive, Heredoc, Instruction, read
from metalor_lang.errors import MachineError
from metalor_lang.hints import Final
from metalor_lang.record import dataclass, field

SINCE: Final = (1, 33)
"""The first Buildah that is given every Dockerfile as it is."""
CONTEXT: Final = "metalor-here-documents"
_SHELL: Final = ("/bin/sh", "-c")
_IDLE: Final[Mapping[str, frozenset[str]]] = {
    "RUN": frozenset({"network", "security"}),
    "COPY": frozenset({"link"}),
    "ADD": frozenset({"link", "checksum"}),
}
_MARKS: Final = frozenset("\"'\\ \t$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Older:
    """What an old Buildah is given.

    Args:
        text: of the Dockerfile.
        files: of the context `CONTEXT`, path → text.
        said: what was written in another way, a sentence each.

    """

    text: str
    files: Mapping[str, str] = field(default_factory=dict)
    said: tuple[str, ...] = ()


def rewritten(text: str, version: tuple[int, ...]) -> Older:
    """The Dockerfile as a Buildah of this version can read it.

    Raises:
        MachineError: there is no other way to write something in it.

    """
    if version >= SINCE:
        return Older(text=text)
    return _Rewriter("Buildah " + ".".join(str(part) for part in version)).rewrite(text)


class _Rewriter:
    def __init__(self, who: str) -> None:
        self._who = who
        self._stage = ""
        self._shells: dict[str, Sequence[str]] = {}
        self._files: dict[str, str] = {}
        self._said: list[str] = []

    def rewrite(self, text: str) -> Older:
        lines: list[str] = []
        for item in read(text).items:
            match item:
                case Instruction():
                    lines += self._instruction(item)
                case Directive(name="escape"):
                    lines.append(f"# escape={item.value}")
                case _:
                    lines.append("")  # so that lines keep their numbers as long as nothing is rewritten
        return Older(text="".join(f"{line}\n" for line in lines), files=self._files, said=tuple(self._said))

    def _instruction(self, item: Instruction) -> Sequence[str]:
        if item.word == "FROM":
            words = item.rest.split()
            below = self._shells.get(words[0].lower(), _SHELL) if words else _SHELL
            self._stage = words[2].lower() if len(words) == 3 else ""
            self._shells[self._stage] = below
        elif item.word == "SHELL" and item.array:
            self._shells[self._stage] = item.array
        idle = [name for name, _ in item.flags if name in _IDLE.get(item.word, ())]
        if not item.heredocs and not idle:
            return item.written
        flags = self._flags(item, idle)
        if not item.heredocs:
            return [f"{item.word} {flags}{item.rest}"]
        return [self._run(item, flags) if item.word == "RUN" else self._copy(item, flags)]

    def _flags(self, item: Instruction, idle: Sequence[str]) -> str:
        if idle:
            names = " and ".join(f"--{name}" for name in dict.fromkeys(idle))
            self._said.append(f"line {item.first}: {names} was left out for {self._who}, which does not know it")
        kept = [(name, value) for name, value in item.flags if name not in idle]
        if any(_MARKS.intersection(value or "") for _, value in kept):
            raise self._cannot(item, "a flag with quotes beside a here document or a flag that it does not know")
        return "".join(f"--{name} " if value is None else f"--{name}={value} " for name, value in kept)

    def _run(self, item: Instruction, flags: str) -> str:
        if len(item.heredocs) == 1 and item.rest == item.heredocs[0].word:
            text = item.heredocs[0].stripped
            if text.startswith("#!"):
                raise self._cannot(item, "a here document with a #! line")
        else:
            text = item.rest + "\n" + "".join(f"{each.text}{each.name}\n" for each in item.heredocs)
        argv = [*self._shells.get(self._stage, _SHELL), text]
        self._said.append(f"line {item.first}: {self._who} was given the here document as an argument of the shell")
        return f"RUN {flags}{json.dumps(argv)}"

    def _copy(self, item: Instruction, flags: str) -> str:
        *sources, destination = item.rest.split()
        documents = {each.word: each for each in item.heredocs}
        if item.word != "COPY" or any(source not in documents for source in sources):
            raise self._cannot(item, "a here document beside other sources")
        paths = []
        for source in sources:
            path = f"{item.first}/{documents[source].name}"
            self._files[path] = self._literal(item, documents[source])
            paths.append(path)
        self._said.append(f"line {item.first}: {self._who} was given the here document as a file")
        return f"COPY --from={CONTEXT} {flags}{' '.join(paths)} {destination}"

    def _literal(self, item: Instruction, document: Heredoc) -> str:
        if document.expands and ("$" in document.text or "\\" in document.text):
            raise self._cannot(item, "a here document in which the builder expands names")
        return document.stripped

    def _cannot(self, item: Instruction, what: str) -> MachineError:
        since = ".".join(str(part) for part in SINCE)
        return MachineError(
            f"line {item.first} of the Dockerfile has {what}, and {self._who} cannot be given that in any other way",
            help=f"install Buildah {since} or newer",
        )
