import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalor_lang.runtime.request import BindSpec, FileSpec, StepRequest, TmpfsSpec
from metalor_lang.runtime.validate import MAX_ID, MAX_WORD, InvalidRequest, validate

GOOD = StepRequest(
    argv=("/bin/sh", "-eu", "-c", "true"),
    env=(("PATH", "/bin"), ("EMPTY", ""), ("with space", "a=b\nc")),
    cwd="/src/app",
    uid=1000,
    gid=MAX_ID,
    groups=(4, 24),
    timeout=1.5,
    pipefail=True,
    mounts=(
        TmpfsSpec(target="/tmp", size=1 << 20),
        TmpfsSpec(target="/dev/shm"),
        BindSpec(target="/etc/resolv.conf", source="/srv/resolv.conf"),
        BindSpec(target="/usr/src", source=3, subpath="sub/dir"),
        FileSpec(target="/run/secrets/token", content=b"\0\xff"),
    ),
)


def test_a_good_request_passes() -> None:
    validate(GOOD)


WRONG = [
    ({"argv": ()}, "argv", "names no command"),
    ({"argv": ("", "x")}, "argv", "names no command"),
    ({"argv": ("a", "b\0c"), "pipefail": False}, "argv[1]", "NUL"),
    ({"argv": ("a", "x" * (MAX_WORD + 1)), "pipefail": False}, "argv[1]", "longer than"),
    ({"argv": ("/bin/sh", "x"), "pipefail": True}, "pipefail", "SHELL … -c TEXT"),
    ({"argv": ("/bin/sh", "-c"), "pipefail": True}, "pipefail", "SHELL … -c TEXT"),
    ({"env": (("A=B", "c"),)}, "env", "not a variable name"),
    ({"env": (("", "c"),)}, "env", "not a variable name"),
    ({"env": (("A", "1"), ("A", "2"))}, "env", "twice"),
    ({"env": (("A", "1\0"),)}, "env A", "NUL"),
    ({"env": (("A", "é" * (MAX_WORD // 2)),)}, "env", "longer than"),
    ({"cwd": "src"}, "cwd", "not absolute"),
    ({"cwd": "/src/../etc"}, "cwd", "components"),
    ({"cwd": "/src//x"}, "cwd", "components"),
    ({"cwd": "/src/"}, "cwd", "components"),
    ({"cwd": "/" + "x" * 4095}, "cwd", "longer than"),
    ({"uid": -1}, "uid", "not a number from 0"),
    ({"gid": 2**32 - 1}, "gid", "not a number from 0"),
    ({"groups": (0, 2**32)}, "groups", "not a number from 0"),
    ({"network": "bridge"}, "network", "neither"),
    ({"timeout": float("nan")}, "timeout", "seconds"),
    ({"timeout": -1.0}, "timeout", "seconds"),
    ({"grace": float("inf")}, "grace", "seconds"),
    ({"hostname": ""}, "hostname", "host name"),
    ({"hostname": "a b"}, "hostname", "host name"),
    ({"hostname": "a\n"}, "hostname", "host name"),
    ({"mounts": (TmpfsSpec(target="/"),)}, "mounts[0].target", "every step is given"),
    ({"mounts": (TmpfsSpec(target="/proc/sys"),)}, "mounts[0].target", "every step is given"),
    ({"mounts": (TmpfsSpec(target="/dev"),)}, "mounts[0].target", "every step is given"),
    ({"mounts": (TmpfsSpec(target="/dev/pts/0"),)}, "mounts[0].target", "every step is given"),
    ({"mounts": (TmpfsSpec(target="a"),)}, "mounts[0].target", "not absolute"),
    ({"mounts": (TmpfsSpec(target="/a"), TmpfsSpec(target="/a"))}, "mounts[1].target", "earlier mount"),
    ({"mounts": (TmpfsSpec(target="/a", size=-1),)}, "mounts[0].size", "negative"),
    ({"mounts": (TmpfsSpec(target="/a", mode=0o10000),)}, "mounts[0].mode", "permission"),
    ({"mounts": (FileSpec(target="/a", content=b"", uid=-1),)}, "mounts[0].uid", "not a number"),
    ({"mounts": (BindSpec(target="/a", source="b"),)}, "mounts[0].source", "not absolute"),
    ({"mounts": (BindSpec(target="/a", source=-1),)}, "mounts[0].source", "descriptor"),
    ({"mounts": (BindSpec(target="/a", source=3, subpath="x\0"),)}, "mounts[0].subpath", "NUL"),
    ({"mounts": tuple(TmpfsSpec(target=f"/a{n}") for n in range(201))}, "mounts", "more than 200"),
]


@pytest.mark.parametrize(("change", "field", "reason"), WRONG, ids=[f"{f}: {r}" for _, f, r in WRONG])
def test_a_wrong_request_names_the_field(change: dict[str, object], field: str, reason: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        validate(dataclasses.replace(GOOD, **change))  # type: ignore[arg-type]
    assert caught.value.message.startswith(f"{field}: ")
    assert reason in caught.value.message
    assert len(caught.value.message) < 400


@given(st.text())
def test_a_path_that_passes_is_absolute_and_has_no_way_up(path: str) -> None:
    try:
        validate(StepRequest(argv=("x",), cwd=path))
    except InvalidRequest:
        return
    assert path == "/" or all(part not in ("", ".", "..") for part in path.split("/")[1:])
    assert path.startswith("/") and "\0" not in path
