"""Recipes as Dockerfiles: built by Buildah they make the same image, or they are refused with their line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from metalor_lang.build.api import Session
from metalor_lang.build.reading import RecipeOptions
from metalor_lang.build.recipefolder import RecipeFolder
from metalor_lang.build.secrets import Secrets
from metalor_lang.convert.back import Handed, dockerfile
from metalor_lang.oci.layout import Layout
from metalor_lang.proving.buildah import Order
from metalor_lang.proving.claims import mount_points
from metalor_lang.proving.compare import TRACES
from metalor_lang.proving.older import CONTEXT, rewritten
from metalor_lang.proving.prove import Claim
from metalor_lang.store.store import Store
from tests.support import bases
from tests.support.copytrees import plant
from tests.support.handed import SAID, UNSAID, Recipe
from tests.support.proving import prover_in

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
]


def local(name: str) -> str:
    return f"oci:{bases.base(name)}:{bases.TAG}"


def names() -> dict[str, str]:
    return {"busybox:1": local("busybox"), "docker.io/library/debian:12": local("debian")}


@pytest.fixture(scope="module")
def prover(tmp_path_factory):
    with prover_in(tmp_path_factory.mktemp("both")) as prover:
        yield prover


def written(recipe: Recipe, path: Path, folder: Path) -> Path:
    plant(folder, recipe.context)
    path.write_text(recipe.text.replace("BASE", local("busybox")).replace("DEBIAN", local("debian")) + "\n")
    return path


def handed(recipe: Recipe, path: Path, context: Path, store: Store, *, pinned: bool = False) -> Handed:
    secrets = Secrets({key: value.encode() for key, value in recipe.secrets.items()})
    options = RecipeOptions(
        args=recipe.args, contexts={"": context}, target=recipe.target, builds=True, secrets=secrets
    )
    with Session(str(path), options, store=store) as session:
        plan = session.plan()
    folder = RecipeFolder(context, path, store.root)
    standing = {place: name for name, place in names().items()}
    return dockerfile(plan, name=path.name, world=folder, folder=path.parent, bases=standing, pinned=pinned)


@pytest.mark.parametrize("name", SAID)
def test_the_dockerfile_makes_the_same_image(tmp_path, prover, name):
    recipe = SAID[name]
    context = tmp_path / "context"
    path = written(recipe, tmp_path / "r.metalor", context)
    made = handed(recipe, path, context, prover.store)
    assert made.refused == ()
    assert all(text in made.text for text in recipe.has), made.text
    older = rewritten(made.text, prover.buildah.version)
    (tmp_path / "Dockerfile").write_text(older.text)
    contexts = {CONTEXT: tmp_path / "documents"} if older.files else {}
    for place, text in older.files.items():
        (tmp_path / "documents" / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "documents" / place).write_text(text)
    ignore = tmp_path / "ignore"
    ignore.write_text(RecipeFolder(context, path, prover.store.root).dockerignore())
    secrets = {key: value.encode() for key, value in recipe.secrets.items()}
    claim = Claim(
        recipe=path.read_text(),
        order=Order(
            dockerfile=tmp_path / "Dockerfile", context=context, ignore=ignore, contexts=contexts, secrets=secrets
        ),
        bases=names(),
        options=RecipeOptions(args=recipe.args, target=recipe.target, builds=True, secrets=Secrets(secrets)),
        traces=(*TRACES, *mount_points(made.text)),
    )
    (tmp_path / "scratch").mkdir()
    found = prover.prove(claim, tmp_path / "scratch")
    different = {each.where: str(each) for each in found.differences}
    assert {where: said for where, said in different.items() if where not in recipe.differs} == {}, made.text
    assert set(different) == set(recipe.differs)
    assert found.entries > 0


@pytest.mark.parametrize("name", UNSAID)
def test_what_no_dockerfile_can_say_is_refused_with_its_line(tmp_path, prover, name):
    recipe, line, because = UNSAID[name]
    context = tmp_path / "context"
    path = written(recipe, context / "r.metalor", context)
    if "oci:elsewhere" in recipe.text:
        (tmp_path / "context" / "elsewhere").symlink_to(bases.base("busybox"))
    made = handed(recipe, path, context, prover.store)
    assert made.text == ""
    (refusal,) = made.refused
    assert path.read_text()[: refusal.start].count("\n") + 1 == line
    assert because in refusal.why


def export(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    argv = [str(Path(sys.executable).parent / "metalor"), "export", "--dockerfile", *words]
    environment = {**os.environ, "METALOR_STORE": str(folder.parent / "store")}
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_command(tmp_path):
    recipe = "FROM BASE\nCOPY . /x\nSH --secret=token true\n".replace("BASE", local("busybox"))
    folder = plant(tmp_path / "context", {"r.metalor": recipe, "f": "F"})
    base = f"--base=busybox:1={local('busybox')}"
    shown = export(folder, "r.metalor", base)
    assert (shown.returncode, shown.stderr) == (
        0,
        "a .dockerignore goes with it: name a file with -o, and it is written beside it\n"
        "r.metalor: build it with --secret id=token,src=FILE\n",
    )
    assert "FROM busybox:1\n" in shown.stdout
    assert export(folder, "r.metalor", base, "-o", "D").returncode == 0
    assert (folder / "D").read_text() == shown.stdout
    assert (folder / "D.dockerignore").read_text() == "r.metalor\n"
    assert export(folder, "r.metalor", base, "-o", "D").returncode == 0, "the same may be written again"
    (folder / "D").write_text("mine\n")
    again = export(folder, "r.metalor", base, "-o", "D")
    assert (again.returncode, (folder / "D").read_text()) == (2, "mine\n")
    assert "--force" in again.stderr
    assert export(folder, "r.metalor", base, "-o", "D", "--force").returncode == 0
    assert (folder / "D").read_text() == shown.stdout


def test_the_command_refuses_with_the_line(tmp_path):
    recipe = f"FROM {local('busybox')}\n\nANNOTATE a=b\n"
    folder = plant(tmp_path / "context", {"r.metalor": recipe})
    done = export(folder, "r.metalor", "-o", "D")
    assert done.returncode == 1
    assert [line.partition(": no Dockerfile can say this")[0] for line in done.stderr.splitlines()] == [
        "r.metalor:1: FROM of stage 1",
        "r.metalor:3: ANNOTATE a=b",
    ]
    assert not (folder / "D").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["export", "--dockerfile", "r.metalor", "oci:x:1"], "--dockerfile writes a text, not an image"),
        (["export", "r", "oci:x:1", "--target=a"], "--target goes with --dockerfile"),
        (["export", "r"], "where to is missing"),
    ],
)
def test_wrong_words(tmp_path, words, said):
    done = subprocess.run(
        [str(Path(sys.executable).parent / "metalor"), *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert said in done.stderr


def test_bases_by_digest(tmp_path, prover):
    recipe = Recipe(text="FROM BASE AS a\nFROM a\nUSER 1")
    path = written(recipe, tmp_path / "r.metalor", tmp_path / "context")
    made = handed(recipe, path, tmp_path / "context", prover.store, pinned=True)
    digest = Layout.open(bases.base("busybox")).select(bases.TAG).descriptor.digest
    assert f"# busybox:1\nFROM busybox@{digest} AS a\n" in made.text
    assert "\nFROM a\n" in made.text


def test_there_are_enough() -> None:
    assert len(SAID) >= 20
