"""The table of the corpus in docs/explanation/security.md, a golden that `--update-goldens` writes anew."""

import json
import platform
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.adversarial.corpus.all import CORPUS
from tests.adversarial.corpus.model import LayerSet

ROOT: Final = Path(__file__).resolve().parents[2]
DOCUMENT: Final = ROOT / "docs/explanation/security.md"
BEGIN: Final = "<!-- hostile layers: written by `make adversarial-table` -->"
END: Final = "<!-- end of hostile layers -->"
COLUMNS: Final = {
    "ours": "ours",
    "umoci": "`--unpacker umoci`",
    "fully_trusted": "tarfile `fully_trusted`",
    "tar": "tarfile `tar`",
    "data": "tarfile `data`",
    "GNU tar": "GNU tar",
}
TOUCHED: Final = "**touched the host**"
OVER: Final = "over budget"
Rows = dict[tuple[str, str], dict[str, str]]


def run(every: int) -> list[dict[str, Any]]:
    """Try the corpus in a private world; see extract.py."""
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(
            [sys.executable, "-m", "tests.adversarial.extract", place, str(every)],
            cwd=ROOT, capture_output=True, text=True,
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the private world failed: {done.stderr[-3000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def versions() -> str:
    """The tools of this machine, as the table names them."""
    tar = _first_line("tar", "--version").rpartition(" ")[2]
    umoci = re.findall(r"\d+\.\d+\.\d+", _first_line("umoci", "--version"))[0]
    return f"Python {platform.python_version()}, GNU tar {tar}, umoci {umoci}"


def _first_line(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()[0]


def cell(result: Mapping[str, Any]) -> str:
    """What one extractor made of one set, in a word."""
    if result.get("touched"):
        return TOUCHED
    if result.get("leaked"):
        return "**leaked a secret**"
    if result.get("over"):
        return OVER
    if result.get("wrong"):
        return "accepted, another tree"
    return str(result["verdict"])


def rows(results: Iterable[Mapping[str, Any]]) -> Rows:
    """Cells by set and extractor."""
    return {(one["kind"], one["name"]): {name: cell(one[name]) for name in COLUMNS if name in one} for one in results}


def section(table: Rows) -> str:
    """The whole generated section."""
    tally = {name: Counter(cells[name] for cells in table.values() if name in cells) for name in COLUMNS}
    kinds = ("refused", "accepted", "accepted, another tree", OVER, "**leaked a secret**", TOUCHED)
    lines = [BEGIN, "", f"{len(CORPUS)} sets; {versions()}.", "", "| | " + " | ".join(COLUMNS.values()) + " |"]
    lines.append("| --- |" + " --- |" * len(COLUMNS))
    lines += [f"| {kind} | " + " | ".join(str(tally[name][kind]) for name in COLUMNS) + " |" for kind in kinds]
    lines += [
        "",
        "Where umoci, which only ever sees what our reader let pass, is stricter than the specification or differs:",
        "",
    ]
    lines += [f"- {one.kind}, {one.name}: {_umoci(one)}." for one in CORPUS if one.umoci or one.umoci_tree]
    lines += ["", "| class | set | published as | " + " | ".join(COLUMNS.values()) + " |"]
    lines.append("| --- | --- | --- |" + " --- |" * len(COLUMNS))
    for one in CORPUS:
        cells = table[one.kind, one.name]
        shown = [one.kind, one.name.replace("|", "\\|"), one.cve, *(cells.get(name, "—") for name in COLUMNS)]
        lines.append("| " + " | ".join(shown) + " |")
    return "\n".join([*lines, "", END])


def _umoci(one: LayerSet) -> str:
    if one.umoci_tree:
        return f"umoci {one.umoci_tree}"
    return f"refused ({one.umoci})"


def written() -> tuple[str, Rows]:
    """The tools and the cells that the document has now."""
    text = DOCUMENT.read_text(encoding="utf-8")
    body = text[text.index(BEGIN) : text.index(END)]
    tools = re.search(r"^\d+ sets; (.*)\.$", body, re.MULTILINE)
    found: Rows = {}
    for line in body.splitlines():
        parts = [
            part.replace("\\|", "|") for part in re.split(r" (?<!\\)\| ", line.removeprefix("| ").removesuffix(" |"))
        ]
        if len(parts) == 3 + len(COLUMNS) and parts[0] not in ("class", "---"):
            found[parts[0], parts[1]] = dict(zip(COLUMNS, parts[3:]))
    return tools[1] if tools else "", found


def write(table: Rows) -> None:
    """Put the section into the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN)], text[text.index(END) + len(END) :]
    DOCUMENT.write_text(before + section(table) + after, encoding="utf-8")
