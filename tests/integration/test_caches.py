import json
import shutil
import signal
import tarfile
import threading
import time

import pytest

from metalor_lang.store.caches import CacheName, Wanted
from metalor_lang.store.gc import KeepPolicy
from metalor_lang.store.store import Store
from tests.support.documents import ROOT, fences
from tests.support.ordinary import run_as_user
from tests.support.workshop import METALOR, Workshop

pytestmark = pytest.mark.integration


@pytest.fixture
def shop(tmp_path):
    workshop = Workshop(tmp_path)
    yield workshop
    shutil.rmtree(tmp_path, ignore_errors=True)


def output(events):
    return "".join(event["text"] for event in events if event["event"] == "step-output").splitlines()


COUNT = "test -e $1/count || echo 0 > $1/count; echo $(($(cat $1/count) + 1)) > $1/count; cat $1/count"


def counting(flags, path="/cache", user=""):
    return f"SH {flags} {user} set -- {path}; {COUNT}; : $N"


def test_a_cache_stays_between_builds_and_leaves_no_trace(shop):
    shop.recipe(f"""\
ARG N=1
FROM BASE
{counting("--cache=/var/cache/x", path="/var/cache/x")}
SH ls -d /var/cache /var/cache/x 2>&1 || true
TEST SH --cache=/var/cache/x cat /var/cache/x/count; : $N
""")
    for number in (1, 2, 3):
        events = shop.events("app.metalor", "--arg", f"N={number}")
        assert output(events)[0] == str(number)
        assert output(events)[-1] == str(number)
    assert "No such file" in output(shop.events("app.metalor", "--no-cache"))[1]
    shop.run("build", "app.metalor", "-o", "rootfs:tree")
    assert not (shop.path / "tree/var/cache").exists()
    assert shop.leftovers() == []


def test_each_user_and_platform_and_id_has_its_own(shop):
    shop.recipe(f"""\
ARG N=1
FROM BASE
{counting("--cache=/cache")}
{counting("--cache=/cache", user="--user=1000:1001")}
SH --cache=/cache --user=1000:1001 stat -c '%a %u:%g' /cache; : $N
{counting("--cache=/cache,id=other")}
{counting("--cache=/elsewhere,id=/cache", path="/elsewhere")}
""")
    assert output(shop.events("app.metalor")) == ["1", "1", "755 1000:1001", "1", "2"]
    said = shop.run("cache", "ls").stdout
    assert said.count("cache /cache (linux/amd64, user 0)") == 1
    assert "cache /cache (linux/amd64, user 1000)" in said and "cache other (linux/amd64, user 0)" in said
    listed = json.loads(shop.run("cache", "ls", "--format", "json").stdout)["caches"]
    assert {(each["id"], each["user"], each["private"]) for each in listed} == {
        ("/cache", 0, 0), ("/cache", 1000, 0), ("other", 0, 0),
    }  # fmt: skip


RACE = """\
ARG N=1
FROM BASE AS a
SH --cache=/c,sharing={0} echo in > /c/$(hostname)a; sleep 2; ls /c | wc -l; : $N
FROM BASE AS b
SH --cache=/c,sharing={0} echo in > /c/$(hostname)b; sleep 2; ls /c | wc -l; : $N
FROM BASE
COPY --from=a /etc/passwd /a
COPY --from=b /etc/passwd /b
"""


@pytest.mark.parametrize(("sharing", "seen"), [("shared", ["2", "2"]), ("private", ["1", "1"]), ("locked", ["1", "2"])])
def test_steps_at_the_same_time(shop, sharing, seen):
    shop.recipe(RACE.format(sharing).replace("$(hostname)", ""))
    events = shop.events("app.metalor", "--jobs", "3")
    assert sorted(output(events)) == seen
    waited = [event["text"] for event in events if event["event"] == "notice"]
    assert any("waiting for a step that has the cache /c to itself" in text for text in waited) is (sharing == "locked")
    # One after the other they have the same one, private or not (of two private ones, whichever is the first).
    assert output(shop.events("app.metalor", "--jobs", "1", "--arg", "N=2"))[-1] == "2"


