"""The Dockerfiles of tests/dockerfiles: what each covers, what should become of it, its context as files.

Invariant: whatever Git does not keep (modes, links out of the tree, archives, line ends) is stated in `expect.toml` and
made anew.

| field in expect.toml | says |
| --- | --- |
| `about` | what kind of file it is, in a few words |
| `covers` | the hard constructs in it, by the letters of `CONSTRUCTS` |
| `args` `secrets` `target` | what it is built with |
| `modes` `links` `archives` `crlf` | what is to be made of the folder: modes, links, tars, line ends |
| `refused` | lines that cannot be converted, and a word of the reason |
| `differs` | paths in which the images differ, each with the decision behind it |
| `converts` | "only": nothing is built (it needs the network) |

`Dockerfile.plain`, where there is one, says the same without what Debian's Buildah cannot read.
"""

import io
import os
import shutil
import tarfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import bases, images

FOLDER = Path(__file__).parents[1] / "dockerfiles"

CONSTRUCTS: Mapping[str, str] = {
    "a": "an ARG as a variable of the shell in RUN",
    "b": "a name that nobody sets and that means nothing",
    "c": "comments and blank lines inside a continuation",
    "d": "ENV that extends the base's PATH, or stands on other variables",
    "e": "ENV and ARG of one name",
    "f": "an ARG declared again in each stage",
    "g": "COPY: contents of directories, trailing slashes, Go's patterns, owners and modes",
    "h": "COPY --from another image, or another stage by name and by number",
    "i": "here documents: expanded by the shell or by the builder, quoted or not, several on a line",
    "j": "SHELL in the middle of a file; shell text in CMD and ENTRYPOINT",
    "k": "an array that is none, and so is shell text",
    "l": "ADD, which looks into what it is given",
    "m": "ONBUILD, in the file or in its base",
    "n": "VOLUME, and a write to it afterwards",
    "o": "arguments that nobody declares: proxies, platforms; mounts and secrets of RUN",
    "p": "the order of rules in a .dockerignore, and negation",
    "q": "stages that nobody uses",
    "r": "what only a shell does with a parameter",
    "s": "escape directives, Windows, unknown words: refused",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A line that must be refused, and what the reason has in it."""

    line: int
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One folder of tests/dockerfiles."""

    name: str
    about: str
    covers: Sequence[str]
    args: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    modes: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    archives: Mapping[str, str] = field(default_factory=dict)
    crlf: bool = False
    refused: Sequence[Refusal] = ()
    differs: Mapping[str, str] = field(default_factory=dict)
    converts: str = ""

    @property
    def text(self) -> str:
        """The Dockerfile."""
        text = (FOLDER / self.name / "Dockerfile").read_text(encoding="utf-8")
        return text.replace("\n", "\r\n") if self.crlf else text

    @property
    def plain(self) -> str:
        """The same for an old Buildah, "" when that reads the Dockerfile itself."""
        path = FOLDER / self.name / "Dockerfile.plain"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def plant(self, target: Path) -> Path:
        """Its context, with the Dockerfile, in a new folder."""
        shutil.copytree(FOLDER / self.name, target, symlinks=True)
        (target / "expect.toml").unlink()
        (target / "Dockerfile.plain").unlink(missing_ok=True)
        (target / "Dockerfile").write_text(self.text, encoding="utf-8", newline="")
        for path in sorted(target.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() else 0o644)
        for name, mode in self.modes.items():
            (target / name).chmod(int(mode, 8))
        for name, text in self.links.items():
            (target / name).symlink_to(text)
        for name, what in self.archives.items():
            folder, _, packed = what.partition(":")
            (target / name).write_bytes(_archive(target / folder, packed or ("gz" if name.endswith("gz") else "")))
        return target


def _archive(folder: Path, packed: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{packed}") as tar:
        for path in sorted(folder.rglob("*")):
            info = tar.gettarinfo(path, str(path.relative_to(folder)))
            info.uid, info.gid, info.uname, info.gname, info.mtime = 5, 6, "", "", 1_000_000_000
            if path.is_file():
                info.mode = 0o750
                tar.addfile(info, io.BytesIO(path.read_bytes()))
            else:
                tar.addfile(info)
    return out.getvalue()


def _sample(folder: Path) -> Sample:
    read: dict[str, Any] = tomllib.loads((folder / "expect.toml").read_text(encoding="utf-8"))
    refused = tuple(Refusal(**each) for each in read.pop("refused", ()))
    return Sample(name=folder.name, refused=refused, **read)


SAMPLES: Mapping[str, Sample] = {name: _sample(FOLDER / name) for name in sorted(os.listdir(FOLDER))}

STANDINS: Mapping[str, str] = {
    "busybox:1": "busybox",
    "alpine:3.20": "busybox",
    "golang:1.22-alpine": "busybox",
    "nginx:1.27-alpine": "busybox",
    "node:20-alpine": "busybox",
    "python:3.12-alpine": "busybox",
    "debian:12": "debian",
}
"""Which base made from Debian packages stands for an image that a Dockerfile names: the tests have no network."""

ONBUILD = "localhost/onbuild:1"


def standins(folder: Path) -> dict[str, str]:
    """All of them as `--base` takes them; the base with triggers is made in a folder."""
    found = {reference: f"oci:{bases.base(name)}:{bases.TAG}" for reference, name in STANDINS.items()}
    return {**found, ONBUILD: f"oci:{_with_triggers(folder / 'onbuild')}:{bases.TAG}"}


def _with_triggers(target: Path) -> Path:
    if not target.exists():
        config = {"Env": [bases.PATH], "OnBuild": ["COPY . /app"]}
        images.make_layout(target, layers=[{"etc/": ""}], config=config, tag=bases.TAG)
    return target


def table() -> str:
    """tests/dockerfiles.md: which file covers which construct."""
    lines = [
        "# The Dockerfiles that the converter is tried with",
        "",
        "Each folder of `tests/dockerfiles` is converted; what can be converted is built by metalor and by Buildah,",
        "and the two images are compared (`tests/integration/test_dockerfiles.py`). This page is written by",
        "`pytest tests/unit/convert/test_samples.py --update-goldens`.",
        "",
        "| construct | | files |",
        "| --- | --- | --- |",
    ]
    for letter, what in CONSTRUCTS.items():
        files = ", ".join(name.partition("-")[0] for name, sample in SAMPLES.items() if letter in sample.covers)
        lines.append(f"| {letter} | {what} | {files} |")
    lines += ["", "| file | what it is | constructs | outcome |", "| --- | --- | --- | --- |"]
    for name, sample in SAMPLES.items():
        lines.append(
            f"| [{name}](dockerfiles/{name}) | {sample.about} | {' '.join(sample.covers)} | {_outcome(sample)} |"
        )
    return "".join(f"{line}\n" for line in lines)


def _outcome(sample: Sample) -> str:
    if sample.refused:
        return "; ".join(f"line {each.line} is refused: {each.because}" for each in sample.refused)
    if sample.converts:
        return "converted, not built: it needs the network"
    if sample.differs:
        return "equal but for " + "; ".join(f"`{where}`: {why}" for where, why in sample.differs.items())
    return "equal"
