"""IF, FOR, DEFINE, USE, IMPORT: what is built of a recipe, and what is said of the rest."""

import hashlib
import time

import pytest

from metalor_lang.checker.program import Imported, Platform
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.errors import MachineError
from metalor_lang.source import SourceFile
from tests.support.recipes import FakeContexts, checked, plan_of, program_of

S = "FROM scratch\n"


def steps(text: str, *, recipes: dict[str, str] | None = None, **options: object) -> list[str]:
    """The steps of all stages as `stage: text {arguments}`."""
    plan = plan_of(text, contexts=FakeContexts(recipes=recipes or {}), **options)
    out = []
    for stage in plan.stages.values():
        for step in stage.steps:
            arguments = dict(step.parts).get("arguments")
            out.append(f"{step.text}{f' {arguments}' if arguments else ''}")
    return out


def errors(text: str, *, recipes: dict[str, str] | None = None, **options: object) -> list[tuple[str, int]]:
    found = checked(text, contexts=FakeContexts(recipes=recipes or {}), **options)[1]
    source = SourceFile("x", text)
    return [(each.code, source.position(each.span.start).line) for each in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IF a == a\nEXPOSE 1\nELSE\nEXPOSE 2\nEND", ["EXPOSE 1"]),
        ("IF a == A\nEXPOSE 1\nELSE\nEXPOSE 2\nEND", ["EXPOSE 2"]),
        ('IF "" != ""\nEXPOSE 1\nEND', []),
        ("IF b IN a b\nEXPOSE 1\nEND\nIF b NOT IN a b\nEXPOSE 2\nEND", ["EXPOSE 1"]),
        ("IF ${TARGETARCH} == arm64\nEXPOSE 1\nELSE IF ${TARGETOS} == linux\nEXPOSE 2\nELSE\nEXPOSE 3\nEND",
         ["EXPOSE 2"]),
        ('FOR V IN 1 "2 3"\nLABEL a=${V}\nEND', ["LABEL a=${V} {'V': '1'}", "LABEL a=${V} {'V': '2 3'}"]),
        ('FOR --split V IN 1 " 2\\t3 " ""\nEXPOSE ${V}\nEND', [f"EXPOSE ${{V}} {{'V': '{n}'}}" for n in "123"]),
        ("FOR V IN 1 2\nSH echo $V\nSH echo V\nEND",
         ["SH echo $V {'V': '1'}", "SH echo V", "SH echo $V {'V': '2'}", "SH echo V"]),
        ("FOR V IN 1\nSH --arg=V env\nEND", ["SH --arg=V env {'V': '1'}"]),
        ("DEFINE g a b=${a}x\nLABEL c=${a}${b}\nEND\nUSE g a=1", ["LABEL c=${a}${b} {'a': '1', 'b': '1x'}"]),
        ("DEFINE g a=\nLABEL c=${a}\nEND\nUSE g\nUSE g a=${TARGETOS}",
         ["LABEL c=${a} {'a': ''}", "LABEL c=${a} {'a': 'linux'}"]),
        ("DEFINE g\nEXPOSE 1\nEND\nDEFINE h\nUSE g\nEXPOSE 2\nEND\nUSE h\nUSE g", ["EXPOSE 1", "EXPOSE 2", "EXPOSE 1"]),
        # A group does not see the loop variable around its use.
        ("DEFINE g\nEXPOSE 1\nEND\nFOR V IN 1 2\nUSE g\nEND", ["EXPOSE 1", "EXPOSE 1"]),
        ("FOR V IN 1 2\nEND\nEXPOSE 3", ["EXPOSE 3"]),
    ],
)  # fmt: skip
def test_what_is_built(text: str, expected: list[str]) -> None:
    assert steps(S + text + "\n") == expected


def test_stages_bases_and_arguments_may_hang_on_conditions() -> None:
    text = (
        "ARG MODE=slim\nIF ${MODE} == slim\nARG TAG=12-slim\nFROM debian:${TAG} AS base\nELSE\n"
        "FROM debian:12 AS base\nEND\n"
        "WORKDIR /${MODE}\nFROM base AS end\nEXPOSE 1\n"
    )
    assert [getattr(stage.base, "location", "") for stage in program_of(text).stages] == ["debian:12-slim", ""]
    other = program_of(text, args={"MODE": "full"})
    assert [getattr(stage.base, "location", "") for stage in other.stages] == ["debian:12", ""]
    assert "TAG" not in other.arguments
    # Whether an ARG is declared in this build or not, it may be given: builds for several platforms give it to all.
    assert program_of(text, args={"MODE": "full", "TAG": "x"})


