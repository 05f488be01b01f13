"""What `metalor convert` made of a Dockerfile, as a claim that can be proved.

Invariant: Buildah gets the Dockerfile that the person has, save for what it is too old to read; that is said.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from metalor_lang.build.reading import RecipeOptions
from metalor_lang.build.secrets import Secrets
from metalor_lang.convert import Converted
from metalor_lang.convert.reader import Instruction, read
from metalor_lang.hints import Final
from metalor_lang.proving.buildah import Order
from metalor_lang.proving.compare import TRACES, Kind, Trace, made_for
from metalor_lang.proving.older import CONTEXT, rewritten
from metalor_lang.proving.prove import Claim
from metalor_lang.record import dataclass, field

_OURS: Final = ".metalorignore"
_ARG: Final = re.compile(r"^ARG (?:--public )?([A-Za-z_][A-Za-z0-9_]*)", re.MULTILINE)
_RENAMED: Final = re.compile(r"_STAGE[0-9]+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What both builders are given beside the Dockerfile.

    Args:
        context: the folder that COPY reads.
        ignore: the text of the `.dockerignore` that holds, None when there is none.
        args: build arguments.
        contexts: further folders by name.
        secrets: those that steps may see.
        target: a stage, None for the last.
        platform: `os/arch[/variant]`, None for this machine's.
        bases: local images in place of registry references, as FROM names them (`oci:DIR:TAG`).

    """

    context: Path
    ignore: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, Path] = field(default_factory=dict)
    secrets: Secrets = field(default_factory=Secrets)
    target: str | None = None
    platform: str | None = None
    bases: Mapping[str, str] = field(default_factory=dict)


def claim_of(
    text: str, converted: Converted, given: Given, *, version: tuple[int, ...], scratch: Path
) -> tuple[Claim, tuple[str, ...]]:
    """The claim, and what Buildah was given in another way.

    Args:
        text: of the Dockerfile.
        converted: what became of it.
        given: what it is built with.
        version: Buildah's.
        scratch: a folder for what Buildah reads.

    Raises:
        MachineError: this Buildah is too old for something in it.

    """
    older = rewritten(text, version)
    dockerfile = scratch / "Dockerfile"
    dockerfile.write_text(older.text, encoding="utf-8")
    contexts = dict(given.contexts)
    for name, content in older.files.items():
        path = scratch / "documents" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        contexts[CONTEXT] = scratch / "documents"
    order = Order(
        dockerfile=dockerfile,
        context=given.context,
        ignore=_ignore(given, scratch),
        args=given.args,
        contexts=contexts,
        secrets={name: given.secrets.value(name) for name in sorted(given.secrets.names)},
        target=given.target,
    )
    claim = Claim(
        recipe=converted.recipe,
        order=order,
        files={name: content.encode() for name, content in converted.files},
        bases=given.bases,
        options=RecipeOptions(
            args=_arguments(text, converted, given.args),
            target=given.target,
            platform=given.platform,
            builds=True,
            secrets=given.secrets,
        ),
        traces=(*TRACES, *mount_points(text)),
    )
    return claim, older.said


def _arguments(text: str, converted: Converted, args: Mapping[str, str]) -> dict[str, str]:
    """The arguments as the recipe calls them: a name that has another meaning in each stage has several there."""
    words = (item for item in read(text).items if isinstance(item, Instruction) and item.word == "ARG")
    theirs = {word.partition("=")[0] for item in words for word in item.rest.split()}
    ours = set(_ARG.findall(converted.recipe))
    found: dict[str, str] = {}
    for name, value in args.items():
        called = {each for each in ours - theirs if _RENAMED.sub("", each) == name} | ({name} & ours)
        # What the conversion has dropped is given to nobody; a name that nobody has declared is an error of ours.
        found |= dict.fromkeys(called or ({name} - theirs), value)
    return found


def _ignore(given: Given, scratch: Path) -> Path | None:
    """The rules for Buildah, where they are not simply the context's own."""
    ours = (given.context / _OURS).exists()
    if given.ignore is None and not ours:
        return None
    path = scratch / "ignore"
    # A recipe's COPY takes its own ignore file only when it is named.
    path.write_text((given.ignore or "") + (f"\n{_OURS}\n" if ours else ""), encoding="utf-8")
    return path


def mount_points(text: str) -> tuple[Trace, Trace]:
    """What Buildah leaves of the mounts of a Dockerfile's commands."""
    targets: list[str] = []
    secrets: list[str] = []
    for item in read(text).items:
        if not isinstance(item, Instruction) or item.word != "RUN":
            continue
        for name, value in item.flags:
            if name != "mount":
                continue
            options = dict(part.partition("=")[::2] for part in (value or "").split(","))
            target = next((options[key] for key in ("target", "dst", "destination") if key in options), "")
            if options.get("type") == "secret":
                secrets.append(target or f"/run/secrets/{options.get('id', '')}")
            targets.append(target)
    reason = "mount points of RUN --mount, which Buildah leaves behind"
    files = frozenset(path.strip("/") for path in secrets)
    return made_for([*targets, *secrets], reason), Trace(paths=files, kind=Kind.FILE, reason=reason)
