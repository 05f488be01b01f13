"""What people type who come from other image builders, and what is written here instead.

Invariant: data only. Whatever stands in backticks and begins with `metalor` is a right command line, and what begins
with a statement word is a right statement (`tests/unit/cli/test_faults.py`).
"""

from collections.abc import Mapping

from metalor_lang.hints import Final

Habits = Mapping[tuple[str, ...], str]

COMMANDS: Final[Habits] = {
    ("images", "image", "ls", "list", "ps"): "what was built is listed by `metalor cache ls`; nothing keeps running",
    ("rm", "rmi", "prune", "clean", "system", "purge"): "make room on the disk: `metalor cache gc --keep 5G`",
    ("push", "tag"): "write the image to a registry: `metalor export app docker://registry.example.org/app:1.0`",
    ("save",): "write the image into a file: `metalor export app docker-archive:app.tar:app:1.0`",
    ("pull", "fetch", "update"): "`metalor build app.metalor` fetches what it needs; `metalor lock app.metalor"
    " --update` writes down what a name stands for today",
    ("exec", "start"): "run another command in the image: `metalor run app -- ls /`",
    ("buildx", "bake", "make", "compile"): "write `metalor build app.metalor`",
    ("inspect",): "write the image, `metalor export app oci:out:app`, and ask skopeo: skopeo inspect oci:out:app",
    ("history", "steps", "layers"): "see the steps: `metalor plan app.metalor`",
    ("login", "logout"): "registries are asked through skopeo: skopeo login registry.example.org",
    ("version", "-v", "-V"): "write `metalor --version`",
    ("info",): "see what this machine can do: `metalor doctor`",
    ("lint", "validate", "test"): "check without running: `metalor check app.metalor`; TEST statements run in a build",
    ("format",): "write `metalor fmt app.metalor`",
    ("debug", "bash", "sh"): "look around in what was built: `metalor shell app`; step by step: `metalor repl`",
    ("diff",): "see what would run again, and why: `metalor why app.metalor`",
    ("logs", "log"): "whole logs are kept for each step; a build that fails says where",
}
"""First words that are no subcommand here."""

_BUILD: Final[Habits] = {
    ("-t", "--tag"): "the output has the tag: `metalor build app.metalor -o oci:out:1.0`",
    ("-f", "--file", "."): "the recipe is a word of its own, and files come from its folder or from --context:"
    " `metalor build app.metalor --context .`",
    ("--build-arg",): "write `metalor build app.metalor --arg NAME=VALUE`",
    ("--build-context",): "write `metalor build app.metalor --context NAME=DIR`",
    ("--push",): "write `metalor build app.metalor -o docker://registry.example.org/app:1.0`",
    ("--load",): "write `metalor build app.metalor -o docker-archive:app.tar:app:1.0`, then: docker load -i app.tar",
    ("--pull",): "what names stand for today is written down by `metalor lock app.metalor --update`",
    ("--cache-from", "--cache-to"): "a cache goes from machine to machine by `metalor cache export /root/.cache c.tar`",
    ("--no-cache-filter",): "say on the step how old its result may be: `SH --fresh=24h apt-get update`",
    ("--squash", "--layers"): 'a stage is one layer unless its recipe says `LAYER "name"`: leave the option out',
    ("--label",): "write it into the recipe: `LABEL key=value`",
    ("--annotation",): "write it into the recipe: `ANNOTATE key=value`",
    ("-e", "--env"): "write it into the recipe: `ENV NAME=value`",
    ("--ssh",): "a key is a secret of the step that needs it, `SH --secret=key make`, and of the build:"
    " `metalor build app.metalor --secret key=FILE`",
    ("--network",): "say it on the step: `SH --network=none make`",
    ("-v", "--volume", "--mount"): "say it on the step: `SH --bind=src:/src make`",
    ("--add-host",): "show the step a file of hosts: `SH --bind=hosts:/etc/hosts make`",
    ("-m", "--memory-swap"): "write `metalor build app.metalor --memory 2G`",
    ("--rm", "--force-rm"): "a build leaves nothing behind: leave the option out",
    ("-q", "--quiet"): "send the progress away: `metalor build app.metalor` > /dev/null",
    ("--iidfile", "--metadata-file"): "the last of the JSON lines has the digests:"
    " `metalor build app.metalor --progress json`",
    ("--check", "--dry-run"): "write `metalor check app.metalor`, or for the steps `metalor plan app.metalor`",
    ("--debug", "--invoke"): "look at a step that fails: `metalor build app.metalor --on-failure=repl`",
}
_RUN: Final[Habits] = {
    (
        "-i",
        "-t",
        "-it",
        "-ti",
        "--interactive",
        "--tty",
    ): "a command on a terminal has a terminal: leave the option out, or open a shell with `metalor shell app`",
    ("--rm",): "what the command writes is thrown away: leave the option out",
    ("-d", "--detach"): "the command runs in front, and nothing is left when it ends: leave the option out",
    ("-p", "--publish", "--expose"): "the command has the network of this machine: leave the option out",
    ("-e", "--env"): "put it before the command: `metalor run app -- env NAME=value ls`",
    ("-w", "--workdir", "-u", "--user", "--entrypoint"): "the command behind -- is the whole command:"
    " `metalor run app -- ls /`",
    ("-v", "--volume", "--mount"): "a command sees no folder of this machine; `COPY` brings files into the image",
    ("--name",): "nothing keeps running that a name could mean: leave the option out",
    ("-m",): "write `metalor run app --memory 2G`",
}
_RECIPE: Final[Habits] = {
    ("-f", "--file", "."): "the recipe is a word of its own: `metalor check app.metalor`",
    ("--build-arg",): "write `metalor plan app.metalor --arg NAME=VALUE`",
}
OPTIONS: Final[Mapping[str, Habits]] = {
    "build": _BUILD,
    "run": _RUN,
    "shell": _RUN,
    "check": _RECIPE,
    "plan": _RECIPE,
    "why": _RECIPE,
    "lock": _RECIPE,
    "fmt": _RECIPE,
}
"""Options that a subcommand has not, and words that it has no use for."""

CHOICES: Final[Mapping[str, Habits]] = {
    "cache": {
        ("prune", "clean", "clear", "rm"): "make room on the disk: `metalor cache gc --keep 5G`",
        ("list", "info", "df", "du", "show"): "write `metalor cache ls`",
        ("check", "fsck"): "write `metalor cache verify --full`",
        ("dir", "where"): "write `metalor cache path`",
    },
}
"""Words that none of a subcommand's choices is."""


def instead(habits: Habits, word: str) -> str:
    """What is written here for a word of another builder, or nothing."""
    return next((text for words, text in habits.items() if word in words), "")