def test_a_locked_cache_holds_between_processes_and_a_killed_one_lets_go(shop):
    shop.recipe("FROM BASE\nSH --cache=/c,sharing=locked echo held; sleep 60\n", name="long")
    shop.recipe("FROM BASE\nSH --cache=/c,sharing=locked echo mine\n")
    long = shop.start("build", "long.metalor", "--progress", "json")
    for line in long.stdout:
        if '"held' in line:
            break
    short = shop.start("build", "app.metalor", "--progress", "json")
    for line in short.stdout:
        if "waiting for a step that has the cache" in line:
            break
    long.kill()
    said, _ = short.communicate(timeout=20)
    assert short.returncode == 0 and '"mine' in said
    long.wait()
    long.stdout.close()
    long.stderr.close()


def test_ctrl_c_ends_the_wait(shop):
    shop.recipe("FROM BASE\nSH --cache=/c,sharing=locked echo held; sleep 60\n", name="long")
    shop.recipe("FROM BASE\nSH --cache=/c,sharing=locked echo mine\n")
    long = shop.start("build", "long.metalor", "--progress", "json")
    for line in long.stdout:
        if '"held' in line:
            break
    short = shop.start("build", "app.metalor", "--progress", "json")
    for line in short.stdout:
        if "waiting for a step that has the cache" in line:
            break
    for build in (short, long):
        build.send_signal(signal.SIGINT)
        build.communicate(timeout=10)
        assert build.returncode == 130


def test_caches_travel(shop, tmp_path):
    shop.recipe("""\
FROM BASE
SH --cache=/c --user=5:6 '''
    cd /c
    mkdir -p d
    echo text > d/file
    chmod 4750 d/file
    ln d/file again
    ln -s /etc/passwd link
    mkfifo fifo
    '''
""")
    shop.run("build", "app.metalor")
    assert "5 entries" in shop.run("cache", "export", "/c", "c.tar", "--user", "5").stdout
    with tarfile.open(tmp_path / "c.tar") as tar:
        members = {member.name: member for member in tar}
    assert {name: oct(member.mode) for name, member in members.items() if member.isreg()} == {"again": "0o4750"}
    assert (members["d/file"].linkname, members["d/file"].islnk()) == ("again", True)
    assert members["link"].linkname == "/etc/passwd"
    assert "is what c.tar holds" in shop.run("cache", "import", "/c", "c.tar", "--user", "5", store="other").stdout
    shop.recipe("FROM BASE\nSH --cache=/c --user=5 find /c -exec stat -c '%n %a %u:%g %h' {} +\n")
    assert sorted(output(shop.events("app.metalor", store="other"))) == [
        "/c 755 5:6 3", "/c/again 4750 5:6 2", "/c/d 755 5:6 2", "/c/d/file 4750 5:6 2", "/c/link 777 5:6 1",
    ]  # fmt: skip


def test_a_secret_does_not_travel_in_a_cache(shop, tmp_path):
    (tmp_path / "token").write_text("ghp_S3cr3tT0ken-of-nobody\n")
    shop.recipe("""\
FROM BASE
SH --cache=/c --secret=token mkdir /c/d; base64 /run/secrets/token > /c/d/login; echo fine > /c/file
""")
    given = ("--secret", "token=token")
    shop.run("build", "app.metalor", *given)
    said = shop.run("cache", "export", "/c", "c.tar", *given, status=1).stderr
    assert "cache /c is not exported" in said and "the secret `token` in the file /d/login" in said
    assert not (tmp_path / "c.tar").exists()
    shop.recipe("FROM BASE\nSH --cache=/c rm -r /c/d\n")
    shop.run("build", "app.metalor")
    assert "2 entries" in shop.run("cache", "export", "/c", "c.tar", *given).stdout
    assert (
        "the environment has no NONE"
        in shop.run("cache", "export", "/c", "x.tar", "--secret", "a=env:NONE", status=2).stderr
    )


def test_wrong_uses_say_what_is_right(shop, tmp_path):
    done = shop.run("cache", "export", "/c", status=2)
    assert "metalor cache export ID FILE.tar" in done.stderr
    assert (
        "there is no cache /c for linux/amd64 and user 0" in shop.run("cache", "export", "/c", "x.tar", status=1).stderr
    )
    (tmp_path / "bad.tar").write_bytes(b"no tar" * 200)
    assert "cannot be unpacked" in shop.run("cache", "import", "/c", "bad.tar", status=1).stderr
    assert "No such file" in shop.run("cache", "import", "/c", "absent.tar", status=2).stderr
    assert "takes no further word" in shop.run("cache", "ls", "/c", status=2).stderr
    assert "cache /c" not in shop.run("cache", "ls").stdout
    assert shop.leftovers() == []


