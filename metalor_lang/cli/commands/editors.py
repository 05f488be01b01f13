"""`metalor editors`: the files that make an editor know recipes, put where it looks for them.

Invariant: only files of ours are written, each as a whole; nothing is removed, and no file of the user's is touched.
"""

import argparse
import os
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from metalor_lang.editors.places import BY_NAME, EDITORS, Editor
from metalor_lang.errors import MachineError, UsageError


def run(arguments: argparse.Namespace) -> int:
    """List the editors, or put the files of one somewhere."""
    if arguments.editor is None:
        if arguments.install or arguments.path:
            raise UsageError("which editor?", help=f"metalor editors {EDITORS[0].name} --install")
        for editor in EDITORS:
            print(f"{editor.name:<8} {_where(editor) or 'with --path DIR'}")
        return 0
    editor = BY_NAME[arguments.editor]
    place = Path(arguments.path) if arguments.path else _where(editor)
    if place is None:
        raise UsageError(
            f"{editor.name} looks for no files of a language by itself",
            help=f"metalor editors {editor.name} --path DIR",
        )
    files = list(_files(_shipped().joinpath(editor.folder)))
    if not (arguments.install or arguments.path):
        print(*(f"{place / name}" for name, _ in files), sep="\n")
        print(f"\nnothing was written; to write them: metalor editors {editor.name} --install")
        return 0
    for name, file in files:
        _write(place / name, file.read_bytes())
    print(f"{len(files)} file{'s are' if len(files) > 1 else ' is'} in {place}\n{editor.then.format(place=place)}")
    return 0


def _where(editor: Editor) -> Path | None:
    return editor.place(Path.home(), os.environ)


def _shipped() -> Traversable:
    """The generated files: the packaged ones, else the checkout's."""
    packaged = resources.files("metalor_lang").joinpath("grammar", "editors")
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "grammar" / "editors"


def _files(folder: Traversable, below: str = "") -> Iterator[tuple[str, Traversable]]:
    """Every file below a folder, with its path from there, in order."""
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            yield from _files(entry, f"{below}{entry.name}/")
        else:
            yield f"{below}{entry.name}", entry


def _write(target: Path, data: bytes) -> None:
    part = target.with_name(f"{target.name}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(target)
    except OSError as error:
        raise MachineError(f"cannot write {target}: {error.strerror}") from None
