"""Copy images by skopeo, and say in a user's words what it says.

Invariant: an image copied into a layout keeps the bytes of its manifest, config and layers (save for the wrong media
types that a `docker-archive` states).

skopeo copies into its `dir:` form and not into `oci:`, which would rewrite a Docker config and lose its ONBUILD,
HEALTHCHECK and SHELL; the files are then moved into a layout.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from metalor_lang.hints import Final
from metalor_lang.kernel.process import run_tool
from metalor_lang.kernel.userns import ROOTLESS_UID
from metalor_lang.oci.errors import FetchFailed
from metalor_lang.oci.layout import Layout
from metalor_lang.oci.spec import LAYERS, OCI_LAYERS, Compression, Descriptor, Manifest
from metalor_lang.record import replace

_PROBLEMS: Final[Sequence[tuple[str, str, str]]] = (
    (
        r"manifest unknown|name unknown|NAME_UNKNOWN|MANIFEST_UNKNOWN",
        "the registry has no {source}",
        "check name and tag",
    ),
    (
        r"unauthorized|authentication required|access to the resource is denied|invalid username/password",
        "the registry gives {source} only to those who are logged in (or it does not exist)",
        "log in: skopeo login {domain}",
    ),
    (
        r"toomanyrequests|429 Too Many",
        "the registry refuses for now: too many requests",
        "wait, or log in: skopeo login {domain}",
    ),
    (
        r"no such host|server misbehaving|Temporary failure in name resolution",
        "the registry {domain} cannot be found",
        "check the name and the network; `metalor check` needs none",
    ),
    (
        r"connection refused|network is unreachable|i/o timeout|no route to host|connection reset|handshake timeout",
        "the registry {domain} cannot be reached",
        "check the network and the proxy variables",
    ),
    (
        r"server gave HTTP response to HTTPS client",
        "the registry {domain} speaks plain http",
        'allow it in ~/.config/containers/registries.conf: [[registry]] location="{domain}" insecure=true',
    ),
    (r"x509:|certificate", "the certificate of the registry {domain} is not trusted", "install its CA certificate"),
    (
        r"no image found in (?:manifest list|image index) for|no image found for",
        "{source} is not there for {platform}",
        "see what is there: skopeo inspect --raw docker://{location}",
    ),
    (
        r"Tag .* not found|No such (?:image|tag)",
        "the archive has no image {source}",
        "leave the name out if it has one image",
    ),
    (
        r"expected 1 item, got",
        "the archive has several images",
        "name one: docker-archive:FILE:NAME:TAG",
    ),
    (
        r"unexpected EOF|invalid tar header|loading tar component|manifest\.json.* not found",
        "{source} is no archive of docker save",
        "make one: skopeo copy … docker-archive:FILE:NAME",
    ),
    (
        r"more than one image in oci",
        "the layout has several images",
        "name one by its tag: oci:DIR:TAG",
    ),
    (
        r"no descriptor found for reference",
        "the layout has no image of that tag",
        "its tags stand in its index.json: oci:DIR:TAG",
    ),
    (
        r"open [^:]*(?:index\.json|oci-layout): no such file",
        "there is no layout",
        "write the path of a folder in which there is an index.json: oci:DIR:TAG",
    ),
    (r"no space left on device", "the disk is full while fetching {source}", "free some space: metalor cache gc"),
)


def explain(stderr: str, *, source: str, location: str, platform: str) -> FetchFailed:
    """The error in a user's words for what skopeo said."""
    said = _said(stderr)
    domain = location.split("/")[0]
    values = {"source": source, "domain": domain, "platform": platform, "location": location}
    for pattern, message, help in _PROBLEMS:
        if re.search(pattern, stderr):
            text = f"cannot fetch {source}: {message.format_map(values)}"
            return FetchFailed(f"{text} (skopeo: {said})", help=help.format_map(values))
    return FetchFailed(f"cannot fetch {source}: {said or 'skopeo failed and said nothing'}")


