"""What the table of statements says about a flag as written: known, with its value, not given twice.

Invariant: looks at the form alone; what a value means is the checker's.
"""

from metalor_lang.diagnostics.suggest import nearest
from metalor_lang.pattern import pattern
from metalor_lang.syntax.statements import StatementSpec

_ELSEWHERE = {
    ("COPY", "link"): "leave it out: each step is cached by itself anyway",
    ("COPY", "parents"): "copy the folder that holds it all: a tree keeps its shape",
    ("RUN", "security"): "leave it out: no step is privileged",
    ("RUN", "privileged"): "leave it out: no step is privileged",
    ("RUN", "env"): "write ENV NAME=value above it, or ARG and --arg=NAME",
}
"""Flags of other build tools, by statement, and what to do instead."""
_EVERY_MOUNT = "type=cache is --cache=PATH, secret --secret=NAME, bind --bind=SRC:DST, tmpfs --tmpfs=PATH"
_MOUNT_VALUE = pattern(r"=([^ \t\r\n\"']+)")


def _mount_help(behind: str) -> str:
    """The flag that does what a `--mount=` of other builders says."""
    found = _MOUNT_VALUE.match(behind)
    options = dict(option.partition("=")[::2] for option in found.group(1).split(",")) if found else {}
    target = options.get("target") or options.get("dst") or options.get("destination")
    source = options.get("source") or options.get("src") or "."
    match options.get("type"):
        case "cache":
            return f"write --cache={target or 'PATH'}"
        case "secret":
            return f"write --secret={options.get('id', 'NAME')}" + (f":{target}" if target else "")
        case "tmpfs":
            return f"write --tmpfs={target or 'PATH'}"
        case "bind":
            origin = f"{options['from']}:" if "from" in options else ""
            return f"write --bind={origin}{source}:{target or 'DST'}"
        case "ssh":
            return "write --secret=NAME for a key; there is no agent forwarding"
        case _:
            return _EVERY_MOUNT


def unknown_flag(spec: StatementSpec, written: str) -> tuple[str, str, str]:
    """Code, message and help for a flag (with its dashes) that the statement does not take."""
    if not spec.flags:
        return "E0240", f"{spec.word} takes no flags", f"for example: {spec.example}"
    names = [flag.name for flag in spec.flags]
    name = written[2:].lower()
    close = name if name in names else nearest(name, names)
    listed = f"{spec.word} takes " + " ".join("--" + known for known in names)
    return "E0240", f"{spec.word} has no flag {written}", f"did you mean --{close}? {listed}" if close else listed


def flag_problem(
    spec: StatementSpec, name: str, *, has_value: bool, behind: str, repeated: bool
) -> tuple[str, str, str] | None:
    """Code, message and help for a wrong flag, None for a right one.

    Args:
        spec: the statement (of TEST, the one of its step).
        name: the flag without dashes.
        has_value: whether `=value` follows.
        behind: the text behind the flag's name.
        repeated: whether the flag stood before.

    """
    known = spec.flag(name)
    if known is None:
        if (remedy := _ELSEWHERE.get((spec.word if spec.word == "COPY" else "RUN", name))) is not None:
            return "E0240", f"{spec.word} has no flag --{name}", remedy
        if name != "mount":
            return unknown_flag(spec, f"--{name}")
        return "E0229", "there is no --mount: each kind of mount has its own flag", _mount_help(behind)
    if known.takes_value and not has_value:
        word = (behind.split(maxsplit=1) or [""])[0] if behind[:1] in " \t" else ""
        # An address or a fence is what comes next, not the value that was left out.
        plain = word and word[0] not in "-[\\'\"=#" and "://" not in word
        help = f"write --{name}={word}" if plain else f"for example: {known.example}"
        return "E0242", f"the flag --{name} needs a value right behind `=`", help
    if not known.takes_value and has_value:
        return "E0243", f"the flag --{name} takes no value", f"write --{name}"
    if repeated and not known.repeats:
        return "E0241", f"the flag --{name} is given twice", "keep one of the two"
    return None
