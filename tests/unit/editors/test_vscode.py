"""The extension of Visual Studio Code: its parts are there and agree with each other and with the language."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from metalor_lang import __version__
from metalor_lang.editors import snippets, textmate
from metalor_lang.editors.model import Model, Move, State, model
from metalor_lang.editors.regex import Class, Literal
from metalor_lang.lsp.colouring import ROLES
from metalor_lang.lsp.settings import READERS, Settings, read_settings
from metalor_lang.record import replace
from metalor_lang.syntax import grammar
from metalor_lang.syntax.statements import STATEMENTS
from metalor_lang.tooling.roles import Role
from tests.support.documents import ROOT

FOLDER = ROOT / "grammar" / "editors" / "vscode"


def read(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


MANIFEST = read("package.json")


def _paths(node: object) -> list[str]:
    match node:
        case dict():
            return [path for each in node.values() for path in _paths(each)]
        case list():
            return [path for each in node for path in _paths(each)]
        case str() if node.startswith("./"):
            return [node]
    return []


def test_what_the_manifest_names_is_there() -> None:
    paths = _paths(MANIFEST)
    assert len(paths) >= 6
    assert [path for path in paths if not (FOLDER / path).is_file()] == []


def test_the_manifest_is_the_packages() -> None:
    assert MANIFEST["version"] == __version__.partition("+")[0].partition(".dev")[0]
    lock = read("package-lock.json")
    assert lock["packages"][""]["dependencies"] == MANIFEST["dependencies"]
    assert not any("resolved" in each for each in lock["packages"].values()), "no address of a registry"


def test_scopes_and_names_agree() -> None:
    (language,), (syntax,) = MANIFEST["contributes"]["languages"], MANIFEST["contributes"]["grammars"]
    assert language["id"] == syntax["language"] == "metalor"
    assert syntax["scopeName"] == read("syntaxes/metalor.tmLanguage.json")["scopeName"]
    assert list(syntax["embeddedLanguages"]) == [textmate.scope(Role.SHELL)]
    assert len(set(textmate.SCOPES.values())) == len(textmate.SCOPES) == len(Role) - 1
    assert re.match(language["firstLine"], "RECIPE 1")


def test_the_servers_tokens_say_nothing_that_the_grammar_does_not() -> None:
    """So the editor is told not to ask for them: a theme's colours for them are others, and would come later."""
    assert set(ROLES) < set(textmate.SCOPES)
    assert MANIFEST["contributes"]["configurationDefaults"]["[metalor]"]["editor.semanticHighlighting.enabled"] is False


def _list(client: str, name: str) -> list[str]:
    found = re.search(rf"const {name} = (\[[^\]]*\]);", client)
    assert found is not None
    return list(json.loads(found[1]))


def test_settings_are_those_of_the_client_and_of_the_server() -> None:
    settings = MANIFEST["contributes"]["configuration"]["properties"]
    client = (FOLDER / "client.js").read_text(encoding="utf-8")
    starting, server = _list(client, "STARTING"), _list(client, "SERVERS")
    assert {f"metalor.{name}" for name in (*starting, *server, "trace.server")} == set(settings)
    assert {*re.findall(r'settings\.get\("([a-z.]+)"\)', client)} == set(starting)
    assert server == list(READERS)
    assert read_settings({name: settings[f"metalor.{name}"]["default"] for name in server}) == (Settings(), ())
    assert set(MANIFEST["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"]) <= set(settings)
    commands = {each["command"] for each in MANIFEST["contributes"]["commands"]}
    assert commands == set(re.findall(r'registerCommand\("([^"]+)"', client))


@pytest.mark.parametrize("path", sorted((FOLDER / "icons").glob("*.svg")), ids=lambda path: path.stem)
def test_icons_are_pictures(path: Path) -> None:
    assert ElementTree.fromstring(path.read_text(encoding="utf-8")).get("viewBox") == "0 0 16 16"


# ---- snippets ----------------------------------------------------------------------------------------------------


def test_every_form_has_a_snippet_that_is_a_statement() -> None:
    made = read("snippets/metalor.json")
    assert len(made) == sum(len(spec.forms) for spec in STATEMENTS)
    values = {"port": "80", "HEX": "0" * 64, "SHA": "0" * 40, "url": "https://a.example/b"}
    for name, each in made.items():
        text = re.sub(r"\$\{\d+:([^}]*)\}", lambda found: values.get(found[1], found[1]), "\n".join(each["body"]))
        lines = text.replace("$0", "").split("\n")
        opens = lines[0].split()[0] in ("IF", "FOR", "DEFINE")
        assert grammar.scan(lines[0] if opens else text)[1] is None, (name, text)
        assert not opens or lines[-1] == "END"
        numbers = re.findall(r"\$\{(\d+):", "\n".join(each["body"]))
        assert numbers == [str(number + 1) for number in range(len(numbers))]
        assert each["prefix"][1] == each["prefix"][0].lower()


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("FROM [--platform=os/arch] base [AS stage]", "FROM ${1:base} AS ${2:stage}"),
        ('RUN [flags] ["program", "argument", …]', 'RUN ["${1:program}", "${2:argument}"]'),
        ("SH [flags] ''' block '''", "SH '''\n    ${1:text}\n    '''"),
        ("FOR [--split] NAME IN value …", "FOR ${1:NAME} IN ${2:value}\n    $0\nEND"),
        ("FETCH --sha256=HEX url destination", "FETCH --sha256=${1:HEX} ${2:url} ${3:destination}"),
    ],
)
def test_snippets(form: str, body: str) -> None:
    assert snippets.snippet(snippets.plain(form)) == body


# ---- what the scheme cannot say ----------------------------------------------------------------------------------

A, B = Literal("a"), Literal("b")


def _model(*states: State) -> Model:
    return replace(model(), states=states)


def test_line_ends_that_no_region_can_follow_are_refused() -> None:
    good = _model(State((Move(A, Role.WORD, 1),), 0), State((Move(B, Role.WORD, 1),), 1))
    assert "metalor" in textmate.text(good)
    wanders = _model(State((Move(A, Role.WORD, 1),), 0), State((), 2), State((), 3), State((), 0))
    with pytest.raises(ValueError, match="a blank line leads from state 2"):
        textmate.text(wanders)
    inner = _model(
        State((Move(A, Role.WORD, 1),), 0),
        State((Move(A, Role.WORD, 2),), 1),
        State((), 3),
        State((Move(B, Role.WORD, 2),), 0),
    )
    with pytest.raises(ValueError, match="ends 3 inside it"):
        textmate.text(inner)


def test_characters_are_spelled_as_oniguruma_reads_them() -> None:
    assert textmate.spelled(Class(((0x80, 0x9F), (0x1F600, 0x1F600)))) == r"[\x{80}-\x{9f}\x{1f600}]"
