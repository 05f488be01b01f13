import pytest

from metalor_lang.checker.flags import last_name
from metalor_lang.remote.address import Address, credentials, file_path, parse, proxy_for, redirected
from metalor_lang.remote.errors import FetchRefused


@pytest.fixture(autouse=True)
def nobody(tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("http://example.org", "http://example.org/"),
        ("https://Example.ORG:443/a?b=c&d#frag", "https://example.org/a?b=c&d"),
        ("http://example.org:8080/a b/ü?q=ä", "http://example.org:8080/a%20b/%C3%BC?q=%C3%A4"),
        ("http://example.org/a%2Fb", "http://example.org/a%2Fb"),
        ("http://[::1]:81/x", "http://[::1]:81/x"),
        ("http://bücher.example/x", "http://xn--bcher-kva.example/x"),
    ],
)
def test_addresses_are_read(text, whole):
    assert parse(text).whole == whole


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ftp://example.org/x", "neither http nor https"),
        ("http://", "neither http nor https"),
        ("http://user:hunter2@example.org/x", "user or a password"),
        ("http://example.org:99999/x", "cannot be read"),
        ("http://" + "ü" * 80 + "/", "no name that can be looked up"),
    ],
)
def test_other_addresses_are_refused_without_their_password(text, said):
    with pytest.raises(FetchRefused, match=said) as caught:
        parse(text)
    assert "hunter2" not in str(caught.value) + caught.value.help


def test_redirections():
    secure = parse("https://example.org/a/b")
    assert redirected(secure, "../c").whole == "https://example.org/c"
    assert redirected(secure, "//cdn.example/x?key=1").whole == "https://cdn.example/x?key=1"
    with pytest.raises(FetchRefused, match="from https to plain http") as caught:
        redirected(secure, "http://example.org/x?key=hidden")
    assert "hidden" not in str(caught.value)
    assert redirected(parse("http://example.org/"), "https://example.org/x").scheme == "https"
    for other in ("ftp://example.org/x", "file:///etc/passwd", "http://u:hunter2@example.org/"):
        with pytest.raises(FetchRefused) as caught:
            redirected(parse("http://example.org/"), other)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://e.org/a/tool-1.tar.gz?x=/y", "tool-1.tar.gz"),
        ("https://e.org/a%20b", "a b"),
        ("https://e.org/", ""),
        ("https://e.org", ""),
        ("https://e.org/%2e%2e", ""),
        ("https://e.org/a%2Fb", ""),
        ("https://e.org/" + "n" * 256, ""),
        ("file:///srv/x.zip", "x.zip"),
    ],
)
def test_the_last_name(text, name):
    assert last_name(text) == name


def test_files_of_this_machine():
    assert file_path("file:///srv/a%20b") == "/srv/a b"
    assert file_path("file://localhost/srv/x") == "/srv/x"
    assert file_path("http://e.org/x") is None
    with pytest.raises(FetchRefused, match="another machine"):
        file_path("file://server/x")


def test_proxies_come_from_the_environment(monkeypatch):
    http, https = parse("http://e.org/x"), parse("https://e.org/x")
    assert proxy_for(http) is None
    monkeypatch.setenv("http_proxy", "http://me:pa%20ss@proxy:3128/")
    found = proxy_for(http)
    assert found is not None
    assert (found[0].host, found[0].port, found[1]) == ("proxy", 3128, "Basic bWU6cGEgc3M=")
    assert proxy_for(https) is None
    monkeypatch.setenv("all_proxy", "proxy:8080")
    assert proxy_for(https) == (Address(scheme="http", host="proxy", port=8080, target="/"), "")
    monkeypatch.setenv("no_proxy", "e.org")
    assert proxy_for(http) is None
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("https_proxy", "socks5://me:hunter2@proxy:1080")
    with pytest.raises(FetchRefused, match="https_proxy") as caught:
        proxy_for(https)
    assert "hunter2" not in str(caught.value)


def test_names_and_passwords_come_from_netrc(tmp_path):
    address = parse("https://e.org/x")
    assert credentials(address) == ""
    (tmp_path / "netrc").write_text("machine e.org login me password secret\nmachine other login x password y\n")
    assert credentials(address) == "Basic bWU6c2VjcmV0"
    assert credentials(parse("https://sub.e.org/x")) == ""
    (tmp_path / "netrc").write_text("machine e.org login me passwrd hunter2\n")
    with pytest.raises(FetchRefused, match="cannot be read") as caught:
        credentials(address)
    assert "hunter2" not in str(caught.value)
