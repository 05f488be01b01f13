"""Each format of a report, and what all of them have to keep to."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from metalor_lang.cli.reports import FORMATS
from metalor_lang.cli.table.recipes import REPORTS
from metalor_lang.diagnostics.findings import Findings, fingerprints
from metalor_lang.diagnostics.model import Diagnostic, Edit, Label
from metalor_lang.source import SourceFile, Span
from tests.support.documents import ROOT

LINE = "ENV 日本=😀 x"
SOURCE = SourceFile("dir/a b.metalor", f"FROM a:1\n{LINE}\nRUN [\n  'x'\n")
AT = SOURCE.text.index("x")
ONE = Diagnostic(
    code="E0233",
    message="100%: a, b",
    span=Span(AT, AT + 1),
    help="write <x>",
    labels=(Label(span=Span(0, 4), text="begins here"),),
    edits=(Edit(span=Span(AT, AT + 1), text="y", safe=True), Edit(span=Span(0, 0), text="\n")),
)
LONG = Diagnostic(code="E0113", message="open", span=Span(SOURCE.text.index("["), len(SOURCE.text)))
FILES = (Findings(source=SOURCE, diagnostics=(ONE, LONG)), Findings(source=SourceFile("r", "FROM a:1\n")))


def place(line: int, column: int, offset: int) -> dict[str, int]:
    return {"line": line, "column": column, "offset": offset}


def test_the_command_line_offers_them_all() -> None:
    assert ("human", *FORMATS) == REPORTS


def test_short() -> None:
    assert FORMATS["short"](FILES) == (
        "dir/a b.metalor:2:10: error[E0233]: 100%: a, b (help: write <x>)\ndir/a b.metalor:3:5: error[E0113]: open\n"
    )


def test_json() -> None:
    text = FORMATS["json"](FILES)
    assert text.isascii() and text.endswith("\n")
    document = json.loads(text)
    first = document["files"][0]["diagnostics"][0]
    span = {"start": place(2, 10, AT), "end": place(2, 11, AT + 1)}
    assert first == {
        "code": "E0233",
        "severity": "error",
        "message": "100%: a, b",
        "help": "write <x>",
        "span": span,
        "labels": [{"text": "begins here", "span": {"start": place(1, 1, 0), "end": place(1, 5, 4)}}],
        "edits": [
            {"text": "y", "safe": True, "span": span},
            {"text": "\n", "safe": False, "span": {"start": place(1, 1, 0), "end": place(1, 1, 0)}},
        ],
    }
    assert document["files"][1] == {"path": "r", "diagnostics": [], "waiting": []}
    strict_schema().validate(document)


def test_the_schema_of_json_forbids_what_is_not_written_in_it() -> None:
    document = json.loads(FORMATS["json"](FILES))
    document["files"][0]["diagnostics"][0]["span"]["start"]["byte"] = 1
    assert not strict_schema().is_valid(document)


def strict_schema() -> Draft202012Validator:
    """The published schema, but every field must be in it."""

    def closed(schema: Any) -> Any:
        if isinstance(schema, list):
            return [closed(each) for each in schema]
        if not isinstance(schema, dict):
            return schema
        more = {"additionalProperties": False} if schema.get("type") == "object" else {}
        return {**{name: closed(each) for name, each in schema.items()}, **more}

    published = json.loads((ROOT / "docs" / "reference" / "check.schema.json").read_text())
    Draft202012Validator.check_schema(published)
    return Draft202012Validator(closed(published))


def test_github() -> None:
    assert FORMATS["github"](FILES).splitlines() == [
        "::error file=dir/a b.metalor,line=2,col=10,endColumn=11,"
        "title=E0233%3A A key and a value without an equals sign::100%25: a, b%0Ahelp: write <x>",
        "::error file=dir/a b.metalor,line=3,endLine=5,title=E0113%3A A block that is not the whole text of SH::open",
    ]


def read_as_the_runner_does(line: str) -> tuple[str, dict[str, str], str]:
    """How GitHub's runner takes a command apart (actions/runner, ActionCommand)."""

    def plain(text: str, marks: str) -> str:
        for mark in marks:
            text = text.replace(f"%{ord(mark):02X}", mark)
        return text.replace("%25", "%")

    found = re.fullmatch(r"::(?P<name>[a-z]+) (?P<properties>[^:]*)::(?P<data>.*)", line)
    assert found, line
    properties = dict(each.split("=", 1) for each in found["properties"].split(","))
    data = plain(found["data"], "\r\n")
    return found["name"], {name: plain(value, "\r\n:,") for name, value in properties.items()}, data


