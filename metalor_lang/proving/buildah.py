"""Buildah as a second builder: its own storage, no network, no registry.

Invariant: everything that it writes lies in one folder, and whatever it mounts is mounted in a namespace that ends with
its process. Nothing of the machine's own Buildah is read or changed.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from metalor_lang.digest import canonical_json
from metalor_lang.errors import MachineError, MetalorError
from metalor_lang.hints import Final
from metalor_lang.kernel.process import ToolFailed, require_tool, run_tool
from metalor_lang.oci.fetch import Fetched
from metalor_lang.oci.reference import Reference
from metalor_lang.oci.spec import REF_NAME, Index
from metalor_lang.record import dataclass, field, replace

TAG: Final = "theirs"
_APART: Final = 'mount --bind "$0" /var/cache && exec "$@"'
_DRIVERS: Final[Sequence[str]] = ("overlay", "vfs")
_VERSION: Final = re.compile(rb"version (\d+)\.(\d+)(?:\.(\d+))?")


class TheirBuildFailed(MetalorError):
    """Buildah could not build the Dockerfile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What Buildah is asked to build.

    Args:
        dockerfile: its path.
        context: the folder that COPY reads.
        ignore: rules in place of the context's `.dockerignore`, None for those.
        args: build arguments.
        contexts: further folders by name.
        secrets: values by name.
        target: a stage, None for the last.

    """

    dockerfile: Path
    context: Path
    ignore: Path | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, Path] = field(default_factory=dict)
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    target: str | None = None


class Buildah:
    """A Buildah with a storage of its own.

    Args:
        home: an empty folder, which stays the caller's.

    Raises:
        MachineError: it is not installed, or works with no storage driver here.

    """

    def __init__(self, home: Path) -> None:
        require_tool("buildah")
        self._home = home
        (home / "cache").mkdir()
        # Its storage is mounted over itself, and a build's root too: in a namespace that nobody else sees. There, its
        # memory of short names in /var/cache (where only root can write) is in our folder.
        self._apart = ("unshare", "--mount", "--", "sh", "-c", _APART, str(home / "cache"))
        (home / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        # What a name without a registry means, as for Docker.
        (home / "registries.conf").write_text('unqualified-search-registries = ["docker.io"]\n')
        self._env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home),
            "TMPDIR": str(home),
            "XDG_RUNTIME_DIR": str(home),
            "CONTAINERS_REGISTRIES_CONF": str(home / "registries.conf"),
        }
        drivers = _DRIVERS
        if not _at_home():
            # It must not make another user namespace; its overlays in one leave marks of theirs in the layers.
            self._env["_CONTAINERS_USERNS_CONFIGURED"] = "done"
            drivers = _DRIVERS[-1:]
        found = _VERSION.search(self._run("buildah", "--version"))
        self.version = tuple(int(part or 0) for part in found.groups()) if found else (0, 0, 0)
        self._driver = self._choose_driver(drivers)
        self._taken: dict[str, str] = {}

    def __str__(self) -> str:
        return "Buildah " + ".".join(str(part) for part in self.version)

    def take(self, name: str, image: Fetched) -> None:
        """Put an image into the storage under the name that a Dockerfile has for it; once for each.

        Args:
            name: a registry reference.
            image: what it stands for, as metalor has resolved it.

        Raises:
            ToolFailed: skopeo could not.

        """
        reference = Reference.parse(name)
        stored = f"{reference.name}:{reference.tag or 'latest'}"
        if self._taken.get(stored) == image.digest:
            return
        same = next((other for other, digest in self._taken.items() if digest == image.digest), None)
        if same is not None:
            self._buildah("tag", same, stored)
            self._taken[stored] = image.digest
            return
        with_tag = self._home / "take"
        _alone(image, with_tag)
        storage = f"[{self._driver}@{self._home / 'root'}+{self._home / 'run'}]"
        policy = f"--policy={self._home / 'policy.json'}"
        source, place = f"oci:{with_tag}:{TAG}", f"containers-storage:{storage}{stored}"
        self._run(*self._apart, "skopeo", policy, "copy", "--quiet", source, place)
        self._taken[stored] = image.digest

    def build(self, order: Order, out: Path) -> None:
        """Build a Dockerfile into a layout, with the tag `TAG`.

        Args:
            order: what.
            out: a path where nothing is.

        Raises:
            TheirBuildFailed: with the last lines of what it said.

        """
        words = [
            "bud", "--quiet", "--isolation=chroot", "--pull-never", "--format=docker", "--layers=false",
            f"--signature-policy={self._home / 'policy.json'}", f"--file={order.dockerfile.absolute()}",
            f"--tag=oci:{out}:{TAG}",
        ]  # fmt: skip
        if order.ignore is not None:
            words.append(f"--ignorefile={order.ignore}")
        if order.target is not None:
            words.append(f"--target={order.target}")
        words += [f"--build-arg={name}={value}" for name, value in order.args.items()]
        words += [f"--build-context={name}={folder.absolute()}" for name, folder in order.contexts.items()]
        # A secret is handed over as a variable of Buildah's own environment: no file has it, and no command line.
        secrets = {f"METALOR_SECRET_{number}": value for number, value in enumerate(order.secrets.values())}
        words += [f"--secret=id={name},type=env,src={key}" for name, key in zip(order.secrets, secrets)]
        environment = {key: os.fsdecode(value) for key, value in secrets.items()}
        try:
            self._buildah(*words, str(order.context.absolute()), env=environment)
        except ToolFailed as error:
            said = error.stderr.decode("utf-8", "replace").strip().splitlines()[-8:]
            lines = "".join(f"\n  {line}" for line in said)
            raise TheirBuildFailed(
                f"{self} cannot build the Dockerfile:{lines}",
                help="a Dockerfile that Buildah cannot build cannot be proved",
            ) from error

    def _choose_driver(self, drivers: Sequence[str]) -> str:
        for driver in drivers:
            self._driver = driver
            try:
                self._buildah("info")
            except ToolFailed as error:
                last = error
                continue
            return driver
        raise MachineError(
            f"{self} has no storage that works here: {last.message}", help="try it as root, or in a virtual machine"
        ) from last

    def _buildah(self, *words: str, env: Mapping[str, str] | None = None) -> bytes:
        place = (f"--root={self._home / 'root'}", f"--runroot={self._home / 'run'}", f"--storage-driver={self._driver}")
        return self._run(*self._apart, "buildah", *place, *words, env=env)

    def _run(self, *argv: str, env: Mapping[str, str] | None = None) -> bytes:
        return run_tool(argv, env={**self._env, **(env or {})}, cwd=self._home).stdout


def _at_home() -> bool:
    """Whether our ids are the machine's own, and not those of a user namespace."""
    return Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]


def _alone(image: Fetched, target: Path) -> None:
    """A layout that shows one image of another under a tag; its blobs stay where they are."""
    for path in (target / "index.json", target / "oci-layout", target / "blobs"):
        path.unlink(missing_ok=True)
    target.mkdir(exist_ok=True)
    (target / "blobs").symlink_to(image.layout.path.absolute() / "blobs")
    (target / "oci-layout").write_bytes(canonical_json({"imageLayoutVersion": "1.0.0"}))
    shown = replace(image.selection.descriptor, annotations=((REF_NAME, TAG),))
    (target / "index.json").write_bytes(Index(manifests=(shown,)).to_json())
