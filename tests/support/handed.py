# ruff: noqa: E501
"""Recipes that become Dockerfiles, and those that do not.

Invariant: `differs` names all that is not equal afterwards; `refused` the line and a word of the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

F = {"f": "F\n"}
D = {"d/a": "A\n", "d/.h": "H\n", "d/s/b": "B\n"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A recipe; BASE in its text is the busybox of the tests, DEBIAN the Debian.

    Args:
        text: what stands in it.
        context: as `copytrees.plant` takes it.
        has: what must stand in the Dockerfile.
        differs: paths that differ.

    """

    text: str
    context: Mapping[str, str] = field(default_factory=dict)
    args: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    has: tuple[str, ...] = ()
    differs: Mapping[str, str] = field(default_factory=dict)


SAID: Mapping[str, Recipe] = {
    "config": Recipe(
        text='FROM BASE\nENV A=b C=\'d $e "f" \\\'\nENV PATH=/opt/bin:${PATH}\nLABEL a.b=c d="e f"\nEXPOSE 80 53/udp\n'
        'VOLUME /data /var/x\nSTOPSIGNAL SIGQUIT\nUSER user\nENTRYPOINT ["/bin/busybox"]\nCMD ["ls", "-l", "$HOME"]',
    ),
    "one line of shell": Recipe(text="FROM BASE\nSH echo hello > /hello", has=("RUN set -eu; echo hello > /hello",)),
    "a block of shell": Recipe(
        text="FROM BASE\nSH '''\n  # of the script\n  for n in 1 2; do\n    echo \"$n\" >> /n\n  done\n  cat <<EOF > /e\n  EOF1\n  x\n  EOF\n  '''",
        has=("RUN <<'EOF2'",),
    ),
    "a pipe": Recipe(text="FROM BASE\nSH if false | true; then echo no > /r; else echo pipefail > /r; fi"),
    "a pipe in dash": Recipe(text="FROM DEBIAN\nSH if false | true; then echo yes > /r; else echo pipefail > /r; fi"),
    "continued": Recipe(text="FROM BASE\nSH echo one \\\n    two > /o \\\n    && echo three >> /o"),
    "an array": Recipe(text='FROM BASE\nRUN ["/bin/sh", "-c", "echo \\"$0\\" > /zero; echo \'ü\' >> /zero", "a b"]'),
    "another shell": Recipe(
        text='FROM DEBIAN\nSHELL ["/bin/bash", "-euo", "pipefail", "-c"]\nSH x=(one two); echo "${x[1]}" > /x\nSH echo $- > /options',
    ),
    "an argument of the shell": Recipe(
        text="ARG V=1.4\nFROM BASE\nSH echo $V > /v\nSH echo ${V} >> /v", has=('ARG V="it\'s 2"',), args={"V": "it's 2"}
    ),
    "an argument of one command": Recipe(
        text="ARG V=1.4\nFROM BASE\nSH echo $V > /v\nSH echo \"${W:-unset}\" >> /v; env | grep -c '^V=' >> /v || true",
        has=("export V=1.4",),
    ),
    "an argument everywhere": Recipe(
        text='ARG V=1\nARG D=/opt\nFROM BASE AS one\nENV V=${V}\nWORKDIR ${D}/x\nLABEL v=${V}\nSH echo $V ${D} > v\nFROM BASE\nCOPY --from=one ${D}/x/v /v-${V}\nRUN ["/bin/sh", "-c", "echo ${D} > /d"]',
        args={"V": "3"},
    ),
    "epoch": Recipe(text="FROM BASE\nSH echo $SOURCE_DATE_EPOCH > /epoch", has=("ARG SOURCE_DATE_EPOCH=1735689600",)),
    "files": Recipe(
        text="FROM BASE\nCOPY f /x/y\nCOPY f /x/\nCOPY f g /z/\nWORKDIR /w\nCOPY f .", context={**F, "g": "G"}
    ),
    "directories": Recipe(
        text="FROM BASE\nCOPY d /x\nCOPY d /y/\nCOPY d/ /z/\nWORKDIR /w\nCOPY d .\nCOPY d/s/ sub/", context=D
    ),
    "patterns": Recipe(
        text="FROM BASE\nCOPY *.c /x/\nCOPY e* /y/",
        context={"a.c": "1", "b.c": "2", "c.h": "3", "e1/x": "X", "e2": "Y"},
    ),
    "all but what is ignored": Recipe(
        text="FROM BASE\nCOPY . /app",
        context={
            **D,
            ".metalorignore": "*.o\n/tmp\n",
            "x.o": "O",
            "s/y.o": "O",
            "tmp/t": "T",
            "s/tmp/t": "T",
            "[k]": "K",
        },
    ),
    "owners": Recipe(
        text="FROM BASE\nSH mkdir -m 777 /in\nUSER user\nCOPY f /in/f\nCOPY d /in/d\nCOPY --chown=0:0 f /in/root\n"
        "COPY --chown=5:6 f /in/numbers\nWORKDIR /in/work\nFILE /in/text '''\n  t\n  '''\nSH id -u > /in/id; id -g >> /in/id",
        context={**F, **D},
    ),
    "modes": Recipe(
        text="FROM BASE\nCOPY --chmod=600 f /f\nCOPY tool /tool\nFILE --chmod=755 /run-it '''\n  #!/bin/sh\n  '''",
        context={**F, "tool": "755|#!/bin/sh\n"},
        has=("COPY --chmod=755 <<'EOF' /run-it",),
    ),
    "texts": Recipe(
        text="ARG PORT=80\nFROM BASE\nFILE /raw '''\n  ${PORT} $x \\n EOF\n  EOF\n\n    indented\n  '''\n"
        "FILE /filled \"\"\"\n  port ${PORT}\n  \"\"\"\nFILE /empty '''\n  '''\nWORKDIR /w\nFILE here '''\n  h\n  '''",
    ),
    "stages": Recipe(
        text="FROM BASE AS a\nSH mkdir /d; echo 1 > /d/f; ln -s f /d/l; ln /d/f /d/h; chmod 4755 /d/f\nFROM BASE AS unused\n"
        "SH false\nFROM a AS b\nENV X=y\nFROM BASE\nCOPY --from=a /d /x\nCOPY --from=b /d /y/\nCOPY --from=a /d/f /z/\n"
        "COPY --from=a --chown=7:8 /d/ /c/",
    ),
    "a stage without a name": Recipe(text="FROM BASE AS a\nSH echo 1 > /1\nFROM a\nSH echo 2 > /2\nUSER 1000:50"),
    "a target": Recipe(
        text="FROM BASE AS a\nSH echo 1 > /1\nFROM a AS b\nSH echo 2 > /2\nFROM b AS c\nSH false", target="b"
    ),
    "from scratch": Recipe(
        text='FROM BASE AS a\nFROM scratch\nENV PATH=/bin\nCOPY --from=a /bin/busybox /bin/busybox\nCMD ["/bin/busybox"]'
    ),
    "from scratch without a path": Recipe(
        text="FROM BASE AS a\nFROM scratch\nCOPY --from=a /bin/busybox /bin/busybox",
        has=("# an image from scratch gets a PATH",),
        differs={"config": "Docker gives an image from scratch a PATH"},
    ),
    "mounts": Recipe(
        text="FROM BASE AS tools\nSH mkdir /t; echo tool > /t/x\nFROM BASE\n"
        "SH --cache=/var/c --tmpfs=/tmp/t --bind=d:/mnt --bind=tools:/t:/t cat /mnt/a /t/x > /a; touch /var/c/x /tmp/t/y",
        context=D,
    ),
    "a secret": Recipe(
        text="FROM BASE\nSH --secret=token wc -c < /run/secrets/token > /length\nSH --secret=token:/tmp/s test -s /tmp/s",
        secrets={"token": "correct horse"},
        has=("RUN --mount=type=secret,id=token,target=/run/secrets/token,required=true set -eu;",),
    ),
    "tests and layers": Recipe(
        text='FROM BASE\nSH echo 1 > /1\nTEST SH test -s /1\nLAYER "one"\nSH --network=none --timeout=60s echo 2 > /2',
        has=("# not carried over, it cannot change the image: TEST SH test -s /1", "RUN --network=none"),
    ),
    "a user for one command": Recipe(
        text="FROM BASE\nUSER user\nSH --user=www-data id -un > /tmp/who\nSH id -un >> /tmp/me"
    ),
    "entry points": Recipe(
        text='FROM BASE AS a\nCMD ["x"]\nENTRYPOINT ["y"]\nFROM a\nENTRYPOINT ["z"]\nUNSET ENTRYPOINT\nCMD ["new"]'
    ),
    "a loop and a condition": Recipe(
        text="ARG KIND=full\nFROM BASE\nFOR N IN one two\n  SH echo ${N} > /$N\nEND\nIF ${KIND} == full\n  SH echo full > /full\nELSE\n  SH false\nEND"
    ),
}

