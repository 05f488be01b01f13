"""Whose passwords skopeo looks for."""

from pathlib import Path

import pytest

from metalor_lang.kernel.userns import ROOTLESS_UID
from metalor_lang.oci.skopeo import environment

UID = "73917"
"""Of nobody, so that nothing is below /run/containers for it."""


@pytest.mark.parametrize(
    ("given", "there", "expected"),
    [
        ({}, (".config/containers/auth.json",), None),
        ({"XDG_RUNTIME_DIR": "/run/user/1"}, (), None),
        ({ROOTLESS_UID: UID, "XDG_RUNTIME_DIR": "/run/user/1"}, (), None),
        ({ROOTLESS_UID: UID, "REGISTRY_AUTH_FILE": "/mine"}, (".docker/config.json",), "/mine"),
        ({ROOTLESS_UID: UID}, (), "{home}/.config/containers/auth.json"),
        ({ROOTLESS_UID: UID}, (".docker/config.json",), "{home}/.docker/config.json"),
        (
            {ROOTLESS_UID: UID},
            (".docker/config.json", ".config/containers/auth.json"),
            "{home}/.config/containers/auth.json",
        ),
    ],
)
def test_whose_passwords_are_looked_for(
    given: dict[str, str], there: tuple[str, ...], expected: str | None, tmp_path: Path
) -> None:
    for name in there:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    ours = {"HOME": str(tmp_path), **given}
    wanted = None if expected is None else expected.format(home=tmp_path)
    found = environment(ours)
    assert found.pop("REGISTRY_AUTH_FILE", None) == wanted
    assert found == {name: value for name, value in ours.items() if name != "REGISTRY_AUTH_FILE"}
