"""Keys: what a step is made of, part by part, and the digest of it.

Invariant: a key is the digest of its parts' canonical JSON; what must not matter (values of secrets, proxies,
--timeout, --fresh, names of contexts, how the recipe is written) is no part.
"""

from collections.abc import Mapping

from metalor_lang.checker.program import Platform
from metalor_lang.digest import FORMAT_VERSION, Json, json_digest, sha256
from metalor_lang.hints import assert_never
from metalor_lang.plan.graph import (
    Action,
    BindMount,
    CacheMount,
    CheckUser,
    CloneGit,
    CloseLayer,
    Configure,
    CopyFiles,
    Exec,
    FetchFile,
    Kind,
    MakeWorkdir,
    Mount,
    SecretMount,
    TmpfsMount,
    WriteFile,
)

Parts = dict[str, Json]


def key_of(parts: Mapping[str, Json]) -> str:
    """The key of named parts."""
    return json_digest(dict(parts))


def base_parts(identity: str) -> Parts:
    """What a stage's files are made from before its first step: the identity of its base, "" for scratch."""
    return {"format": FORMAT_VERSION, "kind": "base", "identity": identity}


def step_parts(
    kind: Kind,
    action: Action,
    *,
    base: str,
    arguments: Mapping[str, str],
    platform: Platform,
    epoch: int,
    contents: Mapping[str, str],
    statement: str,
    changes: Json = None,
) -> Parts:
    """The named parts of a step.

    Args:
        kind: the step's.
        action: what it does.
        base: key of the last step before it that writes files, or of the base.
        arguments: those that the step names.
        platform: the stage's.
        epoch: the stage's, in seconds.
        contents: by "copy", or the destination of a bind: digest of what a context gives, or key of a stage.
        statement: the first word, for steps that only configure.
        changes: what a configuring step sets.

    """
    parts: Parts = {
        "format": FORMAT_VERSION,
        "kind": str(kind),
        "base": base,
        "arguments": dict(arguments),
        "platform": str(platform),
        "epoch": epoch,
    }
    match action:
        case Exec():
            parts |= {
                "argv": list(action.argv),
                "pipefail": "auto" if action.default_shell else "as given",
                "environment": dict(action.environment),
                "user": action.user,
                "workdir": action.workdir,
                "network": action.network,
                "mounts": [_mount(mount, contents) for mount in action.mounts],
            }
        case CopyFiles():
            parts |= {
                "sources": [{"path": source.path, "glob": source.glob} for source in action.sources],
                "content": contents["copy"],
                "keeps": "owners" if action.stage is not None else "nothing",
                "excludes": list(action.excludes),
                "optional": action.optional,
                **_written(action),
            }
        case WriteFile():
            parts |= {"content": sha256(action.content), **_written(action)}
        case FetchFile():
            parts |= {"url": action.url, "sha256": action.sha256, "unpack": action.unpack, **_written(action)}
        case CloneGit():
            parts |= {"url": action.url, "commit": action.commit, **_written(action)}
        case MakeWorkdir():
            parts |= {"path": action.path, "user": action.user}
        case CheckUser():
            parts |= {"user": action.user}
        case CloseLayer():
            parts |= {"layer": action.name}
        case Configure():
            parts |= {"statement": statement, "changes": changes}
        case _:
            assert_never(action)
    return parts


def _written(action: CopyFiles | WriteFile | FetchFile | CloneGit) -> Parts:
    return {
        "destination": action.destination,
        "workdir": action.workdir,
        "user": action.user,
        "chown": action.chown,
        "chmod": action.chmod,
    }


def _mount(mount: Mount, contents: Mapping[str, str]) -> Json:
    match mount:
        case CacheMount():
            return {"type": "cache", "path": mount.path, "id": mount.id, "sharing": mount.sharing}
        case SecretMount():
            return {"type": "secret", "name": mount.name, "path": mount.path}
        case TmpfsMount():
            return {"type": "tmpfs", "path": mount.path}
        case BindMount():
            content = contents[mount.destination]
            return {"type": "bind", "source": mount.source, "path": mount.destination, "content": content}
        case _:
            assert_never(mount)
