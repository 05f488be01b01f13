"""Vim, Neovim and Emacs as engines: two processes colour all texts, and write a letter for each character."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from metalor_lang.editors import emacs, vim
from metalor_lang.editors.model import Model
from metalor_lang.tooling.roles import Role
from tests.support.highlighters import Colours

_LETTERS = {role.value: letter for role, letter in zip(Role, "abcdefghijklmnopqrstuvwxyz")}
_ROLES = {letter: None if role == Role.SPACE else role for role, letter in _LETTERS.items()} | {" ": None}
_HERE = Path(__file__).parent


class Editor:
    """A program that runs a script of ours over the texts.

    Args:
        name: what it is called.
        argv: the command that runs the script.
        files: what is printed for it.
        root: the folder of those files that it reads.
        every: of how many nearly right texts it colours one.

    """

    def __init__(
        self, name: str, argv: Sequence[str], files: Callable[[Model], dict[str, str]], root: str, every: int = 1
    ) -> None:
        self.name, self.every = name, every
        self._argv, self._files, self._root = argv, files, root

    def versions(self) -> str:
        shown = subprocess.run([self._argv[0], "--version"], capture_output=True, text=True, check=True).stdout
        return shown.splitlines()[0]

    def roles(self, texts: Sequence[str], model: Model) -> Sequence[Colours]:
        with tempfile.TemporaryDirectory(prefix="metalor-editor-") as folder:
            for path, text in self._files(model).items():
                target = Path(folder) / Path(path).relative_to(self._root)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
            middle = (len(texts) + 1) // 2
            parts = [part for part in (texts[:middle], texts[middle:]) if part]
            with ThreadPoolExecutor() as pool:
                halves = pool.map(lambda part: self._half(part[1], Path(folder), str(part[0])), enumerate(parts))
                return [colours for half in halves for colours in half]

    def _half(self, texts: Sequence[str], root: Path, name: str) -> list[Colours]:
        work = root / name
        work.mkdir()
        (work / "texts").write_bytes("\n".join(texts).encode())
        (work / "counts").write_text("".join(f"{text.count(chr(10)) + 1}\n" for text in texts))
        (work / "letters").write_text(json.dumps(_LETTERS))
        ran = run(self._argv, work, METALOR_FILES=str(root))
        assert (work / "roles").is_file(), ran.stdout + ran.stderr
        found = (work / "roles").read_text(encoding="utf-8")
        out: list[Colours] = []
        at = 0
        for text in texts:
            letters = found[at : at + len(text)]
            assert [char == "\n" for char in letters] == [char == "\n" for char in text], (text, letters)
            out.append([None if letter == "\n" else _ROLES[letter] for letter in letters])
            at += len(text) + 1
        return out


def run(argv: Sequence[str], work: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run an editor in a folder that is its home too, so that nobody's settings take part."""
    program = shutil.which(argv[0])
    assert program, f"{argv[0]} is not installed; `.ci/setup test` installs it"
    env = {"PATH": os.environ["PATH"], "HOME": str(work), "LC_ALL": "C.UTF-8", "TERM": "dumb"}
    env |= {"METALOR_WORK": str(work)} | more
    return subprocess.run(
        [program, *argv[1:]], cwd=work, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )


_SCRIPT = ("-u", "NONE", "-i", "NONE", "-n", "-S", str(_HERE / "vim.vim"))

# Asked for one character, Vim looks for what could follow anew: a second for some 15,000 of them.
VIM = Editor("Vim", ("vim", "-N", "-es", *_SCRIPT), vim.files, vim.FOLDER, every=5)
NEOVIM = Editor("Neovim", ("nvim", "--headless", *_SCRIPT), vim.files, vim.FOLDER, every=5)
EMACS = Editor("Emacs", ("emacs", "-Q", "--batch", "-l", str(_HERE / "emacs.el")), emacs.files, emacs.FOLDER)
