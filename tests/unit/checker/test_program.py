"""Right recipes: what names, stages and bases resolve to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalor_lang.checker.flags import ValueProblem, mount_path
from metalor_lang.checker.platforms import PlatformError, parse_platform, parse_platforms, same_platform
from metalor_lang.checker.program import (
    Base,
    ImageBase,
    Platform,
    RootfsBase,
    ScratchBase,
    StageBase,
    Transport,
)
from metalor_lang.checker.scope import looks_secret, named_in_shell
from metalor_lang.runtime.request import StepRequest, TmpfsSpec
from metalor_lang.runtime.validate import InvalidRequest, validate
from tests.support.recipes import AMD64, FakeContexts, checked, program_of

DIGEST = "sha256:" + "a" * 64

BASES: dict[str, Base] = {
    "scratch": ScratchBase(),
    "first": StageBase(stage=0),
    "debian:12": ImageBase(transport=Transport.REGISTRY, location="debian:12"),
    "first:1": ImageBase(transport=Transport.REGISTRY, location="first:1"),
    "library/first:1": ImageBase(transport=Transport.REGISTRY, location="library/first:1"),
    f"debian@{DIGEST}": ImageBase(transport=Transport.REGISTRY, location=f"debian@{DIGEST}"),
    f"debian:12@{DIGEST}": ImageBase(transport=Transport.REGISTRY, location=f"debian:12@{DIGEST}"),
    "localhost:5000/a/b__c:T-1": ImageBase(transport=Transport.REGISTRY, location="localhost:5000/a/b__c:T-1"),
    "Example.org/a:1": ImageBase(transport=Transport.REGISTRY, location="Example.org/a:1"),
    "oci:dir": ImageBase(transport=Transport.OCI, location="dir"),
    "oci:../a/b:12": ImageBase(transport=Transport.OCI, location="../a/b", tag="12"),
    "oci-archive:a.tar": ImageBase(transport=Transport.OCI_ARCHIVE, location="a.tar"),
    "oci-archive:a.tar:x": ImageBase(transport=Transport.OCI_ARCHIVE, location="a.tar", tag="x"),
    "docker-archive:/a.tar:b:c": ImageBase(transport=Transport.DOCKER_ARCHIVE, location="/a.tar", tag="b:c"),
    "rootfs:tree": RootfsBase(path="tree"),
    "rootfs:a:b.tar": RootfsBase(path="a:b.tar"),
}


@pytest.mark.parametrize("text", BASES)
def test_bases(text: str) -> None:
    program = program_of(f"FROM scratch AS first\nFROM {text}\n")
    assert program.stages[1].base == BASES[text]
    assert program_of(f'ARG B="{text}"\nFROM scratch AS first\nFROM ${{B}}\n').stages[1].base == BASES[text]


ONE = """
FROM scratch AS a
FROM a AS b
FROM scratch AS c
RUN --bind=b:/x:/x ["y"]
FROM scratch AS d
COPY --from=c /x /x
FROM scratch
COPY --from=a /x /x
"""

TARGETS = [
    (None, {4, 0}, ("b", "c", "d")),
    ("a", {0}, ("b", "c", "d", "stage 5")),
    ("b", {0, 1}, ("c", "d", "stage 5")),
    ("c", {0, 1, 2}, ("d", "stage 5")),
    ("d", {0, 1, 2, 3}, ("stage 5",)),
]


@pytest.mark.parametrize(("target", "needed", "skipped"), TARGETS)
def test_what_a_target_needs(target: str | None, needed: set[int], skipped: tuple[str, ...]) -> None:
    program = program_of(ONE, target=target)
    assert program.needed == needed and program.skipped == skipped
    assert [stage.needs for stage in program.stages] == [(), (0,), (1,), (2,), (0,)]


PENDING = {
    "FROM scratch\nENV A=${PATH}\n": [],
    "FROM debian:12\nENV A=${PATH} B=${LANG}\n": ["LANG"],
    "FROM debian:12 AS a\nFROM a\nENV A=${LANG}\n": ["LANG"],
    "FROM debian:12\nENV LANG=C\nENV B=${LANG}\n": [],
    "ARG LANG=C\nFROM debian:12\nENV B=${LANG}\n": [],
    "FROM rootfs:x\nENV B=${LANG} C=${LANG}\n": ["LANG", "LANG"],
    "FROM debian:12\nENV A=${X}\nENV B=${A}\n": ["X"],
    "FROM debian:12\nWORKDIR ${X}\nUSER ${Y}\nEXPOSE ${Z}\nCOPY ${W} /x\n": ["X", "Y", "Z", "W"],
    "FROM debian:12\nFILE /x '''\n${X}\n'''\n": [],
    'FROM debian:12\nFILE /x """\n${X} $${Y}\n"""\n': ["X"],
    "FROM debian:12\nSH echo ${X}\n": [],
}


@pytest.mark.parametrize("text", PENDING)
def test_names_that_wait_for_the_base(text: str) -> None:
    assert [each.name for each in program_of(text).pending] == PENDING[text]


RIGHT = {
    "nothing after from": "FROM scratch\n",
    "version": "RECIPE 1\nFROM scratch\n",
    "shipped": "ARG A=1\nFROM scratch\nENV A=${A}\n",
    "shipped always-defined": "FROM scratch\nENV TARGETARCH=${TARGETARCH}\n",
    "shipped public": "ARG --public MY_TOKEN=1\nFROM scratch\nENV MY_TOKEN=${MY_TOKEN}\n",
    "arg between stages": "FROM scratch AS a\nARG A=1\nFROM scratch\nENV B=${A}\n",
    "arg of an arg": "ARG A=1\nARG B=${A}${TARGETARCH}\nFROM scratch\n",
    "secret in the middle": "ARG TOKEN_FILE=x\nFROM scratch\nENV PASSWORDLESS=1\n",
    "same env in two stages": "FROM scratch AS a\nENV A=1\nFROM scratch\nENV A=2\n",
    "entrypoint in each stage": 'FROM scratch AS a\nCMD ["a"]\nFROM a\nCMD ["b"]\n',
    "unset of env": "FROM scratch\nENV A=1\nUNSET ENV A\n",
    "unset of what is set": "FROM scratch\nEXPOSE 1-3\nUNSET EXPOSE 2\nVOLUME /a/\nUNSET VOLUME /a\n",
    "unset on an image": "FROM debian:12\nUNSET ENV A\nUNSET CMD\nUNSET USER\n",
    "unset of what the stage below set": "FROM scratch AS a\nENV A=1\nFROM a\nUNSET ENV A\n",
    "copy everything": "FROM scratch\nCOPY . .\n",
    "copy a missing optional": "FROM scratch\nCOPY --optional nothing /x\n",
    "relative destination": "FROM scratch\nCOPY a.txt b\nFILE x '''\n'''\n",
    "quoted is no glob": 'FROM scratch\nCOPY --optional "*.md" /x\n',
    "value is no glob": 'ARG G="*.md"\nFROM scratch\nCOPY --optional ${G} /x\n',
    "signals": "FROM scratch\nSTOPSIGNAL SIGKILL\nSTOPSIGNAL 15\nSTOPSIGNAL SIGRTMAX-1\n",
    "users": "FROM scratch\nUSER root\nUSER _apt:nogroup\nUSER 0\nUSER 1000:1000\nUSER machine$\n",
    "modes": "FROM scratch\nCOPY --chmod=u=rwX,go= site /x\nCOPY --chmod=+x site /x\nCOPY --chmod=4755 site /x\n",
    "layers of two stages": 'FROM scratch AS a\nLAYER "x"\nFROM scratch\nLAYER "x"\n',
    "two mounts": "FROM scratch\nSH --tmpfs=/a --cache=/b --secret=token --bind=site:/c true\n",
    "platforms": "FROM --platform=linux/arm/v7 scratch AS a\nFROM --platform=linux/arm a\n",
    "same platform as the target": "FROM debian:12 AS a\nFROM --platform=${TARGETPLATFORM} a\n",
    "no entrypoint then one": 'FROM debian:12\nUNSET ENTRYPOINT\nENTRYPOINT ["a"]\n',
}


@pytest.mark.parametrize("case", RIGHT)
def test_right(case: str) -> None:
    assert checked(RIGHT[case])[1] == ()


def test_arguments_and_always_defined_names() -> None:
    program = program_of("ARG A\nARG B=b\nFROM scratch\n", args={"A": "a"}, platform=parse_platform("linux/arm/v7"))
    values = {name: each.value for name, each in program.arguments.items()}
    assert values["A"] == "a" and values["B"] == "b"
    assert [values[f"TARGET{each}"] for each in ("PLATFORM", "OS", "ARCH", "VARIANT")] == [
        "linux/arm/v7", "linux", "arm", "v7",
    ]  # fmt: skip
    assert values["BUILDPLATFORM"].startswith(f"linux/{values['BUILDARCH']}")
    assert values["SOURCE_DATE_EPOCH"] == ""
    assert program_of("FROM scratch\n", source_date_epoch=9).arguments["SOURCE_DATE_EPOCH"].value == "9"


def test_given_wins_over_default() -> None:
    assert program_of("ARG A=1\nFROM debian:${A}\n", args={"A": "2"}).stages[0].base == BASES["debian:12"].__class__(
        transport=Transport.REGISTRY, location="debian:2"
    )


def test_editors_are_not_asked_what_only_a_build_has() -> None:
    text = "ARG A\nFROM scratch\nSH --secret=nope echo $A\n"
    assert len(checked(text, args={"X": "1"})[1]) == 3
    assert checked(text, args={"X": "1"}, given_args_strict=False)[1] == ()


def test_secrets_of_unneeded_stages_are_not_asked_for() -> None:
    text = "FROM scratch AS a\nSH --secret=nope x\nFROM scratch\n"
    assert checked(text)[1] == ()
    assert [each.code for each in checked(text, target="a")[1]] == ["E0408"]
    assert checked(text, target="a", secrets=None)[1] == ()


def test_contexts_that_are_used() -> None:
    contexts = FakeContexts(named=frozenset({"x", "y", "z"}))
    text = 'FROM scratch AS s\nCOPY --from=x site /\nRUN --bind=y:site:/s ["a"]\nFROM s\nCOPY --from=s /a /b\n'
    assert program_of(text, contexts=contexts).contexts == ("x", "y")
    assert program_of("FROM scratch\nCOPY site /x\n").contexts == ("",)


def test_statements_of_stages_are_without_args() -> None:
    program = program_of("FROM scratch\nARG A=1\nENV B=${A}\nARG C=1\n")
    assert [node.word for node in program.stages[0].statements] == ["ENV"]


@pytest.mark.parametrize(
    ("name", "secret"),
    [("TOKEN", True), ("my_token", True), ("API_KEY", True), ("Db_Passwd", True), ("KEY", False), ("TOKENS", False)],
)
def test_looks_secret(name: str, secret: bool) -> None:
    assert looks_secret(name) is secret


@given(st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,5}\Z"), st.from_regex(r"\A[A-Za-z0-9_]{1,3}\Z"))
def test_names_in_shell_text_are_whole_names(name: str, more: str) -> None:
    for right in (f"${name}", f"${{{name}}}", f"a${name}-b", f'"${name}"', f"${{{name}:-x}}", f"${{#{name}}}"):
        assert named_in_shell(right, (name,)) == (name,)
    for wrong in (name, f"${name}{more}", f"${{{name}{more}}}", f"$ {name}", f"{name}$"):
        assert named_in_shell(wrong, (name,)) == ()


@given(st.text(max_size=30))
def test_platforms_are_read_or_refused(text: str) -> None:
    try:
        platform = parse_platform(text)
    except PlatformError as error:
        assert len(error.args) == 2
    else:
        assert str(platform) == text


def test_a_missing_variant_is_the_usual_one() -> None:
    assert same_platform(AMD64, Platform(os="linux", arch="amd64", variant="v1"))
    assert same_platform(parse_platform("linux/arm64"), parse_platform("linux/arm64/v8"))
    assert not same_platform(parse_platform("linux/arm/v6"), parse_platform("linux/arm"))


WORDS = st.sampled_from(
    ["FROM scratch", "FROM debian:12 AS a", "FROM a", "ARG A=1", "ARG A", "ENV A=${A}", "ENV B=${C}", "UNSET ENV A",
     "COPY --from=a x y", "COPY *.txt /x/", "COPY site /x", 'CMD ["${B}"]', "SH echo $A", "RUN [\"x\"]", "USER ${A}",
     "WORKDIR ${B}", 'LAYER "x"', "UNSET CMD", "RECIPE 1", "SH --secret=token --arg=A x", "EXPOSE ${A}"]
)  # fmt: skip


@given(st.lists(WORDS, max_size=12))
def test_any_order_of_statements_is_a_program_or_errors_with_places(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    program, found = checked(text)
    assert (program is None) == bool(found)
    assert all(each.span.end <= len(text) and each.message and each.help for each in found if each.code[:3] != "E02")
    assert [each.span.start for each in found if each.code[:3] != "E02"] == sorted(
        each.span.start for each in found if each.code[:3] != "E02"
    )


@pytest.mark.parametrize("path", ["/", "/dev", "/proc", "/sys", "/proc/1", "/sys/fs", "/dev/pts/0", "/dev/fd/3"])
def test_mounts_that_the_runtime_refuses_are_refused_before_anything_runs(path: str) -> None:
    step = StepRequest(argv=("/x",), mounts=(TmpfsSpec(target=path),))
    with pytest.raises(InvalidRequest):
        validate(step)
    with pytest.raises(ValueProblem):
        mount_path(path)


def test_a_list_of_platforms_keeps_its_order_and_names_each_once():
    found = parse_platforms("linux/riscv64, linux/amd64,linux/arm/v6,linux/arm/v7")
    assert [str(each) for each in found] == ["linux/riscv64", "linux/amd64", "linux/arm/v6", "linux/arm/v7"]
    assert [str(each) for each in parse_platforms("linux/arm64")] == ["linux/arm64"]
    for text, message in [
        ("linux/arm64,linux/arm64/v8", "`linux/arm64/v8` stands twice in `linux/arm64,linux/arm64/v8`"),
        ("linux/arm64,,linux/amd64", "`` is no platform"),
        ("linux/amd64,arm64", "`arm64` is no platform"),
    ]:
        with pytest.raises(PlatformError) as error:
            parse_platforms(text)
        assert error.value.args[0] == message
