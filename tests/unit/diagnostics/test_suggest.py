"""The nearest name, or none."""

import pytest

from metalor_lang.diagnostics.suggest import nearest


@pytest.mark.parametrize(
    ("name", "candidates", "answer"),
    [
        ("form", ["from", "chown"], "from"),
        ("biuld", ["build", "base"], "build"),
        ("VERSON", ["VERSION"], "VERSION"),
        ("version", ["VISION", "VERSION"], "VERSION"),
        ("Build", ["build"], "build"),
        ("x", ["y"], None),
        ("ab", ["ba"], "ba"),
        ("", ["a"], None),
        ("wibble", ["from", "chown"], None),
        ("same", ["same"], None),
        ("stage1", ["stage2", "stage3"], "stage2"),
        ("FORM", ["RUN", "FROM", "FILE"], "FROM"),
        ("timeot", [], None),
        ("größe", ["grösse", "große"], "große"),
    ],
)
def test_nearest(name: str, candidates: list[str], answer: str | None) -> None:
    assert nearest(name, candidates) == answer
