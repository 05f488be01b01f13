import json
import shutil

import pytest

from tests.support.documents import ROOT, fences
from tests.support.ordinary import run_as_user
from tests.support.workshop import METALOR, Workshop

pytestmark = pytest.mark.integration

TOKEN = "ghp_S3cr3tT0ken-of-nobody"


@pytest.fixture
def shop(tmp_path):
    workshop = Workshop(tmp_path)
    (tmp_path / "token").write_text(TOKEN + "\n")
    yield workshop
    shutil.rmtree(tmp_path, ignore_errors=True)


GIVEN = ("--secret", "token=token")


def output(events):
    return "".join(event["text"] for event in events if event["event"] == "step-output")


def kept(shop):
    """All bytes of the store."""
    return b"".join(path.read_bytes() for path in (shop.path / "store").rglob("*") if path.is_file())


def test_a_step_reads_it_and_nothing_keeps_it(shop):
    shop.recipe("""\
FROM BASE
SH --secret=token --user=1000:1001 '''
    stat -c '%n %a %u:%g' /run/secrets/token
    grep -q '^ghp_S3cr3t' /run/secrets/token
    ! echo more >> /run/secrets/token
    wc -c < /run/secrets/token
    grep -c ' /run/secrets/token tmpfs ' /proc/mounts
    '''
RUN --secret=token:/etc/app/token ["cat", "/etc/app/token"]
SH ls -d /run/secrets /etc/app 2>&1 || true
TEST SH --secret=token test -s /run/secrets/token
""")
    events = shop.events("app.metalor", *GIVEN, "-o", "oci:out:1", "-o", "rootfs:tree")
    said = output(events).splitlines()
    assert said[0] == "/run/secrets/token 400 1000:1001"
    assert f"{len(TOKEN) + 1}" in said and "1" in said and "***" in said
    assert said[-1].count("No such file") == 1
    assert TOKEN not in json.dumps(events)
    assert TOKEN.encode() not in kept(shop)
    for tree in ("out", "tree"):
        assert TOKEN.encode() not in b"".join(p.read_bytes() for p in (shop.path / tree).rglob("*") if p.is_file())
    # Another value is another secret of the same name: no reason to run anything again.
    (shop.path / "token").write_text("another-secret-entirely")
    assert shop.events("app.metalor", *GIVEN, "--expect-cached")[-1]["ran"] == 0


