"""Do what a document says: files are written, commands typed, what they print compared.

A fence `LANGUAGE NAME` is a file; a `console` fence has commands after `$ `, what they print, and `[STATUS]` where it
is not 0. `…` stands for anything, over lines where it stands alone.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.support import bases
from tests.support.documents import Fence, fences


def pattern(expected: str) -> re.Pattern[str]:
    """What `expected` matches."""
    pieces = [".*".join(re.escape(part) for part in line.split("…")) for line in expected.splitlines()]
    text = "\n".join(piece for piece in pieces)
    return re.compile(text.replace("\n.*\n", "\n(?:.*\n)*?") + r"\n?", re.DOTALL)


def commands(body: str) -> list[tuple[str, str]]:
    """The commands of a console fence, each with what it prints."""
    found: list[tuple[str, str]] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        else:
            command, expected = found[-1]
            found[-1] = (command, expected + line + "\n")
    return found


Type = Callable[[str, Path, dict[str, str]], "subprocess.CompletedProcess[str]"]


def by_ourselves(command: str, work: Path, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Type a command; both kinds of output come as one."""
    return subprocess.run(
        ["bash", "-c", command], cwd=work, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def environment(folder: Path, path: str | None = None) -> dict[str, str]:
    """What commands are typed with: a store of their own in `folder`, and `metalor` of this checkout."""
    return dict(
        os.environ,
        BASES=str(bases.directory()),
        METALOR_STORE=str(folder / "store"),
        PATH=f"{Path(sys.executable).parent}:{path or os.environ['PATH']}",
    )


def walk(document: Path, folder: Path, *, path: str | None = None, type_it: Type = by_ourselves) -> int:
    """Do everything in `folder`; how many commands were typed.

    Args:
        path: PATH, else that of this process.
        type_it: who types.

    """
    return walk_fences(fences(document), folder, path=path, type_it=type_it)


def walk_fences(found: Iterable[Fence], folder: Path, *, path: str | None = None, type_it: Type = by_ourselves) -> int:
    """Do what fences say, as `walk` does a whole document."""
    env = environment(folder, path)
    work = folder / "work"
    work.mkdir()
    ran = 0
    for fence in found:
        if fence.language in ("metalor", "text", "python", "dockerfile", "sh") and fence.words:
            target = work / fence.words[0]
            target.parent.mkdir(exist_ok=True)
            target.write_text(fence.body, encoding="utf-8")
        if fence.language != "console":
            continue
        for command, expected in commands(fence.body):
            status = 0
            if match := re.search(r"\[(\d+)\]\n$", expected):
                status, expected = int(match[1]), expected[: match.start()]
            done = type_it(command, work, env)
            shown = f"{fence}: $ {command}\n{done.stdout}"
            assert done.returncode == status, shown
            assert pattern(expected).fullmatch(done.stdout) or expected.strip() == "…", (
                f"{shown}\nexpected:\n{expected}"
            )
            ran += 1
    return ran
