"""USER and --chown against an image's own accounts."""

import os

import pytest

from metalor_lang.build.users import Identity, UserError, resolve, resolve_owner
from metalor_lang.kernel.paths import Root

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
# a comment
garbage
bad:x:twelve:0::/:
huge:x:99999999999:0::/:
daemon:x:1:1::/usr/sbin:/usr/sbin/nologin
app:x:1000:1001:App,,,:/home/app:/bin/sh
nohome:x:1002:1002:::
app:x:2000:2000:again:/second:/bin/sh
"""
GROUP = """\
root:x:0:
daemon:x:1:
video:x:44:other,app
audio:x:29:app
app:x:1001:
short:x:7
junk
"""


@pytest.fixture
def view(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    with Root.at(tmp_path) as root:
        yield root


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        ("", Identity(uid=0, gid=0, home="/root")),
        ("root", Identity(uid=0, gid=0, home="/root")),
        ("0", Identity(uid=0, gid=0, home="/root")),
        ("app", Identity(uid=1000, gid=1001, groups=(29, 44), home="/home/app")),
        ("1000", Identity(uid=1000, gid=1001, groups=(29, 44), home="/home/app")),
        ("app:video", Identity(uid=1000, gid=44, home="/home/app")),
        ("app:5", Identity(uid=1000, gid=5, home="/home/app")),
        ("4711", Identity(uid=4711, gid=0, home="/")),
        ("4711:4712", Identity(uid=4711, gid=4712, home="/")),
        ("nohome", Identity(uid=1002, gid=1002, home="/")),
        ("0:short", Identity(uid=0, gid=7, home="/root")),
    ],
)
def test_user(view, text, identity):
    assert resolve(view, text) == identity


@pytest.mark.parametrize(
    ("text", "owner"),
    [
        ("app", (1000, 1001)),
        ("app:video", (1000, 44)),
        ("1000", (1000, 1000)),
        ("1000:1001", (1000, 1001)),
        ("4711:app", (4711, 1001)),
        ("root", (0, 0)),
    ],
)
def test_owner(view, text, owner):
    assert resolve_owner(view, text) == owner


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        ("ap", "the image has no user `ap` in its `/etc/passwd`", "did you mean `app`?"),
        ("bad", "no user `bad`", "it has root, daemon, app"),
        ("huge", "no user `huge`", "a number"),
        ("app:vide", "the image has no group `vide` in its `/etc/group`", "did you mean `video`?"),
        ("99999999999", "too large", "2147483647"),
        ("1" * 5000, "too large", "2147483647"),
        ("app:", "is not a user", "user:group"),
        (":app", "is not a user", "user:group"),
        ("٣", "no user `٣`", "number"),
    ],
)
def test_refused(view, text, message, help):
    with pytest.raises(UserError) as caught:
        resolve(view, text)
    assert message in caught.value.message
    assert help in caught.value.help


def test_an_image_without_accounts(tmp_path):
    with Root.at(tmp_path) as root:
        assert resolve(root, "") == Identity(uid=0, gid=0, home="/")
        assert resolve(root, "5:6") == Identity(uid=5, gid=6, home="/")
        with pytest.raises(UserError, match="it has no `/etc/passwd`"):
            resolve(root, "app")


def test_the_accounts_of_the_host_are_never_read(tmp_path):
    (tmp_path / "etc").symlink_to("/etc")
    with Root.at(tmp_path) as root, pytest.raises(UserError):
        resolve(root, "daemon")


def test_links_and_odd_files(tmp_path):
    (tmp_path / "usr").mkdir()
    (tmp_path / "etc").mkdir()
    (tmp_path / "usr/passwd").write_bytes(b"\xff\xfe:x:1:1\nok:x:3:4::/h:\n")
    (tmp_path / "etc/passwd").symlink_to("/usr/passwd")
    os.mkfifo(tmp_path / "etc/group")
    with Root.at(tmp_path) as root:
        assert resolve(root, "ok") == Identity(uid=3, gid=4, home="/h")


def test_a_huge_file_is_refused(tmp_path):
    (tmp_path / "etc").mkdir()
    with open(tmp_path / "etc/passwd", "wb") as stream:
        stream.truncate(5 << 20)
    with Root.at(tmp_path) as root, pytest.raises(UserError, match="longer than 4 MiB"):
        resolve(root, "app")
