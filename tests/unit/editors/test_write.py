"""The generated files are the grammar's."""

from metalor_lang.editors import write
from metalor_lang.editors.model import model
from tests.support.documents import ROOT


def test_the_committed_files_are_what_the_grammar_gives() -> None:
    for path, text in write.outputs(model()).items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, f"{path}: run `make grammar`"


def test_nothing_generated_is_left_over() -> None:
    made = set(write.outputs(model()))
    assert len(made) >= len(write.PRINTERS)
    for path in made:
        assert (ROOT / path).is_file()
