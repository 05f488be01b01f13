import hashlib
import os
import threading
import time
from pathlib import Path

import pytest

from metalor_lang.remote.dialing import Halt
from metalor_lang.remote.errors import FetchRefused
from metalor_lang.remote.exchange import Patience
from metalor_lang.remote.fetch import Fetcher
from metalor_lang.store.gc import KeepPolicy
from metalor_lang.store.store import Store
from tests.support.web import PASSWORD, USER, answering, cutting, free_port, listener, site

pytestmark = pytest.mark.integration

LARGE = b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(40_000))
SMALL = b"small\n"
QUICK = Patience(connect=2.0, stall=1.0, pause=0.01, tries=3)


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def answer(status, body=b"", *headers, length=None):
    head = [f"HTTP/1.1 {status}", *headers, "Connection: close"]
    if length != -1:
        head.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


WANTED = digest(LARGE)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with site(tmp_path_factory.mktemp("site")) as found:
        (found.www / "large").write_bytes(LARGE)
        (found.www / "small").write_bytes(SMALL)
        yield found


@pytest.fixture(autouse=True)
def surroundings(server, tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "store") as found:
        yield found


def fetcher(store, patience=QUICK, halt=None):
    return Fetcher(store, patience=patience, halt=halt)


def content(store, found):
    with store.blobs.open(found.digest) as stream:
        return stream.read()


def parts(store):
    return sorted(path.name for path in (store.root / "partial").iterdir())


def refused(store, url, wanted=WANTED, **options):
    with pytest.raises(FetchRefused) as caught:
        fetcher(store, **options).pinned(url, wanted)
    assert store.downloads.get(f"{wanted} {url}") is None
    return caught.value


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_file_is_fetched_once(server, store, scheme):
    url = f"{getattr(server, scheme)}/large"
    told = []
    first = fetcher(store).pinned(url, digest(LARGE), lambda done, total: told.append((done, total)))
    assert (first.size, first.cached) == (len(LARGE), False)
    assert content(store, first) == LARGE
    assert told[0] == (0, len(LARGE)) and told[-1] == (len(LARGE), len(LARGE))
    asked = len(server.asked())
    assert fetcher(store).pinned(url, digest(LARGE)).cached
    assert len(server.asked()) == asked
    assert parts(store) == []


def test_another_address_must_give_it_itself(server, store):
    fetcher(store).pinned(f"{server.http}/large", digest(LARGE))
    # Who changes the address and forgets the hash is told, and does not get the old file.
    error = refused(store, f"{server.http}/small")
    assert "another hash" in error.message and hashlib.sha256(SMALL).hexdigest() in error.help
    assert parts(store) == []


def test_a_broken_transfer_goes_on_where_it_was(server, store):
    with cutting(server.plain, [500_000, 400_000, 100_000]) as line:
        url = f"http://localhost:{line.port}/large"
        found = fetcher(store).pinned(url, digest(LARGE))
    assert content(store, found) == LARGE
    assert line.count == 4
    assert [entry.split('" ')[1].split()[0] for entry in server.asked()[-4:]] == ["200", "206", "206", "206"]


def test_the_next_build_goes_on_too(server, store):
    with cutting(server.plain, [600_000, 0, 0, 0]) as line:
        url = f"http://localhost:{line.port}/large"
        error = refused(store, url, patience=Patience(connect=2, stall=1, pause=0.01, tries=2))
        assert "cannot be fetched" in error.message and "the next build goes on" in error.message
        assert len(parts(store)) == 2
        left = next(path for path in (store.root / "partial").iterdir() if not path.suffix).stat().st_size
        assert 500_000 < left < 600_000
        before = line.count
        with Store.open(store.root) as other:
            found = fetcher(other).pinned(url, digest(LARGE))
        assert content(store, found) == LARGE
        assert line.count > before
    status, size = server.asked()[-1].split('" ')[1].split()[:2]
    assert (status, int(size)) == ("206", len(LARGE) - left)


def test_a_part_of_another_version_is_not_gone_on_with(server, store, tmp_path):
    path = server.www / "changing"
    path.write_bytes(LARGE)
    with cutting(server.plain, [300_000, 0, 0]) as line:
        url = f"http://localhost:{line.port}/changing"
        with pytest.raises(FetchRefused):
            fetcher(store, Patience(connect=2, stall=1, pause=0.01, tries=2)).latest(url)
        other = LARGE[::-1]
        path.write_bytes(other)
        os.utime(path, (1, 1))
        found = fetcher(store).latest(url)
    assert content(store, found) == other