def test_an_import_is_known_by_its_content() -> None:
    files = {
        "lib/a.metalor": "IMPORT ../b.metalor AS b\nDEFINE g\nUSE b.h p=1\nEND\n",
        "b.metalor": "DEFINE h p\nEXPOSE ${p}\nEND\n",
    }
    text = f"IMPORT ./lib/a.metalor AS a\nIMPORT b.metalor AS other\n{S}USE a.g\nUSE other.h p=2\n"
    assert steps(text, recipes=files) == ["EXPOSE ${p} {'p': '1'}", "EXPOSE ${p} {'p': '2'}"]
    program = program_of(text, contexts=FakeContexts(recipes=files))
    assert program.imports == tuple(
        Imported(path=path, sha256=hashlib.sha256(files[path].encode()).hexdigest()) for path in sorted(files)
    )


def test_a_machine_that_cannot_read_is_no_error_of_the_recipe() -> None:
    class Broken(FakeContexts):
        def recipe(self, path: str) -> bytes:
            raise MachineError("the disk fails")

    with pytest.raises(MachineError):
        checked(f"IMPORT a.metalor AS a\n{S}", contexts=Broken())


def test_places_of_steps() -> None:
    text = "DEFINE g p\nEXPOSE ${p}\nEND\nFROM scratch\nFOR V IN 1 2\n  USE g p=${V}\nEND\n"
    text += "FROM scratch AS last\nEXPOSE 3\n"
    source = SourceFile("x", text)
    plan = plan_of(text, target="last")
    (stage,) = plan.stages.values()
    assert source.slice(stage.span) == "FROM scratch AS last"
    assert [source.slice(step.span) for step in stage.steps] == ["EXPOSE 3"]
    assert stage.steps[0].origin is None
    program = program_of(text)
    assert [source.slice(each.node.span) for each in program.stages] == ["FROM scratch", "FROM scratch AS last"]
    first = plan_of(text.replace("FROM scratch AS last\nEXPOSE 3\n", "")).stages[0]
    assert [source.slice(step.span) for step in first.steps] == ["EXPOSE ${p}"] * 2
    origin = first.steps[1].origin
    assert origin is not None
    assert (origin.line, [(via.line, via.text, via.values) for via in origin.via]) == (
        2,
        [(6, "used here", (("p", "2"),)), (5, "in the round V=2", (("V", "2"),))],
    )


# --- what an editor sees: arguments without a value, branches of which nobody knows -------------------------------


def loose(text: str) -> list[tuple[str, int]]:
    return errors(text, given_args_strict=False)


def test_an_editor_holds_nothing_against_branches_that_may_be_built() -> None:
    text = (
        "ARG MODE\nIF ${MODE} == a\nFROM debian:12 AS one\nELSE\nFROM scratch AS two\nENV SET=1\nARG LEVEL=2\nEND\n"
        'COPY --from=two x /x\nRUN ["${SET}", "${LEVEL}"]\nFOR --split V IN ${MODE}\nWORKDIR /${V}\nEND\n'
    )
    assert loose(text) == []
    assert loose(text.replace("SET=1", "SET=1 A=1 A=1")) == [("E0364", 6)]


def test_an_editor_sees_both_branches() -> None:
    text = "ARG MODE\nFROM scratch\nIF ${MODE} == a\nWORKDIR a\nELSE IF ${MODE} == b\nWORKDIR b\nELSE\nWORKDIR c\nEND\n"
    assert loose(text) == [("E0340", 4), ("E0340", 6), ("E0340", 8)]


def test_one_mistake_in_a_condition_gives_one_error() -> None:
    assert errors(f'{S}IF ${{NOPE}} == a\nEXPOSE 1\nELSE\nENV A=1\nEND\nRUN ["${{A}}"]\n') == [("E0301", 2)]
    assert errors(f'{S}IF ${{A}} = a\nENV A=1\nELSE\nENV B=1\nEND\nRUN ["${{B}}", "${{A}}"]\n') == [("E0810", 2)]
    assert errors(f"{S}FOR v in a b\nEXPOSE ${{v}}\nEND\n") == [("E0811", 2)]
    assert errors(f"DEFINE Group p\nEXPOSE ${{p}}\nEND\n{S}") == [("E0812", 1)]


