"""--chmod: octal and symbolic modes; chmod(1) is the judge of the symbolic ones."""

import stat
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metalor_lang.build.permissions import ModeError, parse_mode


@pytest.mark.parametrize(
    ("text", "mode", "directory", "result"),
    [
        ("644", 0o755, False, 0o644),
        ("644", 0o755, True, 0o755),
        ("0640", 0o755, True, 0o750),
        ("600", 0o755, True, 0o700),
        ("4755", 0o644, False, 0o4755),
        ("000", 0o755, True, 0),
        ("u=rwX,go=rX", 0o600, False, 0o644),
        ("u=rwX,go=rX", 0o700, False, 0o755),
        ("u=rwX,go=rX", 0o600, True, 0o755),
        ("+x", 0o644, False, 0o755),
        ("a-w", 0o666, False, 0o444),
        ("g=u", 0o640, False, 0o660),
        ("u+s,+t", 0o755, False, 0o5755),
        ("go=", 0o2777, False, 0o700),
    ],
)
def test_modes(text, mode, directory, result):
    assert f"{parse_mode(text)(mode, directory):o}" == f"{result:o}"


@pytest.mark.parametrize(
    "text", ["", "9", "64", "07777777", "u", "rwx", "u=q", "u=rw,", "0x1ff", "u=rw go=r", "７５５"]
)
def test_refused(text):
    with pytest.raises(ModeError):
        parse_mode(text)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.builds(
            "".join,
            st.tuples(
                st.sampled_from(["u", "g", "o", "a", "ug", "go", "ugo"]),
                st.sampled_from("+-="),
                st.sampled_from(["", "r", "w", "x", "X", "rw", "rX", "u", "g", "o", "s", "t", "xs"]),
            ),
        ),
        min_size=1,
        max_size=3,
    ),
    st.integers(0, 0o7777),
)
def test_chmod_agrees(tmp_path_factory, clauses, mode):
    path = tmp_path_factory.mktemp("mode") / "f"
    path.write_text("")
    path.chmod(mode)
    text = ",".join(clauses)
    subprocess.run(["chmod", text, str(path)], check=True)
    assert f"{parse_mode(text)(mode, False):o}" == f"{stat.S_IMODE(path.stat().st_mode):o}"
