"""`check` beside a lock: what it settles without a store, what --locked refuses, and how a bad lock is told."""

import hashlib
import io
import sys
from pathlib import Path

import pytest

from metalor_lang.cli.main import main
from metalor_lang.plan.lockfile import write_lock
from tests.support.goldens import GOLDENS, check_golden
from tests.unit.plan.test_lockfile import WHOLE

RECIPE = """\
FROM debian:12 AS one
ENV SAID=${LANG}
FETCH --unpinned https://example.org/a /a
GIT --unpinned=main https://example.org/r.git /r
"""
MORE = """\
FROM debian:13 AS two
FETCH --unpinned https://example.org/${NAMED} /b
FETCH --unpinned https://example.org/c /c
GIT --unpinned=next https://example.org/r.git /r
FROM two AS three
FETCH --unpinned https://example.org/tool?x=1 /t
FETCH --unpinned https://example.org/d /d
COPY --from=one / /
"""
WAITING = """\
FROM debian:13 AS two
ENV FROM_HERE=https://${MIRROR}/pub EPOCH=${SOURCE_DATE_EPOCH}
FETCH --unpinned ${FROM_HERE}/tool /t
FETCH --unpinned https://example.org/a ${FOLDER}/a
FETCH --unpinned https://example.org/${EPOCH} /e
FROM two AS three
GIT --unpinned=${BRANCH} https://${MIRROR}/r.git /r
USER ${SOMEBODY}
WORKDIR ${FOLDER}
UNSET ENV FOLDER
FETCH --unpinned https://example.org/d /d
FROM debian:12
ENV MIRROR=known
FETCH --unpinned https://${MIRROR}.example.org/${LANG} /d
COPY --from=three / /
"""
PINNED = f"""\
FROM debian:12
FETCH --sha256={"1" * 64} https://example.org/p /p
GIT --commit={"2" * 40} https://example.org/p.git /q
"""
LOCK = write_lock(WHOLE).replace(',\n        "onbuild": [\n          "RUN true"\n        ]', "")
BLOCKS = """\
IMPORT sub/common.metalor AS common
IMPORT other.metalor AS other
FROM debian:12
FOR FILE IN a b ${TARGETARCH}
    FETCH --unpinned https://example.org/${FILE} /x/
END
USE common.get path=c
USE common.get path=a
"""
COMMON = """\
IMPORT deeper.metalor AS deeper
DEFINE get path
    FETCH --unpinned https://example.org/${path} /y/
END
"""
DEEPER = "DEFINE nothing\n    ENV A=1\nEND\n"
IMPORTS = {"other.metalor": DEEPER.replace("1", "2"), "sub/common.metalor": COMMON, "sub/deeper.metalor": DEEPER}
AMD = ("--platform", "linux/amd64")

BLOCKS_LOCK = LOCK.replace("1" * 64, hashlib.sha256(COMMON.encode()).hexdigest()).replace("../common", "sub/common")


CASES: dict[str, tuple[str, str | None, tuple[str, ...]]] = {
    "right": (RECIPE, LOCK, ("--locked", *AMD)),
    "pinned": (PINNED, LOCK, ("--locked", *AMD)),
    "without-a-lock": (RECIPE, None, AMD),
    "no-lock": (RECIPE, None, ("--locked", *AMD)),
    "much-missing": (RECIPE + MORE.replace("${NAMED}", "b"), LOCK, ("--locked", *AMD)),
    "behind-a-name-of-the-base": (RECIPE + MORE, LOCK, ("--locked", *AMD)),
    "behind-names-of-the-base": (WAITING, LOCK, ("--locked", *AMD)),
    "not-for-the-target": (RECIPE + MORE, LOCK, ("--locked", "--target", "one", *AMD)),
    "platform": (RECIPE, LOCK, ("--locked", "--platform", "linux/riscv64")),
    "other-facts": (RECIPE.replace("LANG", "LANGUAGE"), LOCK, AMD),
    "damaged": (RECIPE, LOCK.replace("a" * 64, "a" * 12), AMD),
    "damaged-short": (RECIPE, LOCK[:99], ("--format", "short", *AMD)),
    "merge": (RECIPE, "<<<<<<< HEAD\n=======\n>>>>>>> x\n", ("--locked", *AMD)),
    "newer": (RECIPE, '{"version": 7}\n', AMD),
    "no-text": (RECIPE, "\udcff", AMD),
    "blocks": (BLOCKS, BLOCKS_LOCK, ("--locked", *AMD)),
    "blocks-changed": (BLOCKS, BLOCKS_LOCK.replace("a.metalor", "other.metalor"), ("--locked", *AMD)),
    "onbuild": (RECIPE, write_lock(WHOLE), AMD),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("METALOR_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


@pytest.mark.parametrize("name", CASES)
def test_check_says_what_a_build_would(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str], update_goldens: bool
) -> None:
    recipe, lock, words = CASES[name]
    (folder / "app.metalor").write_text(recipe)
    (folder / "sub").mkdir()
    for path, text in IMPORTS.items():
        (folder / path).write_text(text)
    if lock is not None:
        (folder / "app.lock").write_text(lock, errors="surrogateescape")
    status = main(["check", *words, "app.metalor"])
    shown = capsys.readouterr()
    text = f"$ metalor check {' '.join(words)} app.metalor\n{shown.out}{shown.err}exit status {status}\n"
    check_golden(text, GOLDENS / "lock" / f"{name}.check", update=update_goldens)
    assert not (folder / "store").exists()


def test_standard_input_has_the_lock_of_the_file_it_is_the_text_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "app.lock").write_text(LOCK)

    def check(*words: str) -> int:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(RECIPE.encode()), "utf-8"))
        return main(["check", *AMD, *words, "-"])

    assert check("--locked", "--stdin-filename", "app.metalor") == 0
    assert capsys.readouterr().out == "app.metalor: right\n"
    assert check() == 0
    assert "LANG" in capsys.readouterr().out
    assert check("--locked") == 2
    assert "a recipe from standard input has no lock beside it" in capsys.readouterr().err


def test_the_remedy_can_be_pasted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "my app.metalor").write_text(RECIPE)
    assert main(["check", "--locked", *AMD, "my app.metalor"]) == 1
    assert "metalor lock 'my app.metalor'\n" in capsys.readouterr().err
    (folder / "my app.lock").write_text("{")
    assert main(["check", "--format", "short", *AMD, "my app.metalor"]) == 1
    assert "metalor lock 'my app.metalor')\n" in capsys.readouterr().out


def test_a_recipe_of_another_name_has_its_lock_beside_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "Recipe").write_text(RECIPE)
    (folder / "Recipe.lock").write_text(LOCK)
    assert main(["check", "--locked", *AMD, "Recipe"]) == 0
    (folder / "Recipe.lock").unlink()
    (folder / "Recipe.lock").mkdir()
    assert main(["check", *AMD, "Recipe"]) == 2
    assert "cannot read the lock Recipe.lock: Is a directory" in capsys.readouterr().err
