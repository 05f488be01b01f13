"""Every complaint that the page says is answered is answered: its section is done, as a reader would do it."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import bases, emulators
from tests.support.documents import ROOT, Fence, fences
from tests.support.registry import registries_conf, registry
from tests.support.walkthrough import walk_fences

pytestmark = pytest.mark.integration

PAGE = ROOT / "docs" / "explanation" / "complaints.md"
REGISTRY = "registry.example.org"
TEXT = PAGE.read_text(encoding="utf-8")
HEADINGS = re.findall(r"^## (\d+) (.*)$", TEXT, re.MULTILINE)
ROWS = re.findall(r"^\| \[(\d+)\]\(#([^)]*)\) \| ([^|]*) \|", TEXT, re.MULTILINE)


def section(number: str) -> list[Fence]:
    """The fences of a section, in which the base of the tests stands for `debian:12`."""
    starts = {found: TEXT.count("\n", 0, TEXT.index(f"\n## {found} ")) + 2 for found, _ in HEADINGS}
    after = [line for line in starts.values() if line > starts[number]]
    return [
        replace(fence, body=fence.body.replace("FROM debian:12", f"FROM {bases.reference('busybox')}"))
        for fence in fences(PAGE)
        if starts[number] < fence.line < min(after, default=10**9)
    ]


@contextmanager
def somebody_s_registry(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A registry that has the base of the tests as `base:1`."""
    with registry(folder) as name:
        monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(registries_conf(folder, name)))
        push = ["skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false"]
        subprocess.run([*push, bases.reference("busybox"), f"docker://{name}/base:1"], check=True)
        yield name


@pytest.mark.parametrize("number", [number for number, _ in HEADINGS])
def test_answered(number: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = section(number)
    if not any(REGISTRY in fence.body for fence in found):
        assert walk_fences(found, tmp_path, path=emulators.path()) >= 1
        return
    with somebody_s_registry(tmp_path / "registry", monkeypatch) as name:
        found = [replace(fence, body=fence.body.replace(REGISTRY, name)) for fence in found]
        assert walk_fences(found, tmp_path) >= 1


def test_every_row_has_its_section_and_every_section_its_row() -> None:
    assert len(ROWS) >= 25
    assert [(number, text) for number, _, text in ROWS] == HEADINGS
    for number, anchor, text in ROWS:
        assert anchor == f"{number}-" + re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-")
