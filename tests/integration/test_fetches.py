import hashlib
import io
import json
import shutil
import signal
import tarfile
import time

import pytest

from tests.support.documents import ROOT, fences
from tests.support.ordinary import run_as_user
from tests.support.web import site
from tests.support.workshop import METALOR, Workshop

pytestmark = pytest.mark.integration

TOOL = b"#!/bin/sh\necho fetched\n"


def sha(data):
    return hashlib.sha256(data).hexdigest()


def archive(folder="share", **files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        top = tarfile.TarInfo(folder)
        top.type, top.mode, top.uid = tarfile.DIRTYPE, 0o750, 77
        tar.addfile(top)
        for name, data in files.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size, info.mode, info.uid, info.mtime = len(data), 0o755, 77, 1_600_000_000
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


PACK = archive(tool=TOOL)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with site(tmp_path_factory.mktemp("site")) as found:
        (found.www / "tool.sh").write_bytes(TOOL)
        (found.www / "pack.tar.gz").write_bytes(PACK)
        (found.www / "large").write_bytes(bytes(range(256)) * 4096)
        yield found


@pytest.fixture
def shop(tmp_path, server, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
    monkeypatch.setenv("HOME", str(tmp_path))
    workshop = Workshop(tmp_path)
    yield workshop
    shutil.rmtree(tmp_path, ignore_errors=True)


def fetches(server, shop):
    shop.recipe(f"""\
FROM BASE
FETCH --sha256={sha(TOOL)} --chmod=755 {server.https}/tool.sh /usr/local/bin/tool
FETCH --sha256={sha(TOOL)} {server.https}/moved/../tool.sh /opt/
WORKDIR /srv
USER 1000:1001
FETCH --sha256={sha(PACK)} --unpack {server.http}/pack.tar.gz /
FETCH --sha256={sha(PACK)} --unpack --chown=5:6 --chmod=u=rwX,go= {server.http}/pack.tar.gz other
FETCH --sha256={sha(PACK)} --unpack {server.http}/pack.tar.gz /
USER 0
SH '''
    tool
    stat -c '%n %a %u:%g %Y' /usr/local/bin/tool /opt/tool.sh /share /share/tool /srv/other /srv/other/share/tool /
    '''
""")


def test_what_is_fetched_lands_as_it_is_written(server, shop):
    fetches(server, shop)
    events = shop.events("app.metalor", "--epoch", "1650000000")
    said = "".join(event["text"] for event in events if event["event"] == "step-output").splitlines()
    assert said == [
        "fetched",
        "/usr/local/bin/tool 755 0:0 1650000000",
        "/opt/tool.sh 644 0:0 1650000000",
        "/share 750 1000:1001 1650000000",
        "/share/tool 755 1000:1001 1600000000",
        "/srv/other 700 5:6 1650000000",
        "/srv/other/share/tool 700 5:6 1600000000",
        "/ 755 0:0 1650000000",
    ]
    asked = len(server.asked())
    again = shop.events("app.metalor", "--epoch", "1650000000", "--expect-cached")
    assert again[-1]["ran"] == 0
    # Made again on other files below: what is in the store is not fetched again.
    assert shop.events("app.metalor", "--epoch", "5")[-1]["ran"] > 0
    assert len(server.asked()) == asked
    assert shop.leftovers() == []


def test_root_and_an_ordinary_user_make_the_same_image(server, shop, tmp_path):
    fetches(server, shop)
    digests = [shop.run("build", "app.metalor", "-o", "oci:out:1").stdout.strip()]
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(tmp_path / "app.metalor", home)
    shutil.copy(server.authority, home)
    done = run_as_user(
        [*METALOR, "build", "app.metalor", "-o", "oci:out:1"], home, env={"SSL_CERT_FILE": str(home / "ca.pem")}
    )
    assert done.returncode == 0, done.stderr
    assert [done.stdout.strip()] == digests


def test_a_file_of_this_machine(shop, tmp_path):
    (tmp_path / "tool").write_bytes(TOOL)
    shop.recipe(f"FROM BASE\nFETCH --sha256={sha(TOOL)} file://{tmp_path}/tool /tool\nSH sh /tool\n")
    assert shop.events("app.metalor")[-1]["ok"]


def test_what_is_not_pinned_is_looked_at_in_each_build(server, shop):
    path = server.www / "version"
    path.write_text("1")
    shop.recipe(f"FROM BASE\nFETCH --unpinned {server.http}/version /version\nSH cat /version\n")
    output = [event["text"] for event in shop.events("app.metalor") if event["event"] == "step-output"]
    assert output == ["1"]
    assert shop.events("app.metalor", "--expect-cached")[-1]["ok"]
    path.write_text("two")
    output = [event["text"] for event in shop.events("app.metalor") if event["event"] == "step-output"]
    assert output == ["two"]
    shop.recipe(f"FROM BASE\nFETCH --unpinned --fresh=1h {server.http}/version /version\nSH cat /version\n")
    path.write_text("four")
    assert shop.events("app.metalor", "--expect-cached")[-1]["ok"]


def wrong(server):
    pack, tool = f"{server.http}/pack.tar.gz", f"{server.http}/tool.sh"
    return [
        (f"FETCH --sha256={'0' * 64} {tool} /x", "E0610", sha(TOOL)),
        (f"FETCH --sha256={sha(TOOL)} {server.http}/absent /x", "E0610", "answers 404 Not Found"),
        (f"FETCH --unpinned {server.http}/absent /x", "E0610", "answers 404 Not Found"),
        (f"FETCH --sha256={sha(TOOL)} {server.https}/down-to-http /x", "E0610", "from https to plain http"),
        (f"FETCH --sha256={sha(TOOL)} --unpack {tool} /x", "E0611", "neither a tar"),
        (f"FETCH --sha256={sha(TOOL)} {tool} /bin", "E0604", "FETCH writes a file"),
        (f"FETCH --sha256={sha(PACK)} --unpack {pack} /etc/passwd", "E0604", "needs it to be a directory"),
        (f"FETCH --sha256={sha(TOOL)} {server.http}/ /opt/", "E0355", "write the name: /opt/NAME"),
        (f"FETCH --sha256={sha(TOOL)} --chown=nobody2 {tool} /x", "E0605", "has no user `nobody2`"),
    ]


@pytest.mark.parametrize("number", range(9))
def test_what_cannot_be_fetched_is_said_with_its_place(server, shop, number):
    line, code, said = wrong(server)[number]
    shop.recipe(f"FROM BASE\n{line}\nSH true\n")
    done = shop.run("build", "app.metalor", status=1)
    assert f"error[{code}]" in done.stderr and said in done.stderr
    assert "app.metalor:2:" in done.stderr
    assert shop.leftovers() == []


def test_a_password_in_an_address_is_refused_and_never_shown(server, shop):
    shop.recipe("ARG --public WHERE\nFROM BASE\nFETCH --unpinned ${WHERE}/x /x\n")
    where = f"http://me:hunter2@localhost:{server.plain}"
    done = shop.run("build", "app.metalor", "--arg", f"WHERE={where}", status=1)
    assert "E0354" in done.stderr and "~/.netrc: machine localhost" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert b"hunter2" not in b"".join(p.read_bytes() for p in (shop.path / "store").rglob("*") if p.is_file())


def test_ctrl_c_ends_a_transfer_and_the_next_build_goes_on(server, shop):
    data = (server.www / "large").read_bytes()
    url = f"{server.http}/slow/large"
    shop.recipe(f"FROM BASE\nFETCH --sha256={sha(data)} {url} /x\n")
    build = shop.start("build", "app.metalor", "--progress", "json")
    told = []
    for line in build.stdout:
        event = json.loads(line)
        if event["event"] == "step-progress":
            told.append(event)
            if event["done"] > 4096:
                break
    assert told[-1]["total"] == len(data)
    began = time.monotonic()
    build.send_signal(signal.SIGINT)
    _, said = build.communicate(timeout=30)
    assert build.returncode == 130 and "interrupted" in said
    assert time.monotonic() - began < 3
    part = next(path for path in (shop.path / "store" / "partial").iterdir() if not path.suffix)
    size = part.stat().st_size
    assert size >= 4096
    build = shop.start("build", "app.metalor", "--progress", "json")
    time.sleep(1.5)
    build.send_signal(signal.SIGINT)
    build.communicate(timeout=30)
    assert part.stat().st_size > size
    assert " 206 " in server.asked()[-1]
    assert shop.leftovers() == []


def test_the_prompt_fetches_too(server, shop):
    text = f"FROM BASE\nFETCH --sha256={sha(TOOL)} {server.http}/tool.sh /t.sh\nSH sh /t.sh\n:undo\nSH ls /t.sh\n"
    done = shop.run("repl", input=text.replace("BASE", shop.base))
    assert "fetched" in done.stdout and "/t.sh" in done.stdout
    done = shop.run("repl", input=f"FROM {shop.base}\nFETCH --sha256={'1' * 64} {server.http}/tool.sh /x\n", status=1)
    assert "another hash" in done.stderr


def test_check_and_plan_ask_no_server_for_what_is_pinned(server, shop):
    shop.recipe(f"FROM BASE\nFETCH --sha256={sha(TOOL)} http://none.invalid/x /x\n")
    shop.run("check", "app.metalor")
    assert "FETCH" in shop.run("plan", "app.metalor").stdout


def test_the_examples_of_the_reference_are_true(server, shop):
    (server.www / "hello.txt").write_bytes(b"hello\n")
    (server.www / "pages.tar.gz").write_bytes(archive(folder="pages", **{"index.html": b"<p>"}))
    for fence in fences(ROOT / "docs" / "reference" / "language.md"):
        if fence.language == "metalor" and "run" in fence.words and "FETCH" in fence.body:
            text = fence.body.replace("https://example.org", server.https)
            shop.recipe(text.replace("FROM debian:12", "FROM BASE"))
            assert shop.events("app.metalor")[-1]["ok"]
            break
    else:
        pytest.fail("the reference has no example of FETCH")