def test_pieces_of_two_versions_are_fetched_anew(store):
    # A server without any mark of a version gives the second half of another file: the hash tells.
    half = len(LARGE) // 2
    wrong = answer("206 Partial Content", b"x" * half, f"Content-Range: bytes {half}-{2 * half - 1}/{2 * half}")
    with answering(answer("200 OK", LARGE[:half], length=2 * half), wrong, answer("200 OK", LARGE)) as line:
        found = fetcher(store).pinned(f"http://localhost:{line.port}/x", digest(LARGE))
        assert line.count == 3
    assert content(store, found) == LARGE


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([answer("200 OK", LARGE, length=len(LARGE) + 5)], f"after {len(LARGE)} of {len(LARGE) + 5} bytes"),
        ([answer("200 OK", LARGE, length=len(LARGE) - 5)], "another hash"),
        ([answer("200 OK", LARGE[:-1], length=-1)], "another hash"),
        ([answer("200 OK", b"5\r\nsmall\r\nff\r\nab", "Transfer-Encoding: chunked", length=-1)], "broke off"),
        ([answer("503 Later")], "answers 503 Later"),
        ([answer("404 Not Found")], "answers 404 Not Found"),
        ([answer("204 No Content")], "answers 204"),
        ([answer("304 Not Modified")], "was not asked"),
        ([answer("206 Partial", b"x", "Content-Range: bytes 7-7/9")], "another part"),
        ([answer("302 Found")], "does not say where to"),
        ([answer("200 OK", b"", length=1 << 40)], "a file may have"),
        ([b"SSH-2.0-OpenSSH\r\n"], "does not speak HTTP"),
        ([b""], "without an answer"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_answers_are_refused(store, answers, said):
    with answering(*answers) as line:
        error = refused(store, f"http://localhost:{line.port}/x")
    assert said in error.message


def test_a_file_whose_length_nobody_says(store):
    with answering(answer("200 OK", LARGE, length=-1)) as line:
        found = fetcher(store).pinned(f"http://localhost:{line.port}/x", digest(LARGE))
        assert content(store, found) == LARGE
        chunked = b"".join(b"%x\r\n%s\r\n" % (len(SMALL), SMALL) for _ in range(3)) + b"0\r\n\r\n"
    with answering(answer("200 OK", chunked, "Transfer-Encoding: chunked", length=-1)) as line:
        assert content(store, fetcher(store).latest(f"http://localhost:{line.port}/x")) == SMALL * 3


def test_a_server_that_falls_silent(store):
    def serve(line, number):
        line.recv(65536)
        line.sendall(answer("200 OK", LARGE[:1000], length=len(LARGE)))
        time.sleep(5)

    with listener(serve) as line:
        began = time.monotonic()
        error = refused(
            store, f"http://localhost:{line.port}/x", patience=Patience(connect=1, stall=0.2, pause=0.01, tries=2)
        )
    assert "did not answer for 0.2 s" in error.message
    assert time.monotonic() - began < 4


def test_nobody_there(store):
    port = free_port()
    error = refused(store, f"http://localhost:{port}/x")
    assert f"the connection to localhost:{port} broke: Connection refused" in error.message
    assert "http_proxy" in error.help
    assert "there is no server none.invalid" in refused(store, "http://none.invalid/x").message


def test_a_server_that_asks_for_patience_is_given_some(store):
    with answering(answer("503 Later", b"", "Retry-After: 1"), answer("200 OK", SMALL)) as line:
        began = time.monotonic()
        found = fetcher(store).pinned(f"http://localhost:{line.port}/x", digest(SMALL))
    assert content(store, found) == SMALL
    assert time.monotonic() - began >= 1


# --- redirections and who we are --------------------------------------------------------------------------------------


def test_redirections_are_followed_but_not_down_to_http(server, store):
    assert content(store, fetcher(store).pinned(f"{server.http}/moved/small", digest(SMALL))) == SMALL
    assert "more than 10 times" in refused(store, f"{server.http}/loop").message
    assert "from https to plain http" in refused(store, f"{server.https}/down-to-http").message
    assert "neither http nor https" in refused(store, f"{server.http}/nowhere").message


def test_an_unknown_authority_is_refused(server, store, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    error = refused(store, f"{server.https}/small")
    assert "is not trusted" in error.message and "SSL_CERT_FILE" in error.help
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
    error = refused(store, f"https://127.0.0.1:{server.secure}/small")
    assert "is not trusted" in error.message and "127.0.0.1" in error.message


def test_passwords_come_from_netrc_and_stay_with_their_host(server, store, tmp_path):
    url = f"{server.http}/private/small"
    assert "machine localhost login" in refused(store, url).help
    (tmp_path / "netrc").write_text(f'machine localhost login {USER} password "{PASSWORD}"\n')
    assert content(store, fetcher(store).pinned(url, digest(SMALL))) == SMALL
    # The very host that has a password, but reached through another one, which sent us there: it is not told.
    error = refused(store, f"http://127.0.0.1:{server.plain}/away")
    assert "answers 401" in error.message
    everything = b"".join(path.read_bytes() for path in store.root.rglob("*") if path.is_file())
    assert PASSWORD.encode() not in everything and b"Basic" not in everything


def test_the_proxy_of_the_environment_is_asked(server, store, monkeypatch):
    seen = []

    def serve(line, number):
        question = line.recv(65536)
        seen.append(question)
        line.sendall(answer("200 OK", SMALL))

    with listener(serve) as line:
        monkeypatch.setenv("http_proxy", f"http://me:hunter2@127.0.0.1:{line.port}")
        found = fetcher(store).pinned("http://example.invalid/small", digest(SMALL))
        assert content(store, found) == SMALL
        monkeypatch.setenv("no_proxy", "localhost")
        fetcher(store).pinned(f"{server.http}/large", digest(LARGE))
    assert len(seen) == 1
    assert seen[0].startswith(b"GET http://example.invalid/small HTTP/1.1\r\nHost: example.invalid\r\n")
    assert b"Proxy-Authorization: Basic bWU6aHVudGVyMg==" in seen[0]


# --- unpinned ---------------------------------------------------------------------------------------------------------


def test_what_is_not_pinned_is_asked_for_again(server, store):
    path = server.www / "news"
    path.write_bytes(b"one")
    url = f"{server.http}/news"
    first = fetcher(store).latest(url)
    assert (first.digest, first.cached) == (digest(b"one"), False)
    again = fetcher(store).latest(url)
    assert (again.digest, again.cached) == (first.digest, True)
    assert " 304 " in server.asked()[-1]
    assert fetcher(store).pinned(url, first.digest).cached, "what was planned is what is built"
    path.write_bytes(b"other")
    asked = len(server.asked())
    assert fetcher(store).latest(url, 3600).digest == first.digest
    assert len(server.asked()) == asked
    assert fetcher(store).latest(url).digest == digest(b"other")


# --- files of this machine --------------------------------------------------------------------------------------------


def test_files_of_this_machine(store, tmp_path):
    (tmp_path / "a b").write_bytes(SMALL)
    found = fetcher(store).pinned(f"file://{tmp_path}/a%20b", digest(SMALL))
    assert content(store, found) == SMALL
    assert "No such file" in refused(store, f"file://{tmp_path}/none").message
    assert "is no file" in refused(store, f"file://{tmp_path}").message
    os.mkfifo(tmp_path / "fifo")
    assert "is no file" in refused(store, f"file://{tmp_path}/fifo").message
    error = refused(store, f"file://{tmp_path}/a%20b")
    assert "another hash" in error.message and hashlib.sha256(SMALL).hexdigest() not in error.message + error.help


# --- ends, builds at the same time, gc --------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["reading", "waiting", "connecting"])
def test_a_transfer_is_ended_at_once(server, store, where):
    halt = Halt()
    urls = {
        "reading": f"{server.http}/slow/large",
        "waiting": f"{server.http}/down",
        "connecting": "http://192.0.2.1/x",  # TEST-NET-1: nobody answers, or there is no way to it at all
    }
    ended = []

    def work():
        patience = Patience(connect=20, stall=20, pause=20, tries=5)
        with pytest.raises(InterruptedError):
            fetcher(store, patience, halt).pinned(urls[where], digest(LARGE))
        ended.append(time.monotonic())

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.4)
    began = time.monotonic()
    halt.fire()
    thread.join(10)
    assert ended and ended[0] - began < 1
    with pytest.raises(InterruptedError):
        fetcher(store, halt=halt).pinned(f"{server.http}/small", digest(SMALL))


def test_two_builds_fetch_it_once(server, store):
    path = server.www / "shared"
    path.write_bytes(LARGE)
    url = f"{server.http}/shared"
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(fetcher(store).pinned(url, digest(LARGE)))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.cached for each in found) == [False, True, True, True]
    assert sum("GET /shared " in line for line in server.asked()) == 1


