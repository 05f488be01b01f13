"""The how-to pages do what they say: one as an ordinary user, one with emulators in PATH."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pygments.lexers import get_lexer_by_name
from pygments.token import Error, Keyword

from metalor_lang.lsp.acting import FIX_ALL
from metalor_lang.proving.compare import TRACES
from tests.support import bases, emulators, gitserver, registry, web
from tests.support.documents import ROOT, fences
from tests.support.ordinary import run_as_user
from tests.support.walkthrough import by_ourselves, environment, walk, walk_fences

pytestmark = pytest.mark.integration
HOW_TO = ROOT / "docs" / "how-to"
# What the pages write for an archive and a commit that are made anew for each test.
PAGES = "f2ca1bb6c7e907d06dafe4687e579fce76b37e4e93b7605022da52e6ccc26fd2"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_without_root(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()

    def type_it(command: str, work: Path, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
        shown = {name: env[name] for name in ("BASES", "METALOR_STORE", "PATH")}
        return run_as_user(["bash", "-c", f"({command}) 2>&1"], home, env=shown, cwd=work)

    assert walk(HOW_TO / "without-root.md", home, type_it=type_it) >= 6


def test_other_architectures(tmp_path: Path) -> None:
    assert walk(HOW_TO / "other-architectures.md", tmp_path, path=emulators.path()) >= 7


def test_tests(tmp_path: Path) -> None:
    assert walk(HOW_TO / "test-an-image.md", tmp_path) >= 8


def test_layers(tmp_path: Path) -> None:
    assert walk(HOW_TO / "layers.md", tmp_path) >= 6


def test_notebook(tmp_path: Path) -> None:
    assert walk(HOW_TO / "notebook.md", tmp_path) >= 3


def test_ci_annotations(tmp_path: Path) -> None:
    page = HOW_TO / "ci-annotations.md"
    assert walk(page, tmp_path) >= 8
    # The page has put the recipe right: commands of the servers' files find nothing, and leave the reports they name.
    work, ran = tmp_path / "work", 0
    for text in (line for fence in fences(page) if fence.language == "yaml" for line in fence.body.splitlines()):
        if command := re.search(r"metalor (check|fmt) .*", text):
            by_ourselves(command[0], work, environment(tmp_path)).check_returncode()
            ran += 1
    assert ran == 5
    assert json.loads((work / "metalor.sarif").read_text())["runs"][0]["results"] == []
    assert json.loads((work / "gl-code-quality-report.json").read_text()) == []
    assert ElementTree.parse(work / "metalor-junit.xml").getroot().get("tests") == "1"


def walk_with(page: str, folder: Path, words: dict[str, str]) -> int:
    """Walk a page in which some words stand for what there is here."""

    def put(text: str) -> str:
        for word, here in words.items():
            text = text.replace(word, here)
        return text

    words = {"FROM debian:12": f"FROM {bases.reference('busybox')}", **words}
    folder.mkdir(exist_ok=True)
    return walk_fences([replace(fence, body=put(fence.body)) for fence in fences(HOW_TO / page)], folder)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No proxy and no passwords of this machine."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NETRC", os.devnull)
    return monkeypatch


def test_bring_a_dockerfile(tmp_path: Path) -> None:
    bases.base("busybox")
    assert walk(HOW_TO / "bring-a-dockerfile.md", tmp_path) >= 8


def test_secrets(tmp_path: Path) -> None:
    assert walk_with("secrets.md", tmp_path, {}) >= 8


def test_caches(tmp_path: Path) -> None:
    assert walk_with("caches.md", tmp_path, {}) >= 10


def test_prove_a_dockerfile(tmp_path: Path) -> None:
    page = HOW_TO / "prove-a-dockerfile.md"
    assert walk(page, tmp_path) >= 2
    text = page.read_text()
    for trace in TRACES:
        assert f"| {trace.reason} | " in text
        assert all(f"`{path}`" in text for path in trace.paths)


def test_hand_over_a_dockerfile(tmp_path: Path, alone: pytest.MonkeyPatch) -> None:
    with registry.registry(tmp_path / "registry") as host:
        alone.setenv("CONTAINERS_REGISTRIES_CONF", str(registry.registries_conf(tmp_path, host)))
        push = f"skopeo --insecure-policy copy -q --dest-tls-verify=false oci:%s docker://{host}/team/base:1"
        subprocess.run((push % bases.reference("busybox").removeprefix("oci:")).split(), check=True)
        words = {"FROM debian:12": f"FROM {host}/team/base:1"}
        assert walk_with("hand-over-a-dockerfile.md", tmp_path / "person", words) >= 4


def test_fetch_files(tmp_path: Path, alone: pytest.MonkeyPatch) -> None:
    with web.site(tmp_path / "server") as server:
        (server.www / "tool-1.2").write_text("#!/bin/sh\necho 1.2\n")
        (server.www / "news.txt").write_text("old news\n")
        pages = server.www / "pages"
        pages.mkdir()
        (pages / "index.html").write_text("<p>hello\n")
        with tarfile.open(server.www / "pages.tar.gz", "w:gz") as tar:
            tar.add(pages, "pages")
        alone.setenv("SSL_CERT_FILE", str(server.authority))
        alone.setenv("SERVER", str(server.www))
        host = server.https.removeprefix("https://")
        digest = hashlib.sha256((server.www / "pages.tar.gz").read_bytes()).hexdigest()
        assert walk_with("fetch-files.md", tmp_path / "person", {"example.org": host, PAGES: digest}) >= 9


def test_sources_from_git(tmp_path: Path, alone: pytest.MonkeyPatch) -> None:
    with gitserver.forge(tmp_path / "server") as server:
        files = {"configure*": "#!/bin/sh\necho configured\n", "version": "1.0\n"}
        commit = server.commit("app.git", files)
        server.commit("private/app.git", files)
        words = {"https://example.org": server.url, COMMIT: commit}
        assert walk_with("sources-from-git.md", tmp_path / "person", words) >= 8


def test_same_next_year(tmp_path: Path, alone: pytest.MonkeyPatch) -> None:
    with (
        registry.registry(tmp_path / "registry") as host,
        web.site(tmp_path / "server") as server,
        gitserver.forge(tmp_path / "forge") as forge,
    ):
        alone.setenv("CONTAINERS_REGISTRIES_CONF", str(registry.registries_conf(tmp_path, host)))
        alone.setenv("SSL_CERT_FILE", str(server.authority))
        push = f"skopeo --insecure-policy copy -q --dest-tls-verify=false oci:%s docker://{host}/team/base:1"
        subprocess.run((push % bases.reference("busybox").removeprefix("oci:")).split(), check=True)
        (server.www / "news.txt").write_text("old news\n")
        forge.commit("app.git", {"version": "1\n"})
        person = tmp_path / "person"
        subprocess.run(["git", "init", "-q", person], check=True)
        work = forge.work / "app.git"
        git = f"git -c user.name=A -c user.email=a@e -C {work}"
        year = (
            f"{push % bases.reference('whiteouts').removeprefix('oci:')} && echo new > {server.www}/news.txt"
            f" && echo 2 > {work}/version && {git} commit -qam 2 && {git} push -q {forge.root}/app.git HEAD:main"
        )
        words = {
            "registry.example.org": host,
            "https://example.org/news": f"{server.https}/news",
            "https://example.org": forge.url,
            "sleep 365d": year,
        }
        assert walk_with("same-next-year.md", person, words) >= 17


def test_visual_studio_code(tmp_path: Path) -> None:
    page = HOW_TO / "editors-vscode.md"
    assert walk(page, tmp_path) == 1
    folder = tmp_path / "work" / "metalor-vscode"
    # The lock file is complete and fits: npm knows what it would fetch without asking anybody.
    command = ["npm", "ci", "--dry-run", "--offline", "--cache", str(tmp_path / "empty")]
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True)
    assert done.returncode == 0 and "vscode-languageclient" in done.stdout, done.stderr
    manifest = json.loads((folder / "package.json").read_text())
    assert manifest["contributes"]["languages"][0]["id"] == "metalor"
    assert json.loads((folder / manifest["contributes"]["grammars"][0]["path"]).read_text())["scopeName"]
    (settings,) = (json.loads(fence.body) for fence in fences(page) if fence.words == ("settings.json",))
    assert list(settings["[metalor]"]["editor.codeActionsOnSave"]) == [FIX_ALL]


def test_colours_in_documents(tmp_path: Path) -> None:
    page = HOW_TO / "colours-in-documents.md"
    assert walk(page, tmp_path) >= 2
    (program,) = (fence.body for fence in fences(page) if fence.language == "python")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path / "work", check=True, capture_output=True, text=True
    )
    assert '<span class="k">FROM</span>' in done.stdout
    shown = [fence for fence in fences(page) if fence.language.startswith("metalor")]
    assert len(shown) == 2
    for fence in shown:
        lexer = get_lexer_by_name(fence.language)
        assert type(lexer).__module__.startswith("metalor_lang.")
        found = {kind for kind, _ in lexer.get_tokens(fence.body)}
        assert Keyword in found and Error not in found


def test_every_page_is_tried() -> None:
    others = (Path(__file__).with_name(f"test_{name}.py").read_text() for name in ("library_documents", "editors"))
    tried = "".join((Path(__file__).read_text(), *others))
    assert all(page.name in tried for page in HOW_TO.glob("*.md"))


def test_why_a_step_ran_again(tmp_path: Path) -> None:
    assert walk_with("why-a-step-ran-again.md", tmp_path, {}) >= 12
