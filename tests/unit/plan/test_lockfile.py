"""The text of a lock: what is written, and every way in which it can be wrong."""

from pathlib import Path

import pytest

from metalor_lang.checker.program import Platform
from metalor_lang.plan.graph import BaseInfo, ImageState
from metalor_lang.plan.lock import Lock, changes
from metalor_lang.plan.lockfile import read_lock, write_lock
from metalor_lang.source import SourceFile
from tests.support.goldens import GOLDENS, check_golden, describe

AMD, ARM = (Platform(os="linux", arch=arch) for arch in ("amd64", "arm64"))
STATE = ImageState(
    env=(("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8")),
    user="65532:65532",
    workdir="/srv",
    entrypoint=("/bin/tini", "--"),
    cmd=("serve",),
    labels=(("org.opencontainers.image.version", "12.7"), ("a", "é\n")),
    exposed=("80/tcp",),
    volumes=("/data",),
    stop_signal="SIGINT",
)
WHOLE = Lock(
    platforms=(ARM, AMD),
    bases={
        "rootfs:tree": {AMD: BaseInfo(digest=f"sha256:{'9' * 64}")},
        "debian:12": {
            ARM: BaseInfo(digest=f"sha256:{'b' * 64}", platform=Platform(os="linux", arch="arm64", variant="v8")),
            AMD: BaseInfo(
                digest=f"sha256:{'a' * 64}", platform=AMD, created=1735689600, state=STATE, onbuild=("RUN true",)
            ),
        },
    },
    fetched={"https://example.org/tool?x=1": "c" * 64, "https://example.org/a": "d" * 64},
    commits={"https://example.org/r.git": {"main": "e" * 40, "dev": "f" * 64}},
    imports={"../common.metalor": "1" * 64, "a.metalor": "2" * 64},
)


def read(text: str) -> Lock:
    lock, wrong = read_lock(SourceFile("app.lock", text), "metalor lock app.metalor")
    assert lock is not None and wrong == ()
    return lock


def test_what_is_written(update_goldens: bool) -> None:
    """Sorted, one fact a line: what a person reads in a diff."""
    check_golden(write_lock(WHOLE), GOLDENS / "lock" / "whole.text", update=update_goldens)


def test_what_was_written_is_read_as_it_was() -> None:
    again = read(write_lock(WHOLE))
    assert changes(WHOLE, again)[0].name == "debian:12 (linux/amd64)"  # its labels were not in the order of a lock
    assert write_lock(again) == write_lock(WHOLE) and changes(again, read(write_lock(again))) == ()
    assert read(write_lock(Lock())) == Lock()


def test_another_order_and_layout_is_the_same_lock() -> None:
    import json

    value = json.loads(write_lock(WHOLE))
    turned = json.dumps({name: value[name] for name in reversed(value)})
    assert write_lock(read(turned)) == write_lock(WHOLE)


def test_a_base_is_found_however_its_variant_is_written() -> None:
    from metalor_lang.checker.program import ImageBase, Transport

    base = ImageBase(transport=Transport.REGISTRY, location="debian:12")
    eighth = Platform(os="linux", arch="arm64", variant="v8")
    assert WHOLE.base(base, eighth) == WHOLE.base(base, ARM) is not None
    assert WHOLE.base(base, Platform(os="linux", arch="arm64", variant="v9")) is None
    assert WHOLE.covers(eighth) and not WHOLE.covers(Platform(os="linux", arch="riscv64"))


def whole(old: str, new: str, count: int = 1) -> str:
    text = write_lock(WHOLE)
    assert old in text
    return text.replace(old, new, count)


WRONG = {
    "empty": "",
    "no-json": whole('"bases": {', '"bases": '),
    "cut-short": write_lock(WHOLE)[:200],
    "merge": whole('  "fetch": {', '<<<<<<< HEAD\n  "fetch": {\n=======\n  "fetch": {\n>>>>>>> theirs'),
    "merge-base": whole('  "git": {', '||||||| 1a2b3c4\n  "git": {'),
    "list": "[]\n",
    "no-version": whole('"version": 1,', ""),
    "version-text": whole('"version": 1', '"version": "1"'),
    "version-true": whole('"version": 1', '"version": true'),
    "newer": whole('"version": 1,', '"version": 2,\n  "other": 1,'),
    "older": whole('"version": 1', '"version": 0'),
    "unknown-section": whole('"fetch"', '"fetched"'),
    "unknown-fact": whole('"user"', '"users"'),
    "twice": whole('"user": "65532:65532"', '"digest": "sha256:1"'),
    "twice-base": whole('"rootfs:tree"', '"debian:12"'),
    "digest-short": whole("a" * 64, "a" * 63),
    "digest-upper": whole("b" * 64, "B" * 64),
    "digest-absent": whole(f'"digest": "sha256:{"a" * 64}",', ""),
    "hash-bare": whole(f"sha256:{'c' * 64}", "c" * 64),
    "commit-short": whole("e" * 40, "e" * 7),
    "platform": whole('"linux/arm64": {', '"windows/arm64": {'),
    "platform-list": whole('    "linux/amd64",', '    "linux/x86",'),
    "platforms-object": whole('"platforms": [\n    "linux/amd64",\n    "linux/arm64"\n  ]', '"platforms": {}'),
    "env": whole('"LANG=C.UTF-8"', '"LANG"'),
    "env-number": whole('"LANG=C.UTF-8"', "7"),
    "created": whole("1735689600", '"2025"'),
    "label": whole('"12.7"', "12.7"),
    "cmd": whole('"serve"', "null"),
    "fetch-list": whole('"fetch": {', '"fetch": [], "other": {'),
    "import": whole(f"sha256:{'1' * 64}", "sha512:1"),
    "surrogate": whole('"SIGINT"', '"\\ud800"'),
    "deep": '{"version": ' * 100_000,
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_refused_at_its_place(name: str, update_goldens: bool) -> None:
    source = SourceFile("app.lock", WRONG[name])
    lock, wrong = read_lock(source, "metalor lock app.metalor")
    assert lock is None and len(wrong) == 1
    check_golden(describe(wrong, source), GOLDENS / "lock" / f"{name}.expected", update=update_goldens)


def test_each_golden_has_its_text() -> None:
    assert {path.stem for path in Path(GOLDENS / "lock").glob("*.expected")} == set(WRONG)
