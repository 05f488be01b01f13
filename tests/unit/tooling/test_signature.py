"""The form that is shown, and its active part."""

import pytest

from metalor_lang.syntax.statements import BY_WORD, STATEMENTS
from metalor_lang.tooling.signature import PARTS, signature

_FENCE = "'''"


def shown(text: str) -> str:
    found = signature(text, len(text))
    if found is None:
        return ""
    start, end = found.active.start, found.active.end
    return f"{found.form[:start]}<{found.form[start:end]}>{found.form[end:]}"


@pytest.mark.parametrize(
    ("typed", "form"),
    [
        ("", ""), ("F", ""), ("# x", ""),
        ("FROM ", "FROM [--platform=os/arch] <base> [AS stage]"),
        ("FROM a:1 ", "FROM [--platform=os/arch] base <[AS stage]>"),
        ("FROM a:1 AS b", "FROM [--platform=os/arch] base [AS <stage>]"),
        ("FROM --platform=l", "FROM <[--platform=os/arch]> base [AS stage]"),
        ("ARG N", "ARG [--public] <NAME>"),
        ("ARG N=", "ARG [--public] NAME=<value>"),
        ("ARG --pub", "ARG <[--public]> NAME"),
        ("ENV A", "ENV <NAME>=value …"),
        ("ENV A=1 B=x", "ENV NAME=<value> …"),
        ("LABEL a=1 ", "LABEL <key>=value …"),
        ("COPY ", "COPY [flags] <source…> destination"),
        ("COPY a b", "COPY [flags] source… <destination>"),
        ("COPY --from=b a ", "COPY [flags] source… <destination>"),
        ("COPY --from=", "COPY <[flags]> source… destination"),
        ("RUN [", 'RUN [flags] [<"program">, "argument", …]'),
        ('RUN ["a", "b', 'RUN [flags] ["program", <"argument", …>]'),
        ("TEST ", '<>TEST RUN [flags] ["program", "argument", …]'),
        ("TEST RUN [", 'TEST RUN [flags] [<"program">, "argument", …]'),
        ("TEST SH x", "TEST SH [flags] <shell text>"),
        (f"SH {_FENCE}\n x", f"SH [flags] {_FENCE} <block> {_FENCE}"),
        ('FILE /a """\n x', 'FILE [flags] destination """ <block> """'),
        ("FILE /a", f"FILE [flags] <destination> {_FENCE} block {_FENCE}"),
        ("FETCH --unpinned u ", "FETCH --unpinned url <destination>"),
        ("UNSET LABEL ", "UNSET LABEL <key>"),
        ("IF ", "IF <value> == value"),
        ("IF ${A} == ", "IF value == <value>"),
        ("IF ${A} != x", "IF value != <value>"),
        ("IF ${A} IN a b", "IF value IN <value …>"),
        ("IF ${A} NOT IN ", "IF value NOT IN <value …>"),
        ("ELSE IF a == ", "ELSE IF value == <value>"),
        ("FOR X", "FOR [--split] <NAME> IN value …"),
        ("FOR X IN a b", "FOR [--split] NAME IN <value …>"),
        ("FOR --spl", "FOR <[--split]> NAME IN value …"),
        ("DEFINE a", "DEFINE <name>"),
        ("DEFINE a P", "DEFINE name <PARAMETER …>"),
        ("DEFINE a P=x Q", "DEFINE name <PARAMETER=default …>"),
        ("USE a P", "USE name <PARAMETER=value …>"),
        ("USE x.y P=", "USE space.name <PARAMETER=value …>"),
        ("DEFINE a P Q=2\nEND\nUSE a ", "USE a <P=value> [Q=2]"),
        ("DEFINE a P Q=2\nEND\nUSE a P=1 ", "USE a P=value <[Q=2]>"),
        ("DEFINE a P Q=2\nEND\nUSE a Q=", "USE a P=value <[Q=2]>"),
        ("IMPORT a ", "IMPORT path AS <space>"),
        ("USER a:1 \\\n", "USER <name-or-id[:group-or-id]>"),
    ],
)  # fmt: skip
def test_table(typed: str, form: str) -> None:
    assert shown(typed) == form


def test_a_flag_is_explained_while_its_value_is_written() -> None:
    found = signature("RUN --network=", 14)
    assert found is not None and found.help == "the network that the step sees: host or none, such as --network=none"


def test_the_parts_are_those_of_the_forms() -> None:
    assert set(PARTS) == set(BY_WORD)
    for spec in STATEMENTS:
        for part in PARTS[spec.word]:
            assert any(part in form for form in spec.forms), (spec.word, part)