def _said(stderr: str) -> str:
    """The message of skopeo's last log line."""
    lines = [line for line in stderr.strip().splitlines() if line.strip()]
    if not lines:
        return ""
    match = re.search(r'msg="((?:[^"\\]|\\.)*)"', lines[-1])
    text = match.group(1).replace('\\"', '"') if match else lines[-1]
    return text if len(text) <= 400 else text[:400] + "…"


def skopeo_copy(source: str, destination: str, *flags: str, every_platform: bool = False) -> None:
    """Copy one image (or an index with every image of it) by skopeo, quietly; raises ToolMissing, ToolFailed."""
    whole = ["--all", "--preserve-digests"] if every_platform else []
    command = ["skopeo", *_settings(), *flags, "copy", "--quiet", *whole, source, destination]
    run_tool(command, env=environment(os.environ))


def skopeo_inspect(source: str, *flags: str) -> bytes:
    """The bytes of a manifest or index as the registry has them, with `--config` of its config; raises as above."""
    command = ["skopeo", *_settings(), "inspect", "--raw", *flags, source]
    return run_tool(command, env=environment(os.environ)).stdout


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """The environment that skopeo is run with.

    In the namespace of an ordinary user it would look for the superuser's passwords, whose folder the user may not
    enter, and give up. See containers-auth.json(5) for the places that it looks in.
    """
    uid = ours.get(ROOTLESS_UID)
    if uid is None or "REGISTRY_AUTH_FILE" in ours or "XDG_RUNTIME_DIR" in ours:
        return dict(ours)
    home = ours.get("HOME", "/")
    own = os.path.join(ours.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "containers/auth.json")
    places = (f"/run/containers/{uid}/auth.json", own, os.path.join(home, ".docker/config.json"))
    return {**ours, "REGISTRY_AUTH_FILE": next(filter(_readable, places), own)}


def _readable(path: str) -> bool:
    return os.access(path, os.R_OK)


def _settings() -> list[str]:
    # Only root has a default policy file on most machines; the digests are checked by us in any case.
    policy = [] if _has_policy() else ["--insecure-policy"]
    # podman and buildah know this variable, skopeo 1.9 (Debian 12) does not.
    registries = os.environ.get("CONTAINERS_REGISTRIES_CONF")
    return [*policy, f"--registries-conf={registries}"] if registries else policy


def _has_policy() -> bool:
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.path.exists(os.path.join(home, "containers/policy.json")) or os.path.exists("/etc/containers/policy.json")


def adopt(work: Path, into: Layout, *, exact: bool) -> Descriptor:
    """Move the files of skopeo's `dir:` form into a layout; the manifest keeps its bytes where `exact`.

    A `docker-archive` says gzip of layers that are plain tars: their media types are set right from their bytes.
    """
    data = (work / "manifest.json").read_bytes()
    manifest = Manifest.from_json(data, "the fetched manifest")
    for blob in (manifest.config, *manifest.layers):
        name = blob.digest.removeprefix("sha256:")
        if (work / name).exists():  # a layer may be listed twice
            (work / name).rename(into.blob_path(blob.digest))
    if not exact:
        layers = tuple(_sniffed(into, layer) for layer in manifest.layers)
        manifest = replace(manifest, layers=layers)
        data = manifest.to_json()
    return into.put_blob(data, manifest.media_type)


_MAGIC: Final = ((b"\x1f\x8b", Compression.GZIP), (b"\x28\xb5\x2f\xfd", Compression.ZSTD))


def _sniffed(layout: Layout, layer: Descriptor) -> Descriptor:
    with layout.blob_path(layer.digest).open("rb") as file:
        head = file.read(4)
    packed = next((kind for magic, kind in _MAGIC if head.startswith(magic)), Compression.NONE)
    return layer if LAYERS[layer.media_type] is packed else replace(layer, media_type=OCI_LAYERS[packed])
