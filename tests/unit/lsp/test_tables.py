"""The tables of the server: the page names all of them, and what is made from them is right."""

import json
import re

import pytest

from metalor_lang.diagnostics.codes import CODES
from metalor_lang.lsp.colouring import MODIFIERS, ROLES, TYPES
from metalor_lang.lsp.completing import KINDS, SNIPPETS
from metalor_lang.lsp.features import FEATURES, ITEMS
from metalor_lang.lsp.reporting import anchor
from metalor_lang.lsp.settings import READERS, Settings, read_settings
from metalor_lang.source import SourceFile
from metalor_lang.syntax.parser import parse
from metalor_lang.syntax.statements import BY_WORD
from metalor_lang.tooling.items import ItemKind
from tests.support.documents import ROOT

PAGE = (ROOT / "docs/reference/language-server.md").read_text()


def test_the_page_has_every_request_and_no_other() -> None:
    methods = {row.method for row in FEATURES} | set(ITEMS) | {"workspace/symbol", "textDocument/publishDiagnostics"}
    (table,) = re.findall(r"\| request \|.*?\n\n", PAGE, re.DOTALL)
    assert set(re.findall(r"`(\w+/[\w/]+)`", table)) == methods


def test_the_page_has_every_setting_with_its_default() -> None:
    (table,) = re.findall(r"\| setting \|.*?\n\n", PAGE, re.DOTALL)
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(READERS)
    assert set(READERS) == set(Settings.__dataclass_fields__)


def test_the_page_s_settings_are_right() -> None:

    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    settings, wrong = read_settings(json.loads(example))
    assert not wrong and settings.args == {"VERSION": "1.4.2"} and str(settings.platform) == "linux/arm64"


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (7, "the settings must be an object with any of contexts, args"),
        ({"args": {"A": 1}}, 'the setting `args` must be an object of strings, such as {"NAME": "value"}'),
        ({"platform": "linux/vax"}, "the setting `platform` must be a platform such as linux/arm64"),
        ({"hints": "yes"}, "the setting `hints` must be true or false"),
        ({"delay": True}, "the setting `delay` must be a number of milliseconds"),
        ({"store": 1}, "the setting `store` must be the path of a folder"),
        ({"documentation": None}, "the setting `documentation` must be a string"),
        ({"colour": 1}, "there is no setting `colour`: there are contexts, args"),
    ],
)
def test_a_wrong_setting_is_said(value: object, sentence: str) -> None:
    settings, (wrong,) = read_settings(value)
    assert wrong.startswith(sentence) and settings == Settings()


@pytest.mark.parametrize("word", SNIPPETS)
def test_every_skeleton_is_a_right_statement(word: str) -> None:
    for label, body in SNIPPETS[word]:
        text = re.sub(r"\$\{\d+:([^}]*)\}", r"\1", body)
        recipe, wrong = parse(SourceFile("", text))
        assert not wrong and [node.word for node in recipe.statements] == [word], label


def test_tables_are_total() -> None:
    assert set(KINDS) == set(ItemKind) and set(SNIPPETS) <= set(BY_WORD)
    assert {kind for kind, _ in ROLES.values()} == set(TYPES)
    assert {name for _, name in ROLES.values() if name} == set(MODIFIERS)


def test_codes_have_their_heading_on_the_page_of_codes() -> None:
    page = (ROOT / "docs/reference/diagnostics.md").read_text()
    headings = re.findall(r"^## (E\d{4}): (.*)$", page, re.MULTILINE)
    assert {code for code, _ in headings} == set(CODES)
    # As renderers of Markdown make anchors: small letters, blanks as hyphens, no punctuation.
    assert anchor("E0210") == "e0210-run-with-shell-text"
    for code, title in headings:
        kept = "".join(char for char in f"{code} {title}".lower() if char.isalnum() or char in " -_")
        assert anchor(code) == kept.replace(" ", "-")