def test_gc_keeps_downloads_and_their_beginnings_for_a_while(server, store):
    url = f"{server.http}/large"
    found = fetcher(store).pinned(url, digest(LARGE))
    with cutting(server.plain, [100_000] * 9) as line:
        refused(store, f"http://localhost:{line.port}/large", patience=Patience(stall=1, pause=0.01, tries=1))
    store.close()  # nothing is pinned any more
    store.gc()
    assert fetcher(store).pinned(url, found.digest).cached
    assert len(parts(store)) == 2
    store.close()
    report = store.gc(KeepPolicy(max_bytes=len(LARGE) - 1))
    assert report.removed_blobs == (found.digest,)
    assert not fetcher(store).pinned(url, found.digest).cached
    store.close()
    store.gc(KeepPolicy(newest=0, max_age=0, leftovers=0))
    assert parts(store) == []
    assert list(store.downloads.all()) == []


def test_a_rotten_download_is_fetched_again(server, store):
    url = f"{server.http}/small"
    found = fetcher(store).pinned(url, digest(SMALL))
    path = store.blobs.path(found.digest)
    path.chmod(0o644)
    path.write_bytes(b"rotten")
    report = store.verify(full=True)
    assert [(each.kind, each.name) for each in report.damaged] == [("blob", found.digest)]
    assert list(store.downloads.all()) == []
    assert not fetcher(store).pinned(url, found.digest).cached
    assert content(store, found) == SMALL


def test_nothing_is_left_open(server, store):
    before = set(os.listdir("/proc/self/fd"))
    for _ in range(3):
        fetcher(store).latest(f"{server.https}/small")
        refused(store, f"{server.http}/absent", digest(b"x"))
    assert len(os.listdir("/proc/self/fd")) <= len(before) + 1
    assert Path(store.root, "tmp").is_dir()
