"""A .metalorignore that was made of a .dockerignore shows the same files."""

import posixpath
import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from metalor_lang.build.ignore import Rules
from metalor_lang.convert.ignore import convert_ignore


def expression(pattern: str) -> str:
    """Docker's documented matching: `*` and `?` within a name, `**` over any number of directories, `\\` escapes."""
    out, at = "", 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*" and pattern[at : at + 1] == "*":
            at += 1
            if pattern[at : at + 1] == "/":
                at += 1
            out += (
                ".*"
                if at >= len(pattern) and pattern[at - 1] != "/"
                else "(?:.*/)?"
                if pattern[at - 1] == "/"
                else ".*"
            )
        elif char == "*":
            out += "[^/]*"
        elif char == "?":
            out += "[^/]"
        elif char == "\\" and at < len(pattern):
            out += re.escape(pattern[at])
            at += 1
        elif char in "[]^-":
            out += char
        else:
            out += re.escape(char)
    return out


def visible(text: str, path: str) -> bool:
    """Docker's decision about a file: the last pattern that matches it, or a directory above it, decides."""
    hidden = False
    parts = path.split("/")
    names = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    for line in text.split("\n"):
        if line.startswith("#") or not line.strip():
            continue
        body = line.strip()
        again = body.startswith("!")
        body = body.removeprefix("!").strip()
        if not body:
            continue
        clean = posixpath.normpath(body).removeprefix("/") or "/"
        if any(re.fullmatch(expression(clean), name, re.DOTALL) for name in names):
            hidden = not again
    return not hidden


NAME = st.sampled_from(["a", "b", "src", "x.go", "x.md", ".git", "README.md", "ab"])
PATH = st.lists(NAME, min_size=1, max_size=4).map("/".join)
PART = st.sampled_from(
    ["a", "b", "src", "*", "*.md", "**", "x.*", "?", "[ab]", "[^a]", ".git", "a*", "x.go", "README.md", "**.md"]
)
PATTERN = st.builds(
    lambda again, front, parts, end: f"{again}{front}{'/'.join(parts)}{end}",
    st.sampled_from(["", "", "", "!", "!", "! "]),
    st.sampled_from(["", "", "/", "./"]),
    st.lists(PART, min_size=1, max_size=3),
    st.sampled_from(["", "", "/", "/."]),
)
LINES = st.lists(st.one_of(PATTERN, st.sampled_from(["", "# a comment", "  a/b  "])), min_size=1, max_size=6)


@settings(max_examples=600, deadline=None)
@given(LINES, st.lists(PATH, min_size=1, max_size=12))
@example(["*", "!src"], ["src/a", "a", "src/b/x.go"])
@example(["*", "!src/a", "*.md"], ["src/a/b", "src/b", "src/README.md", "README.md"])
@example(["src", "!src/a/b", "src/a/b/x.go"], ["src/a/b/x.go", "src/a/b/x.md", "src/a/x.go", "src"])
@example(["*", "!a", "!b/a"], ["a/b", "b/a/x.go", "b/b"])
@example(["**/x.go", "!src"], ["src/x.go", "a/x.go", "src/a/x.go"])
@example(["!a", "a"], ["a", "a/b"])
@example(["a", "*", "!**/x.go"], ["a/x.go", "x.go", "a/b/x.go", "b"])
def test_the_same_files_are_visible(lines, paths):
    text = "\n".join(lines)
    found = convert_ignore(text)
    assert found.text is not None
    rules = Rules(found.text.splitlines(), ".metalorignore")
    for path in paths:
        seen = rules.hidden_by(path, directory=False) is None
        assert seen == visible(text, path), (text, found.text, path)


@given(st.text(alphabet="ab*!/.#\\[]^-? \t\n", max_size=40))
def test_no_text_is_too_odd(text):
    found = convert_ignore(text)
    assert found.text is not None
    Rules(found.text.splitlines(), ".metalorignore")
