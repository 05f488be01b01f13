"""`metalor fmt`: recipes in the one layout.

Invariant: a file is replaced whole, keeping its mode, and only when its text changes; a recipe with errors is refused.
"""

import argparse
import difflib
import os
import sys
import tempfile
from pathlib import Path

from metalor_lang.build.api import STANDARD_INPUT, read_recipe
from metalor_lang.build.failures import Refused
from metalor_lang.cli.common import render_refused
from metalor_lang.errors import Exit, MachineError
from metalor_lang.screen.color import color
from metalor_lang.source import SourceFile
from metalor_lang.syntax.parser import parse
from metalor_lang.syntax.printer import format_recipe


def run(arguments: argparse.Namespace) -> int:
    """Format each recipe; with --check or --diff 1 when one would change."""
    status = Exit.DONE
    for path in arguments.recipe:
        try:
            source, text = _formatted(path)
        except Refused as refused:
            sys.stderr.write(render_refused(refused, color=color(sys.stderr)))
            status = Exit.REFUSED
            continue
        if arguments.diff:
            sys.stdout.writelines(_difference(source, text))
        if path == STANDARD_INPUT and not (arguments.check or arguments.diff):
            sys.stdout.write(text)
            continue
        if text == source.text:
            continue
        if arguments.check or arguments.diff:
            status = Exit.REFUSED
            if arguments.check and not arguments.diff:
                print(f"{source.path} would change")
        else:
            _replace(Path(path), text)
            print(f"{source.path} formatted")
    return status


def _formatted(path: str) -> tuple[SourceFile, str]:
    _, source, early = read_recipe(path)
    found = (*early, *parse(source)[1])
    if found:
        raise Refused(found, source)
    return source, format_recipe(source)


def _difference(source: SourceFile, text: str) -> list[str]:
    lines = difflib.unified_diff(
        source.text.splitlines(keepends=True),
        text.splitlines(keepends=True),
        source.path,
        f"{source.path} (formatted)",
    )
    return [line if line.endswith("\n") else f"{line}\n\\ no newline at the end\n" for line in lines]


def _replace(path: Path, text: str) -> None:
    target = path.resolve()  # a link stays a link
    try:
        fd, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with open(fd, "w", encoding="utf-8", newline="") as file:
                file.write(text)
                os.fchmod(file.fileno(), target.stat().st_mode & 0o7777)
            os.rename(name, target)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise MachineError(f"cannot write {path}: {error.strerror}") from None
