"""What is offered at a place, by table: `|` is the cursor."""

import pytest

from metalor_lang.checker.flags import PARSERS
from metalor_lang.syntax.grammar import parser
from metalor_lang.syntax.statements import BY_WORD, ValueKind
from metalor_lang.tooling.complete import FREE, MARKS, complete
from metalor_lang.tooling.values import FLAG_VALUES, WORDS
from tests.support.around import Around

AROUND = Around(
    context=(
        "src/main.c",
        "src/util.c",
        "docs/",
        "my file.txt",
        "my folder/x",
        "a*b",
        "README.md",
        ".git/config",
        "-x",
    ),
    image=(
        "/etc/passwd",
        "/etc/apt/sources.list",
        "/usr/bin/make",
        "/usr/bin/mawk",
        "/bin/sh",
        "/srv/www/",
        "/srv/a b",
    ),
    stages={"build": ("/out/app", "/out/lib/")},
    named={"assets": ("logo.svg", "css/site.css")},
    references=("debian:12", "docker.io/library/busybox:1.36"),
    env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
    passwd={"root": "0", "nobody": "65534"},
    folder="/srv",
    recipes={"x.metalor": "DEFINE fetch url\nEND\nDEFINE bare\nEND\n"},
)
STAGE = "ARG VERSION=1\nFROM a:1 AS build\nENV HOME_PAGE=x\nFROM b:1 AS web\n"

GROUPS = "IMPORT x.metalor AS common\nDEFINE install packages release=stable\nEND\n" + STAGE