def test_what_github_reads_is_what_was_said() -> None:
    path = "a,b:100%25%0A\nc.metalor"
    said = Diagnostic(code="E0233", message="50%25 :: a,b\r\n::error::no", span=Span(0, 1))
    text = FORMATS["github"]([Findings(source=SourceFile(path, "x"), diagnostics=(said,))])
    assert text.count("\n") == 1
    name, properties, data = read_as_the_runner_does(text.removesuffix("\n"))
    assert (name, properties["file"], data) == ("error", path, said.message)


def test_gitlab() -> None:
    issues = json.loads(FORMATS["gitlab"](FILES))
    assert [issue["check_name"] for issue in issues] == ["E0233", "E0113"]
    first = issues[0]
    assert first.pop("fingerprint") == fingerprints(FILES)[0][0]
    assert first == {
        "description": "100%: a, b (write <x>)",
        "check_name": "E0233",
        "severity": "blocker",
        "location": {
            "path": "dir/a b.metalor",
            "positions": {"begin": {"line": 2, "column": 10}, "end": {"line": 2, "column": 11}},
            "lines": {"begin": 2, "end": 2},
        },
    }
    assert json.loads(FORMATS["gitlab"]([FILES[1]])) == []


@pytest.mark.parametrize("path", ["./a.metalor", "a.metalor", "b/../a.metalor"])
def test_gitlab_wants_paths_of_the_repository(path: str) -> None:
    file = Findings(source=SourceFile(path, "x"), diagnostics=(Diagnostic(code="E0233", message="m", span=Span(0, 1)),))
    assert json.loads(FORMATS["gitlab"]([file]))[0]["location"]["path"] == "a.metalor"


def test_junit() -> None:
    suites = ET.fromstring(FORMATS["junit"](FILES))
    assert suites.attrib == {"name": "metalor check", "tests": "3", "failures": "2", "errors": "0", "time": "0"}
    assert [(suite.get("name"), suite.get("tests"), suite.get("failures")) for suite in suites] == [
        ("dir/a b.metalor", "2", "2"),
        ("r", "1", "0"),
    ]
    case = suites[0][0]
    assert case.attrib == {
        "classname": "dir/a b.metalor",
        "name": "2:10 E0233 A key and a value without an equals sign",
        "file": "dir/a b.metalor",
        "line": "2",
        "time": "0",
    }
    assert case[0].get("message") == "100%: a, b" and "= help: write <x>" in (case[0].text or "")
    assert len(suites[1][0]) == 0


def test_junit_of_characters_that_xml_cannot_write() -> None:
    text = 'a\x00\x1b\ufffe\uffff\ud800<&">'
    said = Diagnostic(code="E0102", message=text, span=Span(0, len(text)))
    written = FORMATS["junit"]([Findings(source=SourceFile(f"{text}.metalor", text), diagnostics=(said,))])
    failure = next(ET.fromstring(written).iter("failure"))
    assert failure.get("message") == 'a␀␛<U+FFFE><U+FFFF><U+D800><&">'


