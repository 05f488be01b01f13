"""The self-test's own attackers: strong enough to win where nobody holds them."""

import contextlib
import io
import os
import tarfile
import time
from pathlib import Path

import pytest

from metalor_lang.cli.commands import selftest as command
from metalor_lang.errors import Exit, MachineError
from metalor_lang.selftest import layers
from metalor_lang.selftest.measure import Outside
from metalor_lang.selftest.place import PREFIX, Place, apart
from metalor_lang.selftest.race import race
from metalor_lang.selftest.run import Line


def test_every_hostile_set_is_held(tmp_path: Path) -> None:
    found = layers.unpack_all(tmp_path)
    assert [one for one in found if one.wrong] == []
    assert sum(bool(one.said) for one in found) == sum(bool(one.refused) for one in layers.HOSTILE) >= 12


def test_the_layers_are_hostile_indeed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def trusting(hostile: layers.Hostile, outside: Path, root: Path) -> None:
        for data in hostile.layers(str(outside)):
            refusals = contextlib.suppress(OSError, KeyError, ValueError, tarfile.TarError)
            with refusals, tarfile.open(fileobj=io.BytesIO(data + bytes(1024)), errorlevel=0) as archive:
                archive.extractall(root, filter="fully_trusted")

    skipped = ("gzip bomb", "cut short", "fifo that waits")  # these do no more than fill or stop
    monkeypatch.setattr(layers, "HOSTILE", tuple(one for one in layers.HOSTILE if one.name not in skipped))
    monkeypatch.setattr(layers, "_apply", trusting)
    touched = [one.name for one in layers.unpack_all(tmp_path) if one.wrong.startswith("it changed")]
    assert {"dotdot", "absolute", "symlink parent", "hardlink outside", "PAX path"} <= set(touched), touched


def test_a_set_that_unpacks_against_the_table_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harmless = layers.Hostile(name="x", layers=lambda out: [layers.member("a")], refused="`..`")
    refused = layers.Hostile(name="y", layers=lambda out: [layers.member("../a")])
    monkeypatch.setattr(layers, "HOSTILE", (harmless, refused))
    first, second = layers.unpack_all(tmp_path)
    assert "not refused" in first.wrong and "does no harm" in second.wrong


def test_the_attacker_wins_against_looking_first(tmp_path: Path) -> None:
    found = race(tmp_path, 0.3)
    assert found["control"].escapes > 0
    for name in ("read", "make"):
        assert found[name].escapes == 0 < found[name].refused < found[name].tries, found
    assert os.listdir(tmp_path / "outside") == ["file"]


def test_a_place_goes_away_with_its_context(tmp_path: Path) -> None:
    with Place(tmp_path / "none" / "store") as place:
        assert place.path.parent == tmp_path / "none" and place.path.name.startswith(PREFIX)
        (place.path / "deep").mkdir()
        (place.path / "deep/closed").mkdir(mode=0o000)
    assert os.listdir(tmp_path / "none") == []


def test_a_place_outlives_its_owner_only_until_its_users_end(tmp_path: Path) -> None:
    def forget() -> int:
        Place(tmp_path / "store")
        return len(os.listdir(tmp_path))

    assert apart(forget) == 1  # that process ended by _exit, without closing anything
    until = time.monotonic() + 10
    while os.listdir(tmp_path) and time.monotonic() < until:
        time.sleep(0.01)
    assert os.listdir(tmp_path) == []


def test_errors_of_another_process_keep_their_kind() -> None:
    def fail() -> None:
        raise MachineError("no room", help="make some")

    with pytest.raises(MachineError, match="no room") as caught:
        apart(fail)
    assert caught.value.help == "make some"
    with pytest.raises(Exception, match="ended with status 7"):
        apart(lambda: os._exit(7))


def test_a_line_that_fails_is_reported(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [Line(name="one", ok=True, detail="held"), Line(name="two", ok=False, detail="it could \x1b[2J")]
    monkeypatch.setattr(command, "selftest", lambda *words, **more: iter(lines))
    from metalor_lang.cli.options import parse
    from metalor_lang.cli.table import BY_NAME

    assert command.run(parse(BY_NAME["selftest"], [])) == Exit.REFUSED
    said = capsys.readouterr()
    assert "ok    one: held\nFAIL  two: it could ^[[2J\n1 of 2 lines do not hold" in said.out
    assert "please report this" in said.err and "doctor --security" in said.err
    assert command.run(parse(BY_NAME["selftest"], ["--format", "json"])) == Exit.REFUSED
    assert '"ok": false' in capsys.readouterr().out


def test_namespaces_are_told_from_those_outside() -> None:
    outside = Outside()
    links = {name: os.readlink(f"/proc/self/ns/{name}") for name in ("mnt", "pid", "user")}
    assert all(link in outside for link in links.values())
    assert links["mnt"].replace("mnt", "pid") not in outside and "mnt:[1]" not in outside
    outside.close()
    assert links["mnt"] not in outside