UNSAID: Mapping[str, tuple[Recipe, int, str]] = {
    "annotate": (Recipe(text="FROM BASE\nANNOTATE a=b"), 2, "annotations"),
    "unset env": (Recipe(text="FROM BASE\nENV A=b\nUNSET ENV A"), 3, "take A away again"),
    "unset label": (Recipe(text="FROM BASE\nLABEL a=b\nUNSET LABEL a"), 3, "take a away again"),
    "unset volume": (Recipe(text="FROM BASE\nVOLUME /x\nUNSET VOLUME /x"), 3, "take /x away again"),
    "unset expose": (Recipe(text="FROM BASE\nEXPOSE 80\nUNSET EXPOSE 80"), 3, "take 80/tcp away again"),
    "unset user": (Recipe(text="FROM BASE\nUSER user\nUNSET USER"), 3, "cannot take it away again"),
    "unset workdir": (Recipe(text="FROM BASE\nWORKDIR /x\nUNSET WORKDIR"), 3, "cannot take it away again"),
    "a value of two lines": (Recipe(text='FROM BASE\nENV A="b\\nc"'), 2, "has several lines"),
    "another name for a local image": (Recipe(text="FROM oci:elsewhere:1", context={}), 1, "oci:elsewhere:1"),
    "a tree as a base": (Recipe(text="FROM rootfs:d", context=D), 1, "stands on an image or on scratch"),
    "exclude": (
        Recipe(text="FROM BASE\nCOPY --exclude=s d /d", context=D),
        2,
        "write the patterns into .metalorignore",
    ),
    "uneven file": (Recipe(text="FROM BASE\nCOPY f /f", context={"f": "600|F"}), 2, "write --chmod"),
    "uneven directory": (
        Recipe(text="FROM BASE\nCOPY d /d", context={"d/f": "600|F"}),
        2,
        "set them so in the context",
    ),
    "chmod of a directory": (Recipe(text="FROM BASE\nCOPY --chmod=750 d /d", context=D), 2, "means something else"),
    "symbolic mode": (Recipe(text="FROM BASE\nCOPY --chmod=u+s f /f", context=F), 2, "in octal"),
    "pattern in a stage": (Recipe(text="FROM BASE AS a\nFROM BASE\nCOPY --from=a /etc/* /x/"), 3, "write the names"),
    "blank in a path": (Recipe(text='FROM BASE\nCOPY f "/a b"', context=F), 2, "cannot be written in a Dockerfile"),
    "workdir of one command": (Recipe(text="FROM BASE\nSH --workdir=/etc pwd > /p"), 2, "write cd into the command"),
    "user of one command": (Recipe(text="FROM BASE\nSH --user=user id"), 2, "write USER above"),
    "cache of a named user": (Recipe(text="FROM BASE\nUSER user\nSH --cache=/c true"), 3, "takes only a number"),
    "argument of an array": (
        Recipe(text='ARG V=1\nFROM BASE\nRUN --arg=V ["/bin/sh", "-c", "echo $V > /v"]\nSH true'),
        3,
        "an array cannot be given a variable",
    ),
    "git": (
        Recipe(text=f"FROM BASE\nGIT --commit={'0' * 40} https://example.org/x.git /x"),
        2,
        "write git into a command",
    ),
    "an archive of the web": (
        Recipe(text=f"FROM BASE\nFETCH --unpack --sha256={'0' * 64} https://example.org/x.tar /x"),
        2,
        "unpacks nothing",
    ),
}