def test_sarif() -> None:
    log = json.loads(FORMATS["sarif"](FILES))
    run = log["runs"][0]
    assert run["columnKind"] == "utf16CodeUnits"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["E0113", "E0233"]
    first, second = run["results"]
    assert (first["ruleId"], first["ruleIndex"], first["message"]["text"]) == (
        "E0233",
        1,
        "100%: a, b. Help: write <x>.",
    )
    where = first["locations"][0]["physicalLocation"]
    assert where["artifactLocation"] == {"uri": "dir/a%20b.metalor", "uriBaseId": "%SRCROOT%", "index": 0}
    # The emoji is two code units.
    assert where["region"] == {
        "startLine": 2,
        "startColumn": 11,
        "endLine": 2,
        "endColumn": 12,
        "snippet": {"text": "x"},
    }
    changes = first["fixes"][0]["artifactChanges"][0]["replacements"]
    assert [change["insertedContent"]["text"] for change in changes] == ["y", "\n"]
    assert first["relatedLocations"][0]["message"]["text"] == "begins here."
    assert second["locations"][0]["physicalLocation"]["region"]["endLine"] == 5
    assert run["artifacts"][1]["location"]["uri"] == "r"


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("./a.metalor", "a.metalor"),
        ("/x/ä.metalor", "file:///x/%C3%A4.metalor"),
        ("a:b#c?.metalor", "a%3Ab%23c%3F.metalor"),
        ("<stdin>", "%3Cstdin%3E"),
    ],
)
def test_sarif_writes_paths_as_uris(path: str, uri: str) -> None:
    log = json.loads(FORMATS["sarif"]([Findings(source=SourceFile(path, ""))]))
    assert log["runs"][0]["artifacts"][0]["location"]["uri"] == uri


TEXT = "ENV A b\nENV A b\nENV C d\n"


def names(text: str, path: str = "a") -> list[str]:
    spans = [Span(found.start(), found.end()) for found in re.finditer("(?<=ENV . ).", text)]
    found = tuple(Diagnostic(code="E0233", message="m", span=span) for span in spans)
    return list(fingerprints([Findings(source=SourceFile(path, text), diagnostics=found)])[0])


@pytest.mark.parametrize(
    "change",
    [lambda text: f"# c\n\n{text}", lambda text: text.replace("ENV C", "\n  ENV C"), lambda text: f"{text}# e\n"],
)
def test_fingerprints_stay_when_lines_move(change: Callable[[str], str]) -> None:
    assert names(change(TEXT)) == names(TEXT)


def test_fingerprints_tell_apart() -> None:
    assert len({*names(TEXT), *names(TEXT, "b")}) == 6
    assert set(names(TEXT)) & set(names(TEXT.replace("d", "e"))) == set(names(TEXT)[:2])


OTHER = SourceFile("lib/common.metalor", "DEFINE g\n    WORKDIR x\nEND\n")
ELSEWHERE = Diagnostic(
    code="E0340",
    message="`x` is not an absolute path (line 2 of lib/common.metalor)",
    span=Span(0, 4),
    labels=(Label(span=Span(21, 22), text="here", source=OTHER),),
)


def test_a_label_in_another_file() -> None:
    files = (Findings(source=SOURCE, diagnostics=(ELSEWHERE,)),)
    assert FORMATS["short"](files) == (
        "dir/a b.metalor:1:1: error[E0340]: `x` is not an absolute path (line 2 of lib/common.metalor)\n"
    )
    document = json.loads(FORMATS["json"](files))
    (label,) = document["files"][0]["diagnostics"][0]["labels"]
    span = {"start": place(2, 13, 21), "end": place(2, 14, 22)}
    assert label == {"text": "here", "path": "lib/common.metalor", "span": span}
    strict_schema().validate(document)
    (result,) = json.loads(FORMATS["sarif"](files))["runs"][0]["results"]
    (related,) = result["relatedLocations"]
    assert related["physicalLocation"] == {
        "artifactLocation": {"uri": "lib/common.metalor", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 2, "startColumn": 13, "endLine": 2, "endColumn": 14, "snippet": {"text": "x"}},
    }
    for name in ("github", "gitlab", "junit"):
        assert "line 2 of lib/common.metalor" in FORMATS[name](files)
