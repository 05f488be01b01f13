"""What is known of a code: title, why it is an error, a wrong and a right example."""

from metalor_lang.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A stable diagnostic code.

    Args:
        id: "E" and four digits.
        title: a short noun phrase or sentence.
        why: why this is refused and what to do, one or two paragraphs of Markdown.
        wrong: a recipe that gives this code ("" when no recipe alone can, such as a damaged base image).
        right: the same recipe put right.

    """

    id: str
    title: str
    why: str
    wrong: str = ""
    right: str = ""


def code(id: str, title: str, why: str, wrong: str = "", right: str = "") -> Code:
    """A row of a table; arguments as `Code`."""
    return Code(id=id, title=title, why=why, wrong=wrong, right=right)


def on_scratch(id: str, title: str, why: str, wrong: str, right: str) -> Code:
    """A row whose examples are lines of a stage on scratch."""
    return code(id, title, why, f"FROM scratch\n{wrong}\n", f"FROM scratch\n{right}\n")