def test_an_ordinary_user_has_caches_too(shop, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    shop.recipe(f"ARG N=1\nFROM BASE\n{counting('--cache=/c', path='/c', user='--user=1000')}\n")
    shutil.copy(tmp_path / "app.metalor", home)
    for number in (1, 2):
        done = run_as_user([*METALOR, "build", "app.metalor", "--arg", f"N={number}", "--progress", "json"], home)
        assert done.returncode == 0, done.stderr
        assert output([json.loads(line) for line in done.stdout.splitlines()]) == [str(number)]
    done = run_as_user([*METALOR, "cache", "export", "/c", "c.tar", "--user", "1000"], home)
    assert done.returncode == 0, done.stderr
    with tarfile.open(home / "c.tar") as tar:
        assert {(member.name, member.uid) for member in tar} == {(".", 1000), ("count", 1000)}
    assert (home / "c.tar").stat().st_uid == home.stat().st_uid


def test_the_prompt_says_that_a_cache_is_not_undone(shop):
    text = f"FROM {shop.base}\nSH --cache=/c echo x > /c/x\n:undo\nSH --cache=/c ls /c\n"
    done = shop.run("repl", input=text)
    assert "the cache /c" in done.stdout + done.stderr
    assert "x" in done.stdout.splitlines()


# --- the store's side -------------------------------------------------------------------------------------------------


def wanted(name="/c", sharing="shared", uid=0):
    return Wanted(name=CacheName(id=name, platform="linux/amd64", uid=uid), gid=0, sharing=sharing)


def test_gc_takes_what_is_not_used(tmp_path):
    with Store.open(tmp_path / "store") as store:
        for name in ("old", "new"):
            with store.caches.use([wanted(name)]) as found:
                (store.root / found[wanted(name)] / "file").write_bytes(b"x" * 1000)
            time.sleep(0.01)
        assert store.gc().removed_caches == ()
        assert store.gc(KeepPolicy(max_bytes=1500), dry_run=True).removed_caches == ("old",)
        report = store.gc(KeepPolicy(max_bytes=1500))
        assert (report.removed_caches, report.freed) == (("old",), 1000)
        with store.caches.use([wanted("new")]):
            reports = []  # another process, or at least another thread: locks are taken in an order
            other = threading.Thread(target=lambda: reports.append(store.gc(KeepPolicy(max_age=0))))
            other.start()
            other.join()
            assert reports[0].removed_caches == ()
        assert store.gc(KeepPolicy(max_age=0)).removed_caches == ("new",)
        assert list(store.caches.all()) == []


def test_one_cache_in_two_ways_and_many_in_any_order(tmp_path):
    with Store.open(tmp_path / "store") as store:
        both = [wanted(sharing="shared"), wanted(sharing="locked"), wanted(sharing="private")]
        with store.caches.use(both) as found:
            assert len(set(found.values())) == 2
            with store.locks.attempt(f"cache:{both[0].name.digest}") as free:
                assert not free
        names = [wanted(str(number), "locked") for number in range(6)]
        done = []

        def work(order):
            for _ in range(20):
                with store.caches.use(order):
                    done.append(1)

        threads = [
            threading.Thread(target=work, args=(order,)) for order in (names, names[::-1], names[3:] + names[:3])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert len(done) == 60


def test_a_damaged_description_goes_to_the_quarantine(tmp_path):
    with Store.open(tmp_path / "store") as store:
        with store.caches.use([wanted()]) as found:
            about = (store.root / found[wanted()]).parent / "about.json"
        about.write_text("{}")
        assert list(store.caches.all()) == []
        assert "the cache" in store.notices[0]


def test_the_examples_of_the_reference_are_true(shop):
    found = [
        fence.body
        for fence in fences(ROOT / "docs" / "reference" / "language.md")
        if fence.language == "metalor" and "run" in fence.words and "--cache" in fence.body
    ]
    assert found
    for text in found:
        shop.recipe(text.replace("FROM debian:12", "FROM BASE"))
        assert shop.events("app.metalor")[-1]["ok"]
