from pathlib import Path

import pytest

from metalor_lang.cli.docs import PAGES, main

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_committed_pages_say_what_the_tables_say(name, tmp_path):
    assert main([str(tmp_path)]) == 0
    assert (REFERENCE / name).read_text(encoding="utf-8") == (tmp_path / name).read_text(encoding="utf-8"), (
        "write them anew: make docs"
    )
