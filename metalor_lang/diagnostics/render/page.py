"""The page of an error code as plain text.

Invariant: it says what the table of codes says and nothing else.
"""

import textwrap

from metalor_lang.diagnostics.codes.model import Code
from metalor_lang.hints import Final

WIDTH: Final = 100


def page(code: Code) -> str:
    """Title, reason, a wrong recipe and a right one."""
    lines = [f"{code.id}: {code.title}", ""]
    for paragraph in code.why.strip().split("\n\n"):
        lines += [*textwrap.wrap(" ".join(paragraph.split()), WIDTH), ""]
    for title, recipe in (("Wrong:", code.wrong), ("Right:", code.right)):
        if recipe:
            lines += [title, "", textwrap.indent(recipe.rstrip("\n"), "    "), ""]
    return "\n".join(lines)
