"""What the tables say of statements, flags and error codes, as Markdown: for hovers and completion.

Invariant: every word comes from a table; nothing is said here that `metalor explain` or the reference does not say.
"""

from metalor_lang.syntax.statements import FlagSpec, StatementSpec


def describe_statement(spec: StatementSpec) -> str:
    """A statement: how it is written, what it does, its flags, an example."""
    lines = ["```metalor", *spec.forms, "```", f"{spec.summary}."]
    if spec.flags:
        lines += ["", *(f"- `{_written(flag)}` {flag.summary}" for flag in spec.flags)]
    return "\n".join([*lines, "", "For example:", "```metalor", spec.example, "```"])


def describe_flag(spec: StatementSpec, flag: FlagSpec) -> str:
    """A flag of a statement."""
    repeats = " It may stand more than once." if flag.repeats else ""
    return f"**`{_written(flag)}`** of {spec.word}: {flag.summary}.{repeats}\n\nFor example: `{flag.example}`"


def _written(flag: FlagSpec) -> str:
    return f"--{flag.name}=…" if flag.takes_value else f"--{flag.name}"
