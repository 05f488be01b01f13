"""The tutorial is run from top to bottom."""

from pathlib import Path

import pytest

from tests.support.documents import ROOT
from tests.support.walkthrough import walk

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("document", sorted((ROOT / "docs" / "tutorial").glob("*.md")), ids=lambda path: path.stem)
def test_every_block_does_what_it_says(document: Path, tmp_path: Path) -> None:
    assert walk(document, tmp_path) >= 10
