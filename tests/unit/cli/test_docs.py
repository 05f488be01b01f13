from xml.etree import ElementTree

import pytest

from metalor_lang.cli.docs import PAGES, main
from tests.support.documents import ROOT

REFERENCE = ROOT / "docs" / "reference"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_committed_pages_say_what_the_tables_say(name, tmp_path):
    assert main([str(tmp_path)]) == 0
    assert (REFERENCE / name).read_text(encoding="utf-8") == (tmp_path / name).read_text(encoding="utf-8"), (
        "write them anew: make docs"
    )


def test_the_picture_of_a_recipe_shows_the_recipe() -> None:
    """Its words, each in a colour; which colours shell text gets is a matter of Pygments' release."""
    images = ROOT / "docs" / "images"
    recipe = (images / "highlighting.metalor").read_text(encoding="utf-8")
    shown = list(ElementTree.parse(images / "highlighting.svg").iter(f"{SVG}text"))
    text = "".join("".join(each.itertext()) for each in shown)
    assert "".join(text.split()) == "".join(recipe.split()), "write it anew: make docs"
    colours = {"".join(each.itertext()).strip(): each.get("fill") for each in shown}
    assert colours["FROM"] == colours["COPY"] == colours["END"] != colours["${MODE}"]
