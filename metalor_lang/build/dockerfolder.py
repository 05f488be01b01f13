"""What a conversion asks of the outside: a Dockerfile's context and the images that are here.

Invariant: only looks; nothing is fetched, and no link leads out of the context.
"""

import os
import re
import stat
import tarfile
from pathlib import Path

from metalor_lang.build.ignore import Rules
from metalor_lang.build.known import HereAlready
from metalor_lang.checker.platforms import host_platform, parse_platform
from metalor_lang.checker.program import ImageBase, Transport
from metalor_lang.convert.ignore import convert_ignore
from metalor_lang.convert.model import BaseFacts, Kind
from metalor_lang.hints import Final
from metalor_lang.oci.config import ConfigFields
from metalor_lang.plan.graph import InputError

_OURS: Final = (".metalor", ".metalorignore")
"""What a conversion has written, and no pattern of a Dockerfile means."""
IGNORE: Final = ".dockerignore"
_FILES: Final = frozenset({0o644, 0o755})
_DIRECTORIES: Final = frozenset({0o755})
_MAGIC: Final = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")


class DockerFolder:
    """Implements `convert.World` over a folder and a store.

    Args:
        context: the folder that COPY reads.
        dockerfile: the name of the Dockerfile: `NAME.dockerignore` beside it goes before `.dockerignore`.
        store: the folder of the store; it need not exist.
        platform: of the bases; this machine's when None.

    """

    def __init__(self, context: Path, dockerfile: Path, store: Path, platform: str | None = None) -> None:
        self._root = context.resolve()
        self._dockerfile = dockerfile
        self._here = HereAlready(context, store)
        self._platform = host_platform() if platform is None else parse_platform(platform)
        text = convert_ignore(self.ignore()).text
        self._rules = Rules((text or "").splitlines(), IGNORE)

    def kind(self, path: str) -> Kind | None:
        """What a visible path is."""
        real = self._real(path)
        if real is None:
            return None
        if real.is_dir():
            return Kind.DIRECTORY
        return Kind.ARCHIVE if _is_archive(real) else Kind.FILE

    def glob(self, pattern: str) -> tuple[str, ...]:
        """The visible paths that match."""
        found = [""]
        for part in pattern.strip("/").split("/"):
            expression = _component(part)
            found = [
                f"{front}/{name}" if front else name
                for front in found
                for name in self._names(front)
                if expression.fullmatch(name)
            ]
        return tuple(sorted(each for each in found if not each.endswith(_OURS) and self._real(each) is not None))

    def modes(self, path: str) -> frozenset[int]:
        """The modes at or below a path that a recipe does not keep."""
        real = self._real(path)
        if real is None:
            return frozenset()
        if not real.is_dir():
            return frozenset({real.stat().st_mode & 0o7777}) - _FILES
        found: set[int] = set()
        for folder, folders, files in os.walk(real):
            below = os.path.relpath(folder, self._root)
            front = "" if below == "." else f"{below}/"
            folders[:] = [each for each in folders if not self._rules.hides(f"{front}{each}", directory=True)]
            for name in files:
                status = os.lstat(os.path.join(folder, name))
                if not stat.S_ISLNK(status.st_mode) and not self._rules.hides(f"{front}{name}", directory=False):
                    found |= {status.st_mode & 0o7777} - _FILES
            found |= {os.lstat(os.path.join(folder, each)).st_mode & 0o7777 for each in folders} - _DIRECTORIES
        return frozenset(found)

    def ignore(self) -> str | None:
        """The text of the `.dockerignore` that holds."""
        own = self._dockerfile.with_name(f"{self._dockerfile.name}{IGNORE}")
        for path in (own, self._root / IGNORE):
            try:
                return path.read_text(encoding="utf-8-sig", errors="replace")
            except (FileNotFoundError, NotADirectoryError):
                continue
        return None

    def base(self, reference: str) -> BaseFacts | None:
        """What an image that is here says of itself."""
        try:
            image = self._here.image(ImageBase(transport=Transport.REGISTRY, location=reference), self._platform)
        except (InputError, ValueError):
            return None
        return facts(image.selection.config.config)

    def _real(self, path: str) -> Path | None:
        """The file behind a visible path of the context; None where there is none, or outside."""
        try:
            real = (self._root / path.strip("/")).resolve()
            there = real.exists()
        except (OSError, RuntimeError, ValueError):  # a loop of links, a name that is too long or holds a NUL
            return None
        if real != self._root and self._root not in real.parents:
            return None
        clean = os.path.normpath(path.strip("/"))
        if not there or (clean != "." and self._rules.hidden_by(clean, directory=real.is_dir()) is not None):
            return None
        return real

    def _names(self, path: str) -> list[str]:
        real = self._real(path or ".")
        return sorted(os.listdir(real)) if real is not None and real.is_dir() else []


def facts(config: ConfigFields) -> BaseFacts:
    """What a conversion wants to know of an image's configuration."""
    shell = config.extra.get("Shell")
    words = tuple(str(each) for each in shell) if isinstance(shell, list | tuple) else ()
    return BaseFacts(
        env=config.env, user=config.user, workdir=config.workdir, shell=words, onbuild=config.onbuild,
        entrypoint=bool(config.entrypoint), cmd=bool(config.cmd),
    )  # fmt: skip


def _is_archive(path: Path) -> bool:
    """Whether ADD would unpack a file: a tar archive, as it is or packed."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            start = file.read(512)
        if start[257:262] == b"ustar":
            return True
        if not start.startswith(_MAGIC):
            return False
        if start.startswith(_MAGIC[3]):
            return ".tar" in path.name or path.name.endswith(".tzst")
        with tarfile.open(path):
            return True
    except (OSError, EOFError, tarfile.TarError, ValueError):
        return False


def _component(text: str) -> re.Pattern[str]:
    """Go's `filepath.Match` within one component."""
    out, at = "", 0
    while at < len(text):
        char = text[at]
        at += 1
        match char:
            case "*":
                out += ".*"
            case "?":
                out += "."
            case "\\" if at < len(text):
                out += re.escape(text[at])
                at += 1
            case "[" if "]" in text[at + 1 :]:
                end = text.index("]", at + 1)
                inside = text[at:end]
                ranges = re.escape(inside.removeprefix("^")).replace("\\-", "-")
                out += f"[{'^' if inside.startswith('^') else ''}{ranges}]"
                at = end + 1
            case _:
                out += re.escape(char)
    try:
        return re.compile(out, re.DOTALL)
    except re.error:
        return re.compile("(?!)")
