import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalor_lang.oci.errors import BadReference
from metalor_lang.oci.reference import Reference

D = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "full", "familiar", "pullable"),
    [
        ("debian:12", "docker.io/library/debian:12", "debian:12", "docker.io/library/debian:12"),
        ("debian", "docker.io/library/debian", "debian", "docker.io/library/debian:latest"),
        ("team/app:1", "docker.io/team/app:1", "team/app:1", "docker.io/team/app:1"),
        ("docker.io/debian:12", "docker.io/library/debian:12", "debian:12", "docker.io/library/debian:12"),
        ("index.docker.io/a/b:1", "docker.io/a/b:1", "a/b:1", "docker.io/a/b:1"),
        ("localhost/a:1", "localhost/a:1", "localhost/a:1", "localhost/a:1"),
        ("localhost:5000/a", "localhost:5000/a", "localhost:5000/a", "localhost:5000/a:latest"),
        ("r.example/a/b/c__d.e-f:V_1.0", *["r.example/a/b/c__d.e-f:V_1.0"] * 3),
        ("[::1]:5000/a:1", *["[::1]:5000/a:1"] * 3),
        (f"a@{D}", f"docker.io/library/a@{D}", f"a@{D}", f"docker.io/library/a@{D}"),
        (f"a:1@{D}", f"docker.io/library/a:1@{D}", f"a:1@{D}", f"docker.io/library/a@{D}"),
    ],
)
def test_right(text: str, full: str, familiar: str, pullable: str) -> None:
    reference = Reference.parse(text)
    assert (str(reference), reference.familiar, reference.pullable) == (full, familiar, pullable)
    assert Reference.parse(str(reference)) == reference
    assert Reference.parse(familiar) == reference


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        ("", "must not be empty", "debian:12"),
        ("Debian:12", "the name of an image is lower case", "write 'debian'"),
        ("r.example/Team/app", "the name of an image is lower case", "write 'team/app'"),
        ("docker://debian:12", "has a scheme (docker://)", "debian:12"),
        ("https://r.example/a", "has a scheme (https://)", "r.example/a"),
        ("a:", "'' is no tag", "letters, digits"),
        ("a:-x", "'-x' is no tag", "starts with no"),
        ("a:" + "x" * 129, "is no tag", "at most 128"),
        ("a:b c", "'b c' is no tag", "letters"),
        ("a@sha256:12", "'sha256:12' is no digest", "64 lower-case hex"),
        ("a@", "'' is no digest", "64 lower-case hex"),
        ("a//b", "empty part", "debian:12"),
        ("/a", "empty part", "debian:12"),
        ("a/", "empty part", "debian:12"),
        ("a..b/c/d", "'a..b' is no registry name", "debian:12"),
        ("x/a..b", "'a..b' is no part", "joined by"),
        ("a b", "'a b' is no part", "joined by"),
        ("-a", "'-a' is no part", "joined by"),
        ("ü", "'ü' is no part", "joined by"),
        ("a\n", "is no part", "joined by"),
        ("r.example:99999/a", "is no registry name", "debian:12"),
        ("r.example:0/a", "is no registry name", "debian:12"),
        ("r.example:x/a", "is no registry name", "debian:12"),
        ("a/" * 127 + "ab", "may have 255 characters", ""),
    ],
)
def test_wrong(text: str, message: str, help: str) -> None:
    with pytest.raises(BadReference) as caught:
        Reference.parse(text)
    assert message in caught.value.message
    assert help in caught.value.help


@given(st.text(alphabet="aZ0.:-_/@[]é ", max_size=24))
def test_what_is_accepted_reads_back_as_itself(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except BadReference:
        return
    assert Reference.parse(str(reference)) == reference
    assert Reference.parse(reference.familiar) == reference
