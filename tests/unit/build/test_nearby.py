import errno

import pytest

from metalor_lang.build.nearby import is_dockerfile, recipe_near


@pytest.mark.parametrize(
    ("name", "whether"),
    [
        ("Dockerfile", True),
        ("some/where/Dockerfile", True),
        ("Dockerfile.test", True),
        ("web.Dockerfile", True),
        ("Containerfile", True),
        ("Dockerfile.metalor", False),
        ("app.metalor", False),
        ("MyDockerfile.txt", False),
        ("<stdin>", False),
    ],
)
def test_what_is_a_dockerfile(name, whether):
    assert is_dockerfile(name) is whether


@pytest.mark.parametrize(
    ("files", "path", "help"),
    [
        (["app.metalor"], "app", "did you mean app.metalor?"),
        (["app.metalor"], "apq.metalor", "did you mean app.metalor?"),
        (["app.metalor", "zebra.metalor"], "ap.metalor", "did you mean app.metalor?"),
        (["app.metalor"], "nothing-like-it", ""),
        (["app.metalor"], ".", "did you mean app.metalor?"),
        (["sub/app.metalor", "sub/Dockerfile"], "sub", "did you mean sub/app.metalor?"),
        (["sub/a.metalor", "sub/b.metalor"], "sub/", "did you mean sub/a.metalor or sub/b.metalor?"),
        (["sub/Dockerfile"], "sub", "turn its Dockerfile into a recipe: metalor convert sub/Dockerfile -o app.metalor"),
        (["sub/x.txt"], "sub", ""),
        ([], "https://example.org/app.metalor", "a recipe is a file on this machine"),
        ([], "none/app.metalor", "there is no folder none either"),
    ],
)
def test_a_path_that_is_no_recipe(files, path, help, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert recipe_near(path) == help


def test_a_recipe_that_may_not_be_read_is_not_another_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.metalor").write_text("")
    assert recipe_near("app.metalor", errno.EACCES) == "see who may read it: ls -l app.metalor"
    assert recipe_near("app.metalor", errno.ELOOP) == ""


def test_a_refused_dockerfile_says_convert(tmp_path, monkeypatch, capsys):
    from metalor_lang.cli.main import main

    monkeypatch.chdir(tmp_path)
    for name, whether in (("Dockerfile", True), ("app.metalor", False)):
        (tmp_path / name).write_text("FROM busybox\nRUN echo hi\n")
        assert main(["check", name]) == 1
        assert ("metalor convert Dockerfile -o app.metalor" in capsys.readouterr().err) is whether
