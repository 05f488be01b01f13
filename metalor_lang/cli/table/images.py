"""Subcommands that make an image, look into one, or hand one on."""

from metalor_lang.cli.table.model import Command, Example, Operand, Option, Value
from metalor_lang.cli.table.shared import (
    ARG,
    BACKEND,
    BASE,
    BUILDING,
    COMPRESSION,
    CONTEXT,
    EPOCH,
    FORMAT,
    LANGUAGE,
    LIMITS,
    LOCKED,
    NETWORK_NOTE,
    PLATFORM,
    PLATFORMS,
    RAW,
    RECIPE,
    SECRET,
    STORE,
    TARGET,
    UNPACKER,
)
from metalor_lang.hints import Final

BUILD: Final = Command(
    name="build",
    summary="build a recipe into an image",
    about="Checks the recipe, runs the steps that are not in the cache, and writes the outputs. Without -o the"
    f" image stays in the store under the recipe's name. {NETWORK_NOTE}",
    operands=(RECIPE,),
    options=(
        Option(
            name="--output",
            short="-o",
            metavar="TYPE:DEST",
            repeat=True,
            help="oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE:NAME[:TAG], rootfs:DIR, tar:FILE or"
            " docker://REF",
        ),
        ARG,
        CONTEXT,
        TARGET,
        PLATFORMS,
        *BUILDING,
        COMPRESSION,
        Option(
            name="--test-report",
            metavar="FILE",
            value=Value.FILE,
            help="write what each TEST gave as JUnit XML, however the build ends",
        ),
        Option(
            name="--on-failure",
            metavar="HOW",
            choices=("stop", "repl"),
            default="stop",
            help="what to do when a step fails; `repl` opens a session before it (`:shell --failed` has its files)",
        ),
    ),
    examples=(
        Example(line="metalor build hello.metalor", about="build, keep the image in the store"),
        Example(line="metalor build hello.metalor -o oci:out:1.0", about="write an OCI layout with a tag"),
        Example(line="metalor build app.metalor --arg VERSION=2 --target test", about="one stage, one argument"),
        Example(line="metalor build app.metalor --on-failure=repl", about="put a failing step right, and save"),
        Example(line="metalor build app.metalor --expect-cached", about="prove that nothing has to run"),
        Example(
            line="metalor build app.metalor --test-report tests.xml", about="a report of its tests for a CI server"
        ),
        Example(
            line="metalor build app.metalor --platform linux/amd64,linux/arm64 -o oci:out:1.0",
            about="one index for two platforms",
        ),
    ),
)

PLAN: Final = Command(
    name="plan",
    summary="show the steps of a build and which are cached",
    about=f"Resolves everything, runs nothing. {NETWORK_NOTE}",
    operands=(RECIPE,),
    options=(*LANGUAGE, EPOCH, LOCKED, FORMAT, STORE),
    examples=(
        Example(line="metalor plan app.metalor", about="a tree of stages and steps"),
        Example(line="metalor plan app.metalor --format json", about="with keys and their parts"),
    ),
)

WHY: Final = Command(
    name="why",
    summary="say why steps would run again",
    about="Compares the plan with the last build of the recipe and names what changed: a file with its old and new"
    " digest, an argument with both values, a base, a statement; or what became of the result. A step that only"
    " stands behind another one names that one. Without STEP: every step that would run. Runs nothing; the exit"
    f" status is 0 whatever would run. {NETWORK_NOTE}",
    operands=(
        RECIPE,
        Operand(
            name="STEP",
            help="STAGE.NUMBER as a build shows it (build.3), NUMBER in the target, or :LINE of the recipe",
            count="?",
        ),
    ),
    options=(*LANGUAGE, EPOCH, LOCKED, UNPACKER, FORMAT, STORE),
    examples=(
        Example(line="metalor why app.metalor", about="every step that would run, each with its cause"),
        Example(line="metalor why app.metalor build.3", about="one step"),
        Example(line="metalor why app.metalor :12 --arg VERSION=2", about="the step at line 12, were VERSION 2"),
    ),
)

RUN: Final = Command(
    name="run",
    summary="run an image's command in a throw-away copy",
    about="Builds the recipe quietly, then runs ENTRYPOINT and CMD with the image's USER, WORKDIR and ENV. What"
    " the command writes is gone afterwards. The exit status is the command's.",
    operands=(
        Operand(
            name="RECIPE-or-REF",
            help="a recipe, an image (oci:DIR:TAG, docker://REF …) or the name of a built recipe",
            value=Value.RECIPE,
        ),
    ),
    options=(
        *LANGUAGE,
        *BUILDING,
        Option(name="--network", metavar="NET", choices=("host", "none"), default="host", help="network to run in"),
    ),
    examples=(
        Example(line="metalor run hello.metalor", about="build and run"),
        Example(line="metalor run oci:out:1.0 -- /bin/busybox ls /", about="another command in an image"),
    ),
    rest=True,
)

