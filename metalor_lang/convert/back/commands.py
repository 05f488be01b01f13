"""RUN and SH as RUN.

Invariant: the command that runs is the recipe's: the same words, the same shell options, the same variables.
"""

from collections.abc import Mapping, Sequence
from shlex import quote

from metalor_lang.convert.back.model import Unsaid
from metalor_lang.convert.back.words import array, document
from metalor_lang.hints import Final
from metalor_lang.plan.graph import BindMount, CacheMount, Exec, Kind, SecretMount, Step, TmpfsMount

_STRICT: Final = "set -eu"
_PIPES: Final = "if (set -o pipefail) 2>/dev/null; then set -o pipefail; fi"
_ROOT: Final = ("", "root", "0", "0:0", "root:root", "root:0", "0:root")


def command(step: Step, extra: Mapping[str, str], stages: Mapping[int, str]) -> list[str]:
    """The lines of a RUN.

    Args:
        step: of kind RUN or SH.
        extra: variables that this step alone has, and that no ARG line gives it.
        stages: what each stage is called.

    Raises:
        Unsaid: a flag has no counterpart.

    """
    action = step.action
    assert isinstance(action, Exec)
    before, after = _around(step, action)
    flags = _flags(action, stages)
    if step.kind is Kind.SH and action.default_shell:
        lines = _shell(action.argv[-1], extra, flags)
    elif extra:
        raise Unsaid(f"{', '.join(sorted(extra))}: an array cannot be given a variable of its own; use SH")
    else:
        lines = [f"RUN {flags}{array(action.argv)}"]
    return [*before, *lines, *after]


def _shell(text: str, extra: Mapping[str, str], flags: str) -> list[str]:
    head = [f"export {name}={quote(value)}" for name, value in sorted(extra.items())]
    head += [_PIPES] if "|" in text else []
    single = "\n" not in text.strip("\n")
    if single and "<<" not in text and not text.rstrip().endswith("\\") and not any("\n" in each for each in head):
        line = "; ".join([_STRICT, *head, text.strip()])
        return [f"RUN {flags}{line}"]
    body = "".join(f"{each}\n" for each in (_STRICT, *head)) + text.rstrip("\n") + "\n"
    opening, rest = document(body, "")
    return [f"RUN {flags}{opening}", *rest.split("\n")]


def _around(step: Step, action: Exec) -> tuple[list[str], list[str]]:
    """What `--user` and `--workdir` become: the state is changed for the command, and changed back."""
    before, after = [], []
    if action.user != step.before.user:
        if not step.before.user:
            raise Unsaid("--user: a Dockerfile cannot go back to an image without USER; write USER above")
        before.append(f"USER {action.user}")
        after.append(f"USER {step.before.user}")
    if action.workdir != step.before.workdir:
        raise Unsaid("--workdir: WORKDIR of a Dockerfile would make the directory; write cd into the command")
    return before, after


def _flags(action: Exec, stages: Mapping[int, str]) -> str:
    out = [f"--network={action.network}"] if action.network != "host" else []
    for mount in action.mounts:
        parts: Sequence[str]
        match mount:
            case CacheMount(path=target, id=identity, sharing=sharing):
                parts = ("type=cache", f"target={target}", f"id={identity}", f"sharing={sharing}", *_owner(action))
            case SecretMount(name=name, path=target):
                parts = ("type=secret", f"id={name}", f"target={target}", "required=true", *_owner(action))
            case BindMount(stage=stage, context=context, source=source, destination=target):
                origin = context if stage is None else stages[stage]
                given = (f"from={origin}",) if origin else ()
                parts = ("type=bind", *given, f"source={source}", f"target={target}")
            case TmpfsMount(path=target):
                parts = ("type=tmpfs", f"target={target}")
        if any("," in part or '"' in part or " " in part for part in parts):
            raise Unsaid("a mount with a comma, a quote or a blank in it cannot be written in a Dockerfile")
        out.append(f"--mount={','.join(parts)}")
    return "".join(f"{each} " for each in out)


def _owner(action: Exec) -> tuple[str, ...]:
    """Whom a cache or a secret belongs to: the user who runs, whom a Dockerfile knows by number only."""
    if action.user in _ROOT:
        return ()
    user, _, group = action.user.partition(":")
    if user.isdigit() and (not group or group.isdigit()):
        return (f"uid={user}", *((f"gid={group}",) if group else ()))
    raise Unsaid(
        f"a cache or a secret belongs to the user {user}, and a Dockerfile takes only a number: write USER 1000"
    )
