"""Run an image's own command in a throw-away copy: what `metalor run` and `metalor shell` do.

Invariant: nothing that the command writes outlives it.
"""

from collections.abc import Sequence
from pathlib import Path

from metalor_lang.build.bases import Bases
from metalor_lang.build.model import Chain
from metalor_lang.build.perform import DEFAULT_PATH
from metalor_lang.build.users import resolve
from metalor_lang.checker.platforms import host_platform
from metalor_lang.checker.program import ImageBase, Platform, RootfsBase, Transport
from metalor_lang.errors import MetalorError, UsageError
from metalor_lang.hints import Final
from metalor_lang.plan.graph import ImageState, InputError
from metalor_lang.record import dataclass
from metalor_lang.runtime.cancel import Cancel
from metalor_lang.runtime.client import Runtime
from metalor_lang.runtime.limits import Limits
from metalor_lang.runtime.request import StepRequest, StepStatus, Streams
from metalor_lang.runtime.rootfs import Snapshotter
from metalor_lang.store.store import Store

PREFIXES: Final = ("oci:", "oci-archive:", "docker-archive:", "docker://", "rootfs:")
"""How a word begins that names an image and no recipe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What there is to run."""

    chain: Chain
    state: ImageState
    platform: Platform


def from_reference(
    text: str,
    store: Store,
    platform: Platform | None = None,
    unpacker: str = "own",
    owner: tuple[int, int] | None = None,
) -> Launch:
    """Fetch and unpack an image.

    Args:
        text: `oci:DIR[:TAG]`, `docker://debian:12` …; paths are relative to the current directory.
        store: keeps what is unpacked.
        platform: None for this machine's.
        unpacker: "own" or "umoci".
        owner: the ordinary user who runs it, see Session.

    Raises:
        UsageError: it is no image.
        MetalorError: it cannot be had.

    """
    base = parse_reference(text)
    bases = Bases(store, Path.cwd(), unpacker=unpacker, owner=owner)
    wanted = platform or host_platform()
    try:
        info = bases.resolve(base, wanted).info
        return Launch(chain=bases.chain(base, wanted), state=info.state, platform=info.platform or wanted)
    except InputError as error:
        raise MetalorError(error.message, help=error.help) from error


def parse_reference(text: str) -> ImageBase | RootfsBase:
    """The image that a word on the command line names; as in a recipe, the first colon of a path ends it.

    Raises:
        UsageError: it names none.

    """
    prefix, _, rest = text.partition(":")
    if text.startswith("docker://"):
        return ImageBase(transport=Transport.REGISTRY, location=rest.removeprefix("//"))
    if prefix not in ("rootfs", "oci", "oci-archive", "docker-archive"):
        raise UsageError(f"{text} is no image", help=f"name a recipe, or an image as one of {', '.join(PREFIXES)}")
    path, _, tag = (rest, "", "") if prefix == "rootfs" else rest.partition(":")
    if not path:
        raise UsageError(f"{text}: the path is missing", help=f"write {prefix}:PATH")
    return (
        RootfsBase(path=path) if prefix == "rootfs" else ImageBase(transport=Transport(prefix), location=path, tag=tag)
    )


def command_of(state: ImageState, given: Sequence[str]) -> tuple[str, ...]:
    """ENTRYPOINT, then the given words or else CMD.

    Raises:
        UsageError: there is nothing to run.

    """
    argv = (*(state.entrypoint or ()), *(given or state.cmd or ()))
    if not argv:
        raise UsageError("the image has neither ENTRYPOINT nor CMD", help="say what to run: metalor run … -- /bin/ls /")
    return argv


def launch(
    what: Launch,
    argv: Sequence[str],
    *,
    runtime: Runtime,
    snapshotter: Snapshotter,
    network: str,
    streams: Streams,
    cancel: Cancel,
    environment: Sequence[tuple[str, str]] = (),
    limits: Limits = Limits(),  # noqa: B008 - immutable
) -> StepStatus:
    """Run a command to its end in a throw-away copy of an image.

    Args:
        what: the image.
        argv: the command.
        runtime: runs it.
        snapshotter: makes the copy.
        network: "host" or "none".
        streams: what its standard streams lead to.
        cancel: ends it.
        environment: more variables; the image's own win.
        limits: what the command may use.

    Raises:
        MetalorError: the image's USER does not exist; the machine refused.

    """
    state = what.state
    with snapshotter.draft(what.chain) as draft:
        identity = resolve(draft.root, state.user)
        if draft.root.stat(state.workdir, follow=True) is None:
            draft.root.makedirs(state.workdir, 0o755, (identity.uid, identity.gid))
        env = {"PATH": DEFAULT_PATH, "HOME": identity.home, **dict(environment), **dict(state.env)}
        request = StepRequest(
            guest=what.platform.arch,
            argv=tuple(argv),
            env=tuple(sorted(env.items())),
            cwd=state.workdir,
            uid=identity.uid,
            gid=identity.gid,
            groups=identity.groups,
            network=network,
            limits=limits,
        )
        return runtime.run(
            draft.for_step(),
            request,
            streams,
            cancel,
        )
