"""`.dockerignore` as `.metalorignore`.

Docker: the last pattern that matches a path or a directory above it decides, and a `!` brings back what lies in an
ignored directory; a pattern begins at the root, `**` stands for any number of directories. gitignore: a path is asked
about by itself, what lies in an ignored directory is gone, and a pattern without `/` matches at any depth.

Invariant: the same files are visible. Directories that a `!` opens may be visible without a file in them.
"""

import posixpath
import re
from collections.abc import Sequence

from metalor_lang.hints import Final
from metalor_lang.record import dataclass

_HEAD: Final = "# from .dockerignore, in the rules of gitignore"
_LAST: Final = re.compile(r"(.+?)\*\*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedIgnore:
    """The text of a `.metalorignore` (None: none is needed), and what is to be known about it."""

    text: str | None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pattern:
    """One pattern: its parts, and whether it brings back."""

    parts: tuple[str, ...]
    again: bool
    written: str

    @property
    def text(self) -> str:
        """As gitignore writes it, from the root."""
        return "/" + "/".join(self.parts)


def convert_ignore(text: str | None) -> ConvertedIgnore:
    """Convert the text of a `.dockerignore`; None where there is none."""
    if text is None:
        return ConvertedIgnore(text=None)
    remarks: list[str] = []
    found: list[_Pattern | str] = []
    for line in text.removeprefix("\ufeff").split("\n"):
        if line.startswith("#") or not line.strip():
            found.append(line.strip())
            continue
        made = _pattern(line.strip())
        if isinstance(made, str):
            remarks.append(f".dockerignore: `{line.strip()}` is left out: {made}")
        else:
            found.append(made)
    patterns = [each for each in found if isinstance(each, _Pattern)]
    lines: list[str] = [_HEAD]
    for each in found:
        if isinstance(each, str):
            lines.append(each)
        else:
            lines += _rules(each, patterns)
    if any(each.again and _open(each) for each in patterns):
        remarks.append(
            ".metalorignore: directories in which a pattern with a wildcard brings something back are visible, also"
            " where nothing in them is"
        )
    while lines and not lines[-1]:
        lines.pop()
    return ConvertedIgnore(text="".join(f"{line}\n" for line in lines), remarks=tuple(remarks))


def _pattern(line: str) -> _Pattern | str:
    """A line as a pattern, or why it says nothing."""
    again = line.startswith("!")
    body = line[1:].strip() if again else line
    if not body:
        return "there is no pattern in it"
    clean = posixpath.normpath(body).replace("//", "/", 1)
    if len(clean) > 1:
        clean = clean.removeprefix("/")
    if clean in (".", "/") or clean == ".." or clean.startswith("../"):
        return "it matches nothing in Docker either"
    if not again and clean.startswith("!"):
        again, clean = True, clean[1:]
    parts: list[str] = []
    for part in clean.split("/"):
        parts += _parts(part)
    for part in parts:
        if "**" in part and part != "**":
            return "`**` within a name has no equal in a .metalorignore"
    return _Pattern(parts=tuple(parts), again=again, written=line)


def _parts(part: str) -> list[str]:
    """A part of a pattern in gitignore's spelling."""
    part = re.sub(r"\*{3,}", "**", part)
    part = part.replace("[!", "[\\!")
    if part != "**" and part.startswith("**") and "**" not in part[2:]:
        return ["**", f"*{part[2:]}"]
    return [part]


def _rules(each: _Pattern, patterns: Sequence[_Pattern]) -> list[str]:
    at = next(n for n, other in enumerate(patterns) if other is each)
    if each.again:
        opened = ["!/" + "/".join(each.parts[:end]) + "/" for end in range(1, len(each.parts))]
        lines = [*opened, f"!{each.text}"]
        if any(
            not other.again and (_below(other, each) or _deep(n, patterns)) for n, other in enumerate(patterns[:at])
        ):
            lines.append(f"!{each.text}/**")
        return lines
    return [each.text, f"{each.text}/**"] if _deep(at, patterns) and each.parts[-1] != "**" else [each.text]


def _deep(at: int, patterns: Sequence[_Pattern]) -> bool:
    """Whether what lies beneath a hiding pattern must be hidden by itself, as a later one opens directories."""
    return any(other.again and len(other.parts) > 1 for other in patterns[at + 1 :])


def _below(hiding: _Pattern, again: _Pattern) -> bool:
    """Whether a pattern may match what lies beneath what another brings back."""
    return "**" in hiding.parts or "**" in again.parts or len(hiding.parts) > len(again.parts)


def _open(each: _Pattern) -> bool:
    return any(re.search(r"[*?\[]", part) for part in each.parts[:-1])
