"""Path look-ups of every kind while a second process exchanges directories and links: none ends outside.

Each look-up is one call of a function that builds and steps really use; `METALOR_ATTACK_LOOKUPS` of them in all.
"""

import os
import stat
import time
from pathlib import Path

import pytest

from metalor_lang.errors import MetalorError
from metalor_lang.kernel.paths import Root
from metalor_lang.runtime.assemble import Refused
from metalor_lang.runtime.client import start_runtime
from metalor_lang.runtime.request import BindSpec
from tests.adversarial.attacker import attacking, compile_attacker
from tests.adversarial.counts import LOOKUPS
from tests.adversarial.sites import SECRET, SITES, STEPS, Field, close
from tests.support.tinyroot import Steps, make_root

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts and owners need root"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_attacker(tmp_path_factory.mktemp("attacker") / "exchange")


@pytest.fixture
def field(tmp_path: Path) -> Field:
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    for root, content in ((tree, b"inside\n"), (outside, SECRET)):
        (root / "a/b/c/d").mkdir(parents=True)
        (root / "a/b/c/f").write_bytes(content)
        (root / "a/b/c/d/g").write_bytes(content)
        (root / "m/n").mkdir(parents=True)
        (root / "probe").write_bytes(content)
    (outside.parent / "probe").write_bytes(SECRET)
    (tree / "etc").mkdir()
    (tree / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
    # As absolute and as climbing links; the third pair exchanges an innermost file.
    (tree / "absolute").symlink_to(outside / "a/b")
    (tree / "climbing").symlink_to("../../outside/a/b")
    (tree / "file").symlink_to(outside / "a/b/c/f")
    pairs = [
        (tree / "a/b", tree / "absolute"), (tree / "a/b", tree / "climbing"), (tree / "absolute", tree / "climbing"),
        (tree / "m", outside / "m"),
    ]  # fmt: skip
    return Field(tree, outside, pairs)


@pytest.mark.parametrize("name", SITES)
def test_no_look_up_ends_outside(name: str, field: Field, program: Path) -> None:
    site, share = SITES[name]
    wanted = max(20, round(LOOKUPS * share))
    before = field.state()
    refused = escapes = tries = 0
    with attacking(program, field.pairs) as attack, Root.at(field.tree) as root:
        look = site(field, root)
        # Not over before a busy machine has let the attacker begin.
        least = time.monotonic() + 1
        while tries < wanted or time.monotonic() < least:
            tries += 1
            try:
                escapes += look()
            except (OSError, MetalorError, Refused):
                refused += 1
    assert escapes == 0
    assert field.state() == before
    assert attack.exchanges > 1000
    print(f"{name}: {tries} look-ups, {refused} refused, {attack.exchanges} exchanges, 0 escapes")


def test_the_shares_make_the_whole() -> None:
    assert sum(share for _, share in SITES.values()) + STEPS >= 1


def careless(path: Path) -> int:
    """What a runtime does that looks first and opens then: each component by lstat, the whole by open."""
    here = path.anchor
    for part in path.parts[1:]:
        here = os.path.join(here, part)
        if stat.S_ISLNK(os.lstat(here).st_mode):
            raise OSError(40, "a link on the way", here)
    return os.open(path, os.O_RDONLY)


def test_looking_first_and_opening_then_does_escape(field: Field, program: Path) -> None:
    """The attacker is a real one: the usual way does not withstand it."""
    escapes = tries = 0
    until = time.monotonic() + 60
    with attacking(program, field.pairs[:1]):
        while (tries < LOOKUPS // 20 or not escapes) and time.monotonic() < until:
            tries += 1
            try:
                escapes += close(field, careless(field.tree / "a/b/c/f"))
            except OSError:
                pass
    print(f"lstat, then open: {tries} look-ups, {escapes} escapes")
    assert escapes > 0


def test_whole_steps_under_attack(field: Field, program: Path, tmp_path: Path) -> None:
    """Mount targets, the working directory and the root itself change while the step is made."""
    root = make_root(tmp_path / "root")
    # The outside is not below the root, so links to it lead nowhere there; `in` is the same attack from inside.
    (root / "a/b/c/d").mkdir(parents=True)
    (root / "evil").symlink_to(field.outside / "a/b")
    (root / "proc-link").symlink_to("/proc/self/root")
    before = field.state()
    count = max(10, round(LOOKUPS * STEPS))
    ran = 0
    with (
        attacking(program, [(root / "a/b", root / "evil"), (root / "a/b", root / "proc-link")]) as attack,
        start_runtime() as runtime,
    ):
        steps = Steps(runtime, root)
        for _ in range(count):
            status, text = steps.sh(
                "cat /a/b/c/f /a/b/c/d/* 2>/dev/null || true", cwd="/a/b/c", network="none",
                mounts=(BindSpec(target="/a/b/c/d", source=str(field.tree / "etc")),),
            )  # fmt: skip
            assert SECRET.decode() not in text
            assert status.code == 0 or status.message
            ran += status.code == 0
    assert field.state() == before
    assert attack.exchanges > 1000
    print(f"steps: {count}, {ran} ran")