def test_it_comes_from_the_environment_too(shop, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    shop.recipe("FROM BASE\nSH --secret=token cat /run/secrets/token | wc -c; env\n")
    said = output(shop.events("app.metalor", "--secret", "token=env:MY_TOKEN"))
    assert said.startswith(f"{len(TOKEN)}\n") and "MY_TOKEN" not in said


def test_logs_hide_it_in_every_form_and_across_writes(shop):
    shop.recipe("""\
FROM BASE
SH --secret=token '''
    set +u
    value=$(cat /run/secrets/token)
    echo "plain $value."
    printf %s "$value" | base64
    printf 'user:%s' "$value" | base64
    printf %s "$value" | xxd -p | tr -d '\\n'; echo
    for part in $(echo "$value" | sed 's/./& /g'); do printf %s "$part"; sleep 0.01; done; echo .
    echo "error $value" >&2
    false
    '''
""")
    done = shop.run("build", "app.metalor", *GIVEN, "--progress", "plain", status=1)
    everything = done.stdout + done.stderr
    assert "plain ***." in everything and "error ***" in everything and "***." in everything
    assert everything.count("***") >= 10, "shown, and once more among the last lines"
    assert TOKEN not in everything and TOKEN[:12] not in everything
    assert TOKEN.encode() not in kept(shop) and TOKEN.encode().hex().encode() not in kept(shop)


LEAKS = {
    "a file": ("cp /run/secrets/token /etc/token", "in the file /etc/token"),
    "a file of base64": ("base64 /run/secrets/token > /x", "in the file /x"),
    "a file of hex": ("xxd -p /run/secrets/token > /opt-x", "in the file /opt-x"),
    "the middle of a large file": (
        "head -c 3000000 /dev/zero > /big; cat /run/secrets/token >> /big; head -c 99999 /dev/zero >> /big",
        "in the file /big",
    ),
    "a name": ('touch "/tmp-$(cat /run/secrets/token)"', "in the name of a file in /"),
    "a link": ('ln -s "$(cat /run/secrets/token)" /link', "in the link /link"),
    "a hidden folder": ("mkdir -p /a/.b; cp /run/secrets/token /a/.b/c", "in the file /a/.b/c"),
}


@pytest.mark.parametrize("how", LEAKS)
def test_what_a_step_leaves_behind_is_refused(shop, how):
    text, where = LEAKS[how]
    shop.recipe(f"FROM BASE\nSH true\nSH --secret=token {text}\nSH echo never\n")
    done = shop.run("build", "app.metalor", *GIVEN, status=1)
    assert "app.metalor:3:1: error[E0612]" in done.stderr
    assert f"the secret `token` {where}" in done.stderr and "--tmpfs" in done.stderr
    assert TOKEN not in done.stderr and "SH echo never" not in done.stderr
    assert TOKEN.encode() not in kept(shop)
    assert shop.leftovers() == []
    cleaned = f"{text}; rm -rf /etc/token /x /opt-x /big /tmp-* /link /a"
    shop.recipe(f"FROM BASE\nSH true\nSH --secret=token {cleaned}\nSH echo fine\n")
    assert shop.events("app.metalor", *GIVEN)[-1]["ok"], "deleted in the same step, it is not left behind"


def test_other_statements_leave_none_either(shop):
    for line, said in {
        "COPY token /t": "in the file /t",
        f"FILE /f '''\n    x={TOKEN}\n    '''": "in the file /f",
        f"ENV X={TOKEN}": "stands in this statement",
        "LABEL x=${HIDDEN}": "in what this statement becomes",
        "SH echo $HIDDEN": "in what this statement becomes",
        'CMD ["app", "${HIDDEN}"]': "in what this statement becomes",
    }.items():
        shop.recipe(f"ARG HIDDEN=x\nFROM BASE\n{line}\n")
        done = shop.run("build", "app.metalor", *GIVEN, "--arg", f"HIDDEN={TOKEN}", status=1)
        assert "E0612" in done.stderr and said in done.stderr and "`token`" in done.stderr, line
        assert TOKEN.encode() not in kept(shop), line


def test_wrong_uses_say_what_is_right(shop, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    shop.recipe("FROM BASE\nSH --secret=token true\n")
    done = shop.run("build", "app.metalor", status=1)
    assert "E0408" in done.stderr and "--secret token=FILE or --secret token=env:VARIABLE" in done.stderr
    done = shop.run("build", "app.metalor", "--secret", "tokn=token", status=1)
    assert "`tokn` is given: is it meant?" in done.stderr
    (shop.path / "empty").write_text("\n")
    for words, said in {
        "token": "write --secret token=FILE",
        "token=": "write --secret token=FILE",
        "id=token,src=token": "write --secret token=FILE",
        "type=env,id=token": "write --secret NAME=FILE",
        "token=absent": "cannot be read: No such file",
        "token=MY_TOKEN": "--secret token=env:MY_TOKEN",
        "token=env:NOT_SET": "the environment has no NOT_SET",
        "token=empty": "the secret token is empty",
    }.items():
        done = shop.run("build", "app.metalor", "--secret", words, status=2)
        assert said in done.stderr and TOKEN not in done.stderr
    assert "twice" in shop.run("build", "app.metalor", *GIVEN, *GIVEN, status=2).stderr
    shop.run("check", "app.metalor")
    shop.run("plan", "app.metalor")


def test_the_prompt_has_secrets_too(shop):
    text = f"FROM {shop.base}\nSH --secret=token cat /run/secrets/token\nSH --secret=token cp /run/secrets/token /x\n"
    done = shop.run("repl", *GIVEN, input=text, status=1)
    assert "***" in done.stdout and "in the file /x" in done.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert TOKEN.encode() not in kept(shop)
    done = shop.run("repl", *GIVEN, input=f"FROM {shop.base}\nENV X={TOKEN}\n", status=1)
    assert "E0612" in done.stderr
    assert TOKEN.encode() not in b"".join(p.read_bytes() for p in (shop.path / "store").rglob("*.json") if p.is_file())
    done = shop.run("repl", input=f"FROM {shop.base}\nSH --secret=token true\n", status=1)
    assert "E0408" in done.stderr


def test_an_ordinary_user_has_secrets_too(shop, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    shop.recipe("FROM BASE\nSH --secret=token --user=7 cat /run/secrets/token; stat -c '%a %u' /run/secrets/token\n")
    shutil.copy(tmp_path / "app.metalor", home)
    shutil.copy(tmp_path / "token", home)
    (home / "token").chmod(0o600)
    done = run_as_user([*METALOR, "build", "app.metalor", *GIVEN, "--progress", "json"], home)
    assert done.returncode == 0, done.stderr
    assert output([json.loads(line) for line in done.stdout.splitlines()]) == "***\n400 7\n"


def test_the_examples_of_the_reference_are_true(shop):
    found = [
        fence.body
        for fence in fences(ROOT / "docs" / "reference" / "language.md")
        if fence.language == "metalor" and "run" in fence.words and "--secret" in fence.body
    ]
    assert found
    (shop.path / "npm").write_text("abcdef0123456789")
    for text in found:
        shop.recipe(text.replace("FROM debian:12", "FROM BASE"))
        assert shop.events("app.metalor", "--secret", "npm=npm")[-1]["ok"]
