"""Codes of the checker: E030x to E032x names, stages, bases; E033x to E036x values; E039x bases; E04xx sources."""

from metalor_lang.diagnostics.codes.model import Code

_SCRATCH = "FROM scratch\n"


def _code(id: str, title: str, why: str, wrong: str = "", right: str = "") -> Code:
    return Code(id=id, title=title, why=why, wrong=wrong, right=right)


def _stage(id: str, title: str, why: str, wrong: str, right: str) -> Code:
    """A code whose examples are lines of a stage on scratch."""
    return _code(id, title, why, _SCRATCH + wrong + "\n", _SCRATCH + right + "\n")


_HEX = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_COMMIT = "0123456789abcdef0123456789abcdef01234567"

NAMES: tuple[Code, ...] = (
    _stage(
        "E0301",
        "A name is not defined",
        "`${NAME}` must be an ARG above it, an always-defined name, an ENV of its stage, or set by the base's"
        " environment. ARG defaults, FROM and `--platform` see only ARGs above them. Names of the base are settled when"
        " its configuration is known.",
        'RUN ["/bin/echo", "${VERSON}"]',
        'ENV VERSION=1\nRUN ["/bin/echo", "${VERSION}"]',
    ),
    _code(
        "E0302",
        "An ARG is declared twice",
        "An ARG is visible from its line to the end of the file, in every stage, so once is enough.",
        "ARG A=1\nFROM scratch\nARG A=2\n",
        "ARG A=1\nFROM scratch\n",
    ),
    _code(
        "E0303",
        "ENV takes the name of an ARG",
        "One name means one thing. `ENV NAME=${NAME}` is allowed: it ships the argument in the image.",
        "ARG MODE=fast\nFROM scratch\nENV MODE=slow\n",
        "ARG MODE=fast\nFROM scratch\nENV MODE=${MODE}\n",
    ),
    _code(
        "E0304",
        "An ARG cannot have this name",
        "`TARGETPLATFORM`, `TARGETOS`, `TARGETARCH`, `TARGETVARIANT`, `BUILDPLATFORM`, `BUILDOS`, `BUILDARCH` and"
        " `SOURCE_DATE_EPOCH` are always defined. `PATH` and `HOME` belong to each step.",
        "ARG TARGETARCH=amd64\nFROM scratch\nENV ARCH=${TARGETARCH}\n",
        "FROM scratch\nENV ARCH=${TARGETARCH}\n",
    ),
    _code(
        "E0305",
        "A name looks like a secret",
        "Arguments and ENV end up in keys, histories and images, where everyone can read them. Names that end in TOKEN,"
        " PASSWORD, PASSWD, SECRET, PRIVATE_KEY, API_KEY or ACCESS_KEY are refused. Give a secret to the step that"
        " needs it by `--secret`; if the value is no secret, write `ARG --public NAME`.",
        "ARG SIGNING_TOKEN=x\nFROM scratch\n",
        "ARG --public SIGNING_TOKEN=x\nFROM scratch\n",
    ),
    _code(
        "E0306",
        "An argument is given that no ARG declares",
        "`--arg NAME=value` must name an ARG of the recipe: else a misspelt name would silently change nothing. Only"
        " proxies (`http_proxy` and its like) need no ARG.",
    ),
    _code(
        "E0307",
        "An argument is not given",
        "An ARG without a default must be given: `--arg NAME=value`.",
        "ARG VERSION\nFROM scratch\n",
        "ARG VERSION=1\nFROM scratch\n",
    ),
    _code(
        "E0308",
        "SOURCE_DATE_EPOCH is not known here",
        "Each stage takes its time from its base unless `--epoch N` gives one for all. ARG defaults and FROM stand"
        " before any base is known.",
        "ARG STAMP=${SOURCE_DATE_EPOCH}\nFROM scratch\n",
        "FROM scratch\nENV STAMP=${SOURCE_DATE_EPOCH}\n",
    ),
    _code(
        "E0309",
        "--from waits for a base",
        "Which stages are needed is decided before any base is read, so `--from` must be a name, or made of ARGs.",
        "FROM scratch AS a\nFROM debian:12\nCOPY --from=${STAGE} /x /x\n",
        "ARG STAGE=a\nFROM scratch AS a\nFROM debian:12\nCOPY --from=${STAGE} /x /x\n",
    ),
    _code(
        "E0312",
        "A statement stands before the first FROM",
        "Only RECIPE and ARG may: everything else belongs to a stage, and a stage starts with FROM.",
        "ENV A=1\nFROM scratch\n",
        "FROM scratch\nENV A=1\n",
    ),
    _code(
        "E0313",
        "A recipe without FROM",
        "A recipe builds at least one stage, and a stage starts with FROM. `FROM scratch` starts with nothing.",
        "ARG A=1\n",
        "ARG A=1\nFROM scratch\n",
    ),
    _code(
        "E0314",
        "Two stages have one name",
        "A name of a stage must mean one stage.",
        "FROM scratch AS web\nFROM scratch AS web\n",
        "FROM scratch AS web\nFROM scratch AS docs\n",
    ),
    _code(
        "E0315",
        "A stage cannot have this name",
        "A name of a stage is a small letter, then small letters, digits, `_` and `-`; `scratch` is the empty base.",
        "FROM scratch AS scratch\n",
        "FROM scratch AS empty\n",
    ),
    _code(
        "E0316",
        "A stage refers to itself or to a later one",
        "A stage can build on and copy from the stages above it.",
        "FROM scratch AS web\nCOPY --from=build /out /out\nFROM scratch AS build\n",
        "FROM scratch AS build\nFROM scratch AS web\nCOPY --from=build /out /out\n",
    ),
    _code(
        "E0317",
        "A name is neither a stage nor a context",
        "`--from` and `--bind` take from an earlier stage, or from a folder given by `--context NAME=DIR`.",
        "FROM scratch AS build\nFROM scratch\nCOPY --from=biuld /out /out\n",
        "FROM scratch AS build\nFROM scratch\nCOPY --from=build /out /out\n",
    ),
    _code(
        "E0318",
        "A stage is named by a number",
        "Numbers change when a stage is added above. Name the stage and use its name.",
        "FROM scratch\nFROM scratch\nCOPY --from=0 /out /out\n",
        "FROM scratch AS build\nFROM scratch\nCOPY --from=build /out /out\n",
    ),
    _code(
        "E0319",
        "A context has the name of a stage",
        "`--from=NAME` would mean two things. Give the context another name, or rename the stage.",
    ),
    _code(
        "E0320",
        "A base has no tag and no digest",
        "`FROM debian` would mean another image every month. Say which one: a tag, or better a digest.",
        "FROM debian\n",
        "FROM debian:12\n",
    ),
    _code(
        "E0321",
        "A base cannot be read",
        "A base is an earlier stage, `scratch`, a reference of a registry with a tag or digest (lower case),"
        " `oci:DIR[:TAG]`, `oci-archive:FILE`, `docker-archive:FILE` or `rootfs:DIR-or-TAR`.",
        "FROM docker://debian:12\n",
        "FROM debian:12\n",
    ),
    _code(
        "E0322",
        "The target is no stage",
        "`--target` names a stage of the recipe. Without it the last stage is built.",
    ),
    _code(
        "E0323",
        "A stage has another platform than what it stands on",
        "The files of a stage are of one platform, and a stage on a stage goes on with them.",
        "FROM --platform=linux/amd64 scratch AS a\nFROM --platform=linux/arm64 a\n",
        "FROM --platform=linux/amd64 scratch AS a\nFROM a\n",
    ),
    _stage(
        "E0340",
        "A path is not absolute",
        "WORKDIR, VOLUME, `--workdir`, `--tmpfs` and the places of mounts are absolute, without `..`, so that they mean"
        " the same wherever they stand.",
        "WORKDIR app",
        "WORKDIR /app",
    ),
    _stage(
        "E0341",
        "A user or group cannot be read",
        "A user is a name or a number, and so is the group behind a colon.",
        "USER 1000:",
        "USER 1000:1000",
    ),
    _stage(
        "E0342",
        "A mode cannot be read",
        "`--chmod` takes three or four octal digits (directories also get x where they have r), or symbols as chmod(1)"
        " takes them, `X` among them.",
        "COPY --chmod=rwx site /site",
        "COPY --chmod=u=rwX,go=rX site /site",
    ),
    _stage(
        "E0343",
        "A duration cannot be read",
        "A duration is a number with a unit, s, m, h or d, or several of them: `90s`, `1h30m`.",
        'RUN --timeout=30 ["/bin/true"]',
        'RUN --timeout=30s ["/bin/true"]',
    ),
    _stage(
        "E0344",
        "There is no such network",
        "A step sees the host's network, or none but its own loopback.",
        'RUN --network=bridge ["/bin/true"]',
        'RUN --network=none ["/bin/true"]',
    ),
    _stage(
        "E0345",
        "A SHA-256 cannot be read",
        "It is 64 lower-case hexadecimal digits, as `sha256sum` prints them.",
        "FETCH --sha256=abc https://example.org/x /x",
        f"FETCH --sha256={_HEX} https://example.org/x /x",
    ),
    _stage(
        "E0346",
        "A commit or branch cannot be read",
        "A commit is its whole hash, 40 or 64 hexadecimal digits: a short one may mean another commit tomorrow.",
        "GIT --commit=0123abc https://example.org/x.git /x",
        f"GIT --commit={_COMMIT} https://example.org/x.git /x",
    ),
    _code(
        "E0347",
        "A platform cannot be read",
        "A platform is `linux/arch` or `linux/arch/variant`, with the names that Go and OCI use: amd64, arm64, arm/v7.",
        "FROM --platform=linux/x86_64 scratch\n",
        "FROM --platform=linux/amd64 scratch\n",
    ),
    _stage(
        "E0348",
        "An exclusion excludes nothing",
        "`--exclude` takes one rule as in `.metalorignore`, without `!`.",
        "COPY --exclude=!keep site /site",
        "COPY --exclude=drafts site /site",
    ),
    _stage(
        "E0349",
        "A cache cannot be read",
        "`--cache=PATH[,id=NAME][,sharing=locked|shared|private]`, the path absolute.",
        'RUN --cache=/c,share=locked ["/bin/true"]',
        'RUN --cache=/c,sharing=locked ["/bin/true"]',
    ),
    _stage(
        "E0350",
        "A secret cannot be read",
        "`--secret=NAME[:PATH]`: the name it is given by, and where the step finds it (`/run/secrets/NAME`).",
        'RUN --secret=:/token ["/bin/true"]',
        'RUN --secret=token:/token ["/bin/true"]',
    ),
    _stage(
        "E0351",
        "A bind cannot be read",
        "`--bind=[stage-or-context:]SRC:DST`: what is shown, and where.",
        'RUN --bind=site ["/bin/true"]',
        'RUN --bind=site:/site ["/bin/true"]',
    ),
    _stage(
        "E0352",
        "A port cannot be read",
        "A port is a number from 1 to 65535, or two with `-` between them, and `/tcp`, `/udp` or `/sctp` behind it.",
        "EXPOSE http",
        "EXPOSE 80/tcp",
    ),
    _stage(
        "E0353",
        "There is no such signal",
        "A signal is its name with SIG, or its number: `SIGTERM`, `15`, `SIGRTMIN+3`.",
        "STOPSIGNAL TERM",
        "STOPSIGNAL SIGTERM",
    ),
    _stage(
        "E0354",
        "An address cannot be fetched",
        "FETCH takes http and https, GIT also ssh and git.",
        "FETCH --unpinned example.org/x /x",
        "FETCH --unpinned https://example.org/x /x",
    ),
    _stage(
        "E0355",
        "A destination names no file",
        "FILE writes one file: its destination ends in that file's name.",
        "FILE /etc/ '''\n'''",
        "FILE /etc/motd '''\n'''",
    ),
    _stage(
        "E0356",
        "A download is not pinned",
        "FETCH says by `--sha256`, GIT by `--commit`, what must arrive. `--unpinned` is the explicit way out, and"
        " excludes the other.",
        "FETCH https://example.org/x /x",
        f"FETCH --sha256={_HEX} https://example.org/x /x",
    ),
    _stage(
        "E0357",
        "--fresh on what is pinned",
        "What a hash pins is the same at any time. `--fresh` belongs to `--unpinned`.",
        f"FETCH --fresh=1d --sha256={_HEX} https://example.org/x /x",
        "FETCH --fresh=1d --unpinned https://example.org/x /x",
    ),
    _code(
        "E0358",
        "--arg names no ARG",
        "`--arg=NAME` puts an ARG declared above into the step's environment. ENV is there already.",
        'FROM scratch\nRUN --arg=MIROR ["/bin/true"]\n',
        'ARG MIRROR=x\nFROM scratch\nRUN --arg=MIRROR ["/bin/true"]\n',
    ),
    _stage(
        "E0359",
        "Two mounts on one place",
        "Only one of them could be seen.",
        'RUN --tmpfs=/t --tmpfs=/t/ ["/bin/true"]',
        'RUN --tmpfs=/t --tmpfs=/u ["/bin/true"]',
    ),
    _stage(
        "E0360",
        "A program without a name",
        "The first member of an exec array is the program.",
        'RUN ["", "x"]',
        'RUN ["/bin/echo", "x"]',
    ),
    _stage(
        "E0361",
        "A second ENTRYPOINT or CMD",
        "Only one of each can count in a stage.",
        'CMD ["/a"]\nCMD ["/b"]',
        'CMD ["/b"]',
    ),
    _stage(
        "E0362",
        "UNSET of what is not set",
        "UNSET takes away what the base or an earlier line set.",
        "ENV COLOR=1\nUNSET ENV COLOUR",
        "ENV COLOUR=1\nUNSET ENV COLOUR",
    ),
    _stage(
        "E0363",
        "A layer without a name of its own",
        "Layers of a stage are told apart by their names.",
        'LAYER "deps"\nLAYER "deps"',
        'LAYER "deps"\nLAYER "app"',
    ),
    _stage(
        "E0364",
        "A key twice in one statement",
        "Which value counts would be a guess.",
        "LABEL a=1 a=2",
        "LABEL a=1 b=2",
    ),
    _code(
        "E0391",
        "A base has ONBUILD triggers",
        "They would add steps that the recipe does not show. Write those steps into the recipe, or use another base.",
    ),
    _code(
        "E0392",
        "A base is for another platform",
        "The image is there, but for another platform than the one that is built for. `--platform` on the command line"
        " or on FROM says which one is meant.",
    ),
    _stage(
        "E0401",
        "A source is not there",
        "Every source of COPY and `--bind` must match something in its context, unless `--optional` says that it may be"
        " missing.",
        "COPY no-such-file /x",
        "COPY site /x",
    ),
    _stage(
        "E0402",
        "A source is ignored",
        "The source is there, but a rule of `.metalorignore` or an `--exclude` makes it invisible. The message"
        " names the rule.",
        "COPY ignored.txt /x",
        "COPY site /x",
    ),
    _stage(
        "E0403",
        "A source lies outside its context",
        "A recipe sees its context and nothing else of the machine. Give another folder by `--context NAME=DIR`.",
        "COPY ../x /x",
        "COPY site /x",
    ),
    _stage(
        "E0404",
        "A glob matches nothing",
        "`*`, `?` and `[…]` match within one component of a path.",
        "COPY *.nothing /x/",
        "COPY *.txt /x/",
    ),
    _stage(
        "E0405",
        "A glob needs a folder as its destination",
        "A glob may match several files, today or tomorrow. Let the destination end in `/`.",
        "COPY *.txt /x",
        "COPY *.txt /x/",
    ),
    _stage(
        "E0406",
        "Several sources need a folder as their destination",
        "Without `/` at its end the destination is what the one source becomes.",
        "COPY a.txt b.txt /x",
        "COPY a.txt b.txt /x/",
    ),
    _stage(
        "E0408",
        "A secret is not given",
        "A step that asks for a secret does not run without it: `--secret NAME=FILE` or `--secret NAME=env:VARIABLE`.",
        'RUN --secret=missing ["/bin/true"]',
        'RUN --secret=token ["/bin/true"]',
    ),
    _code(
        "E0409",
        "A context cannot be used",
        "A folder cannot be read, holds what cannot be copied, or has a `.dockerignore` and no `.metalorignore`: its"
        " rules are other ones, so nothing is guessed. Rename it and look it over.",
    ),
)
