"""Compare texts with files that `--update-goldens` writes."""

from pathlib import Path

from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.source import SourceFile

GOLDENS = Path(__file__).parents[1] / "goldens"


def golden_inputs(folder: str, suffix: str = ".metalor") -> list[Path]:
    """The inputs of a folder of goldens, sorted."""
    return sorted((GOLDENS / folder).glob(f"*{suffix}"))


def check_golden(actual: str, path: Path, *, update: bool) -> None:
    """Fail unless the file holds the text; with `update` write it instead."""
    if update:
        path.write_text(actual, encoding="utf-8")
        return
    assert path.exists(), f"{path.name} is missing: run pytest --update-goldens and read what it writes"
    assert actual == path.read_text(encoding="utf-8")


def describe(diagnostics: tuple[Diagnostic, ...], source: SourceFile) -> str:
    """Code, line:column, width, message, labels and help of each diagnostic, as goldens keep them."""
    out = []
    for each in diagnostics:
        out.append(f"{each.code} {source.position(each.span.start)} width {len(each.span)}")
        out.append(f"  {each.message}")
        for label in each.labels:
            place = (label.source or source).position(label.span.start)
            out.append(f"  {f'{label.source.path}:' if label.source else ''}{place} {label.text}")
        if each.help:
            out.append(f"  help: {each.help}")
    return "".join(line + "\n" for line in out)
