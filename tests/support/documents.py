"""Fenced blocks of the project's Markdown, for the tests that parse or run them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """One fenced block: language, the words after it, its text, and the line of its first line of text."""

    path: Path
    line: int
    language: str
    words: tuple[str, ...]
    body: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def fences(path: Path) -> tuple[Fence, ...]:
    text = path.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        language, *words = match["info"].split() or [""]
        line = text.count("\n", 0, match.start()) + 2
        found.append(Fence(path=path, line=line, language=language, words=tuple(words), body=match["body"]))
    return tuple(found)


def documents() -> tuple[Path, ...]:
    """Every Markdown file that is shipped."""
    return (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md")))