def inserted(text: str) -> list[str]:
    before, _, after = text.partition("|")
    return [item.insert for item in complete(before + after, len(before), AROUND)]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("|", ["RECIPE ", "ARG ", "FROM ", "IF ", "FOR ", "DEFINE ", "IMPORT "]),
        ("RECIPE 1\n|", ["ARG ", "FROM ", "IF ", "FOR ", "DEFINE ", "IMPORT "]),
        ("f|", ["FROM ", "FOR "]),
        ("IF ${A} == b\nE|", ["ELSE", "END"]),
        ("FOR A IN b\nE|", ["END"]),
        ("IF ${A} == b\nELSE\nE|", ["END"]),
        ("IF ${A} == b\n|", ["ARG ", "FROM ", "IF ", "ELSE", "FOR ", "END"]),
        ("FOR A IN b\n|", ["FROM ", "IF ", "FOR ", "END"]),
        ("IF ${A} == b\nEND\nE|", []),
        ("DEFINE a\nF|", ["FILE ", "FETCH ", "FOR "]),
        ("DEFINE a\nI|", ["IF "]),
        (GROUPS + "USE |", ["install ", "common."]),
        (GROUPS + "USE i|", ["install "]),
        (GROUPS + "USE install |", ["packages=", "release="]),
        (GROUPS + "USE install packages=x |", ["release="]),
        (GROUPS + "USE common.|", ["fetch ", "bare"]),
        (GROUPS + "USE common.fetch |", ["url="]),
        (GROUPS + "USE common.bare |", []),
        ("IMPORT s|", ["src/"]),
        ("IF a == b\nELSE I|", ["IF "]),
        (GROUPS + "IF a N|", ["NOT "]),
        (GROUPS + "IF a NOT |", ["IN "]),
        (GROUPS + "FOR X I|", ["IN "]),
        (GROUPS + "FOR X IN a\nSH echo ${X|", ["X}"]),
        (GROUPS + "FOR X IN a\nEND\nSH echo ${X|", []),
        ("DEFINE a PORT=80\nEXPOSE ${P|", ["PORT}", "PATH}"]),
        (STAGE + "IF ${V|", ["VERSION}"]),
        (STAGE + "IF ${H|", []),
        (STAGE + "WORK|", ["WORKDIR "]),
        (STAGE + "CMD [\"a\"]\nC|", ["COPY "]),
        (STAGE + "TEST |", ["RUN ", "SH "]),
        (STAGE + "UNSET |",
         ["ENV ", "LABEL ", "WORKDIR", "USER", "EXPOSE ", "VOLUME ", "STOPSIGNAL", "ENTRYPOINT", "CMD"]),
        (STAGE + "LABEL k=v\nUNSET LABEL |", ["k"]),
        (STAGE + "UNSET ENV |", ["PATH", "LANG"]),
        ("FROM b|", []),
        (STAGE + "FROM |",
         ["web", "build", "debian:12", "docker.io/library/busybox:1.36", "scratch", "oci:",
          "oci-archive:", "docker-archive:", "rootfs:", "--platform=", "${", '"']),
        ("FROM deb|", ["debian:12"]),
        ("FROM oci:|", ["docs/", '"oci:my folder/', "src/"]),
        ("FROM a:1 |", ["AS "]),
        ("FROM a:1 a|", ["AS "]),
        ("FROM --platform=linux/am|", ["linux/amd64"]),
        (STAGE + "COPY --|", ["--from=", "--chown=", "--chmod=", "--exclude=", "--optional "]),
        (STAGE + "COPY --chown=0 --chmod=644 --|", ["--from=", "--exclude=", "--optional "]),
        (STAGE + "COPY --from=|", ["build", "assets", "${", '"']),
        (STAGE + "COPY --from=\"b|", ["build\""]),
        (STAGE + "COPY s|", ["src/"]),
        (STAGE + "COPY src/|", ["main.c", "util.c"]),
        (STAGE + "COPY m|", ['"my file.txt"', '"my folder/']),
        (STAGE + 'COPY "my f|', ["my file.txt\"", "my folder/"]),
        (STAGE + "COPY 'my f|", ["my file.txt'", "my folder/"]),
        (STAGE + "COPY a|", ['"a*b"']),
        (STAGE + "COPY .|", [".git/"]),
        (STAGE + "COPY --from=assets |",
         ["css/", "logo.svg", "--chown=", "--chmod=", "--exclude=", "--optional ", "${", '"']),
        (STAGE + "COPY --from=build out/|", ["app", "lib/"]),
        (STAGE + "COPY --from=build /out/app /e|", ["etc/"]),
        (STAGE + "COPY src/ w|", ["www/"]),
        (STAGE + "WORKDIR /|", ["bin/", "etc/", "srv/", "usr/"]),
        (STAGE + "USER |", ["root", "nobody", "${", '"']),
        (STAGE + "USER root:n|", ["nobody"]),
        (STAGE + "RUN --user=no|", ["nobody"]),
        (STAGE + "RUN --network=|", ["none", "host", "${", '"']),
        (STAGE + "RUN --network=n|", ["none"]),
        (STAGE + "RUN --arg=V|", ["VERSION"]),
        (STAGE + "RUN --bind=build:/out/|", ["app:", "lib/"]),
        (STAGE + "RUN --bind=build:/out/lib:/s|", ["srv/"]),
        (STAGE + "RUN --cache=/x,|", ["sharing=locked", "sharing=shared", "sharing=private", "id="]),
        (STAGE + "RUN --network=none |",
         ["--cache=", "--secret=", "--bind=", "--tmpfs=", "--timeout=", "--arg=", "--user=", "--workdir=",
          "--fresh=", '["']),
        (STAGE + "RUN [|", ['"']),
        (STAGE + 'RUN ["m|', ['make"', 'mawk"']),
        (STAGE + 'RUN ["/usr/bin/m|', ['make"', 'mawk"']),
        (STAGE + 'RUN ["make", "/srv/a|', ['a b"']),
        (STAGE + 'RUN ["make"|', ["]", ","]),
        (STAGE + "SH cat /etc/pas|", ["passwd"]),
        (STAGE + "SH cat www|", []),
        (STAGE + "SH make && ma|", ["make", "mawk"]),
        (STAGE + "SH echo ${VER|", ["VERSION}"]),
        (STAGE + "SH echo \"$VER|", ["VERSION"]),
        (STAGE + "SH '''\n    ma|", ["make", "mawk"]),
        (STAGE + "ENV L|", ["LANG="]),
        (STAGE + "ENV V|", ["VERSION=${VERSION}"]),
        (STAGE + "ENV A=$|", None),
        (STAGE + "ENV A=${L|", ["LANG}", ]),
        (STAGE + "ENV NEW|", ["="]),
        (STAGE + 'RUN ["zzz|', ['"']),
        ("ARG A=1\nARG B=${A|", ["A}"]),
        (STAGE + "LABEL org.opencontainers.image.ti|", ["org.opencontainers.image.title="]),
        (STAGE + "FILE /etc/x |", ["'''", '"""']),
        (STAGE + "FILE /etc/x '''\n  text\n|", ["'''"]),
        (STAGE + "EXPOSE 53|", ["53/tcp", "53/udp"]),
        (STAGE + "STOPSIGNAL SIGT|", ["SIGTRAP", "SIGTERM", "SIGTSTP", "SIGTTIN", "SIGTTOU"]),
        ("REC|", ["RECIPE "]),
        ("RECIPE |", ["1"]),
        ("# com|", []),
        (STAGE + "RUN [\"a\"] # com|", []),
        (STAGE + "COPPY x|", []),
    ],
)  # fmt: skip
def test_table(typed: str, offered: list[str] | None) -> None:
    found = inserted(typed)
    if offered is None:
        assert "${VERSION}" in found and "${LANG}" in found and "${HOME_PAGE}" not in found
    else:
        assert found == offered


def test_a_path_behind_an_expansion_is_looked_up_where_it_leads() -> None:
    assert inserted("ARG TOP=src\nFROM a:1\nCOPY ${TOP}/|") == ["main.c", "util.c"]
    assert inserted("FROM a:1\nENV TOP=/etc\nWORKDIR ${TOP}/|") == ["apt/"]


def test_only_arguments_are_offered_where_only_arguments_are_seen() -> None:
    names = inserted("ARG A=1\nFROM a:1\nENV E=1\nFROM ${|")
    assert "A}" in names and "E}" not in names and "LANG}" not in names


def test_every_item_has_a_line_of_help_or_a_value() -> None:
    for text in (STAGE, STAGE + "COPY --", STAGE + "RUN ", STAGE + "LABEL "):
        assert all(item.help for item in complete(text, len(text), AROUND))


def test_the_tables_are_total() -> None:
    assert set(WORDS) == set(BY_WORD)
    assert set(FLAG_VALUES) == set(ValueKind)
    assert set(FLAG_VALUES) >= set(PARSERS)
    named = {terminal.name for terminal in parser().terminals}
    words = {*BY_WORD, "AS", "IN", "NOT"}
    # FLAG, REF, META_KEY and VERSION come from tables of their own.
    assert named | {"$END"} == words | set(MARKS) | FREE | {"FLAG", "REF", "META_KEY", "VERSION"}
