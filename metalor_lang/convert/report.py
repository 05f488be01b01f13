"""The report of a conversion, for people and for programs.

Invariant: every line of `Converted.lines` is in it; how many are exact is counted, not estimated.
"""

import json
from collections import Counter
from collections.abc import Mapping

from metalor_lang.convert.model import Converted, Verdict


def human(converted: Converted, name: str) -> str:
    """The report as lines: place, instruction, verdict, and what there is to know.

    Args:
        converted: the conversion.
        name: what the Dockerfile is called.

    """
    out: list[str] = []
    for line in converted.lines:
        if line.verdict is Verdict.EXACT:
            continue
        where = f"{line.first}" if line.first == line.last else f"{line.first}-{line.last}"
        first, *more = line.notes
        out.append(f"{name}:{where}: {line.word}: {line.verdict.value}: {first}")
        out += [f"    {note}" for note in more]
    out += [f"{name}: {remark}" for remark in converted.remarks]
    out.append(f"{name}: {counted(converted)}")
    return "".join(f"{line}\n" for line in out)


def counted(converted: Converted) -> str:
    """How many instructions there are of each verdict."""
    counts = Counter(line.verdict for line in converted.lines)
    total = len(converted.lines)
    parts = [f"{total} {'instruction' if total == 1 else 'instructions'}", f"{counts[Verdict.EXACT]} exact"]
    parts += [f"{counts[Verdict.NOTE]} with a note", f"{counts[Verdict.REFUSED]} refused"]
    return f"{parts[0]}: {', '.join(parts[1:])}"


def as_json(converted: Converted, name: str, proof: Mapping[str, object] | None = None) -> str:
    """The report as one JSON document, with the recipe and the other files, and the proof if there is one."""
    return json.dumps(
        {
            **({} if proof is None else {"proof": proof}),
            "dockerfile": name,
            "ok": converted.ok,
            "recipe": converted.recipe,
            "files": dict(converted.files),
            "remarks": list(converted.remarks),
            "lines": [
                {
                    "first": line.first,
                    "last": line.last,
                    "instruction": line.word,
                    "verdict": line.verdict.value,
                    "notes": list(line.notes),
                    "recipe": [line.recipe_first, line.recipe_last] if line.recipe_first else None,
                }
                for line in converted.lines
            ],
        },
        ensure_ascii=False,
        indent=2,
    )