SHELL: Final = Command(
    name="shell",
    summary="open a shell in a throw-away copy of an image",
    about="As `run`, with a terminal and the image's bash, else its /bin/sh (or the command after --).",
    operands=(
        Operand(
            name="RECIPE-or-REF",
            help="a recipe, an image (oci:DIR:TAG, docker://REF …) or the name of a built recipe",
            value=Value.RECIPE,
        ),
    ),
    options=(
        *LANGUAGE,
        *BUILDING,
        Option(name="--network", metavar="NET", choices=("host", "none"), default="host", help="network to run in"),
    ),
    examples=(Example(line="metalor shell hello.metalor", about="look around in what was built"),),
    rest=True,
)

REPL: Final = Command(
    name="repl",
    summary="talk to a build: statements run as typed, and can be undone",
    about="Opens a session. A statement becomes part of the recipe when it succeeds; `:undo` brings back the files"
    " and the configuration of the step before at once; `:save` writes the recipe, which builds to the same image;"
    " `:help` lists the commands. With a recipe, its statements are carried out first. Without a terminal the"
    " statements and commands come from -c or standard input: only what they print is printed, and the first error"
    f" ends it. {NETWORK_NOTE}",
    operands=(
        Operand(name="RECIPE", help="a recipe to begin with (else an empty one)", count="?", value=Value.RECIPE),
    ),
    options=(
        Option(
            name="--command",
            short="-c",
            metavar="TEXT",
            repeat=True,
            help="statements and commands, instead of a terminal",
        ),
        Option(name="--resume", help="take up the last session that ended without being saved"),
        ARG,
        SECRET,
        CONTEXT,
        PLATFORM,
        EPOCH,
        UNPACKER,
        RAW,
        *LIMITS,
        BACKEND,
        STORE,
    ),
    examples=(
        Example(line="metalor repl", about="begin with nothing: FROM oci:base:1 …"),
        Example(line="metalor repl --resume", about="after a crash, or a `:quit` without `:save`"),
        Example(line="metalor repl app.metalor", about="carry a recipe out and go on from there"),
        Example(line="metalor repl -c ':run app.metalor' -c ':list'", about="without a terminal"),
    ),
)

JUPYTER: Final = Command(
    name="jupyter",
    summary="talk to a build in a notebook",
    about="`install` tells Jupyter of the kernel, for this user or with --prefix for one environment; front ends"
    " then start it by themselves with `kernel`. Cells hold what can be typed at `metalor repl`: statements and"
    " commands. Needs the extra metalor-lang[jupyter].",
    operands=(
        Operand(name="ACTION", help="what to do", choices=("install", "kernel")),
        Operand(name="CONNECTION", help="a front end's connection file", count="?", value=Value.FILE),
    ),
    options=(
        Option(
            name="--prefix",
            metavar="DIR",
            value=Value.DIRECTORY,
            help="root of the environment to install into (else this user's own folder)",
        ),
        ARG,
        CONTEXT,
        PLATFORM,
        EPOCH,
        UNPACKER,
        *LIMITS,
        BACKEND,
        STORE,
    ),
    examples=(
        Example(line="metalor jupyter install --prefix .venv", about="for one virtual environment"),
        Example(line="metalor jupyter install", about="for this user; then choose `metalor` in `jupyter lab`"),
    ),
)

EXPORT: Final = Command(
    name="export",
    summary="write an image that was built, or a recipe as a Dockerfile",
    about="Takes the image that `build` left in the store under a name (or a recipe's file name) to an output:"
    " the image of every platform that it was built for, or of those that --platform names. With --dockerfile it"
    " writes no image: it prints a Dockerfile for people who can build nothing else. That makes the same image, or the"
    " lines that no Dockerfile can say are refused (exit status 1); arguments have the values given here.",
    operands=(
        Operand(name="NAME", help="name of a built recipe, or its file", value=Value.RECIPE),
        Operand(name="TYPE:DEST", help="an output as for `build -o`", count="*"),
    ),
    options=(
        PLATFORMS,
        COMPRESSION,
        Option(name="--dockerfile", help="print the recipe as a Dockerfile; nothing is built"),
        Option(
            name="--output",
            short="-o",
            metavar="FILE",
            value=Value.FILE,
            help="with --dockerfile: write it here, and FILE.dockerignore where the recipe's COPY does not see all",
        ),
        Option(name="--force", help="with -o: replace files that are there"),
        ARG,
        CONTEXT,
        TARGET,
        LOCKED,
        BASE,
        STORE,
    ),
    examples=(
        Example(line="metalor export hello oci:out:1.0", about="an OCI layout"),
        Example(line="metalor export hello docker-archive:hello.tar:hello:1.0", about="for docker load"),
        Example(line="metalor export --dockerfile app.metalor -o Dockerfile", about="for people with another builder"),
    ),
)