def test_what_differs_by_platform_is_checked_for_each() -> None:
    text = f"{S}IF ${{TARGETARCH}} == arm64\nCOPY absent /x\nEND\n"
    assert errors(text) == []
    assert errors(text, platform=Platform(os="linux", arch="arm64")) == [("E0401", 3)]


# --- what would never end -----------------------------------------------------------------------------------------


def _first(text: str) -> Diagnostic:
    start = time.process_time()
    found = checked(text)[1]
    assert time.process_time() - start < 20
    return found[0]


def test_too_many_lines() -> None:
    tens = " ".join(map(str, range(10)))
    loops = "".join(f"FOR V{n} IN {tens}\n" for n in range(8))
    assert _first(f"{S}{loops}" + "END\n" * 8).code == "E0826"
    doubling = "DEFINE g0\nEXPOSE 80\nEND\n" + "".join(
        f"DEFINE g{n}\nUSE g{n - 1}\nUSE g{n - 1}\nEND\n" for n in range(1, 40)
    )
    assert _first(f"{doubling}{S}USE g39\n").code == "E0826"


def test_too_deep() -> None:
    chain = "DEFINE g0\nEXPOSE 80\nEND\n" + "".join(f"DEFINE g{n}\nUSE g{n - 1}\nEND\n" for n in range(1, 500))
    assert _first(f"{chain}{S}USE g499\n").code == "E0825"
    assert checked(f"{chain}{S}USE g50\n")[0] is not None
    assert _first(S + "IF a == a\n" * 5000 + "END\n" * 5000).code == "E0805"


@pytest.mark.parametrize(
    "line",
    [
        'FOR V IN a,b c;d ${A} $${A} ${A}:x "a," \'b;\' "3.*" "1..3" "{1..3}" \'(a)\' 1.2 oci:a do x',
        'FOR V IN "a,b"',
        "FOR --split V IN a,b c",
        'FOR --split V IN "a b" ${A}',
        'FOR V IN "A"',
        "IF ${A} == a,b",
        "IF ${A} != then",
        "IF ${A} IN a,b c then do",
        'IF ${A} IN "a,b" "then"',
        'IF "DEBUG" == x',
        "IF DEBUG == ${A}",
        "IF linux == linux",
        'DEFINE web list=a,b pattern=* end="a," sign=": "',
        "DEFINE web port=80:81",
    ],
)
def test_what_is_quoted_or_stands_inside_a_word_is_meant(line: str) -> None:
    text = f"ARG A=1\nFROM scratch\n{line}\nEND\n"
    assert [each.message for each in checked(text)[1]] == []


def test_values_of_a_group_may_hold_commas_and_patterns() -> None:
    text = "DEFINE web list more=1\n    LABEL a=${list} b=${more}\nEND\nFROM scratch\nUSE web list=a,b more=*:\n"
    assert program_of(text).stages[0].statements
    assert checked(text.replace("more=*:", "more=2,"))[1][0].code == "E0815"


def test_words_of_a_list_are_parted_by_white_space() -> None:
    text = "ARG PORTS\nFROM scratch\nFOR --split PORT IN ${PORTS}\n    EXPOSE ${PORT}\nEND\n"
    assert checked(text, args={"PORTS": "80 443"})[1] == ()
    for given in ("80, 443", "80 ,443", "80 ; 443"):
        assert [each.code for each in checked(text, args={"PORTS": given})[1]] == ["E0815"]


def test_what_a_group_sets_is_known_in_a_branch_that_is_not_built() -> None:
    text = (
        "DEFINE web port\n    ENV HOST=${port}\n    EXPOSE ${port}\nEND\nFROM scratch\n"
        "IF ${TARGETARCH} == nope\n    USE web port=80\n    LABEL a=${HOST}\n    UNSET EXPOSE 80\nEND\n"
    )
    assert checked(text)[1] == ()
    assert [each.code for each in checked(text.replace("{HOST}", "{HOTS}"))[1]] == ["E0301"]


def test_one_place_in_many_rounds_is_one_error() -> None:
    values = " ".join(f"v{number}" for number in range(20))
    (found,) = checked(f"FROM scratch\nFOR V IN {values}\n    EXPOSE ${{V}}\nEND\n")[1]
    assert found.message == "`v0` is no port"
    texts = [f"in the round V=v{number}" for number in range(5)]
    assert [label.text for label in found.labels] == [*texts, "in the round V=v5, and 14 more"]
