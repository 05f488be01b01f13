"""The generated files are the grammar's."""

from metalor_lang.editors import write
from metalor_lang.editors.model import model
from tests.support.documents import ROOT
from tests.support.highlighters import corpus


def test_the_committed_files_are_what_the_grammar_gives() -> None:
    for path, text in write.outputs(model()).items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, f"{path}: run `make grammar`"


def test_nothing_generated_is_left_over() -> None:
    made = set(write.outputs(model()))
    assert len(made) >= len(write.PRINTERS)
    for path in made:
        assert (ROOT / path).is_file()


def test_the_page_has_the_models_numbers() -> None:
    page = (ROOT / "docs" / "explanation" / "highlighting.md").read_text(encoding="utf-8")
    moves = sum(len(state.moves) for state in model().states)
    assert f"{len(model().states)} states with {moves} moves" in page
    assert f"{len(corpus.cases(model())):,}" in page
    for path, text in write.outputs(model()).items():
        if path.endswith(("pygments_table.py", "tmLanguage.json", "syntax/metalor.vim", "metalor-mode.el")):
            assert f"{len(text.encode()) / 1000:.0f} kB" in page, path
