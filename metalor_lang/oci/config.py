"""The config of an image: how its program is run, how its root is made up, and its history.

Invariant: from_json(to_json(x)) == x; fields that are not ours (a base's Healthcheck, Shell, …) are carried on.
"""

from collections.abc import Mapping

from metalor_lang.digest import Json, canonical_json, valid_digest
from metalor_lang.hints import Self
from metalor_lang.oci.document import Fields, parse
from metalor_lang.oci.media import Platform
from metalor_lang.oci.moments import seconds_of
from metalor_lang.record import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """What made a layer, or (`empty_layer`) only changed the config."""

    created: str = ""
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False
    extra: Mapping[str, Json] = field(default_factory=dict, hash=False)

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Read from a config's object."""
        texts = {name: fields.text(name, "") for name in ("created", "created_by", "author", "comment")}
        empty = fields.boolean("empty_layer")
        return cls(**texts, empty_layer=empty, extra=fields.rest())

    def json(self) -> dict[str, Json]:
        """The JSON object; empty fields are left out."""
        value: dict[str, Json] = dict(self.extra)
        for name in ("created", "created_by", "author", "comment"):
            if text := getattr(self, name):
                value[name] = text
        if self.empty_layer:
            value["empty_layer"] = True
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFields:
    """How a container of the image is run: the `config` object. Pairs keep their order where it has a meaning (env).

    Args:
        exposed: ports as `80/tcp`.
        extra: fields of a base that are carried on untouched.

    """

    env: tuple[tuple[str, str], ...] = ()
    user: str = ""
    workdir: str = ""
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    labels: tuple[tuple[str, str], ...] = ()
    exposed: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    onbuild: tuple[str, ...] = ()
    extra: Mapping[str, Json] = field(default_factory=dict, hash=False)

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Read from a config's object."""
        env: dict[str, str] = {}
        for number, item in enumerate(fields.strings("Env") or ()):
            name, equals, value = item.partition("=")
            if not equals or not name:
                fields.refuse(f"Env[{number}]", f"must be NAME=value, not {item[:100]!r}")
            env[name] = value
        return cls(
            env=tuple(env.items()),
            user=fields.text("User", ""),
            workdir=fields.text("WorkingDir", ""),
            entrypoint=fields.strings("Entrypoint") or None,
            cmd=fields.strings("Cmd") or None,
            labels=fields.pairs("Labels"),
            exposed=fields.keys("ExposedPorts"),
            volumes=fields.keys("Volumes"),
            stop_signal=fields.text("StopSignal", ""),
            onbuild=fields.strings("OnBuild") or (),
            extra=fields.rest(),
        )

    def json(self) -> dict[str, Json]:
        """The JSON object; empty fields are left out."""
        fields: dict[str, Json] = {
            "Env": [f"{name}={value}" for name, value in self.env],
            "User": self.user,
            "WorkingDir": self.workdir,
            "Entrypoint": list(self.entrypoint or ()),
            "Cmd": list(self.cmd or ()),
            "Labels": dict(self.labels),
            "ExposedPorts": {port: {} for port in self.exposed},
            "Volumes": {path: {} for path in self.volumes},
            "StopSignal": self.stop_signal,
            "OnBuild": list(self.onbuild),
        }
        return {**self.extra, **{name: value for name, value in fields.items() if value}}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """The image's config document.

    Args:
        created: RFC 3339 as written, or "".
        diff_ids: digests of the plain tars of the layers, base first.

    """

    platform: Platform
    config: ConfigFields = ConfigFields()
    diff_ids: tuple[str, ...] = ()
    history: tuple[HistoryEntry, ...] = ()
    created: str = ""
    author: str = ""
    extra: Mapping[str, Json] = field(default_factory=dict, hash=False)

    @classmethod
    def from_json(cls, data: bytes, what: str = "the image config") -> Self:
        """Read and check a config; raises BadDocument."""
        fields = parse(data, what)
        platform = Platform(
            os=fields.text("os"), architecture=fields.text("architecture"), variant=fields.text("variant", "")
        )
        rootfs = fields.fields("rootfs")
        if rootfs is None:
            fields.refuse("rootfs", "is missing")
        kind = rootfs.text("type", "layers")
        if kind != "layers":
            rootfs.refuse("type", f"must be layers, not {kind[:100]!r}")
        diff_ids = rootfs.strings("diff_ids") or ()
        for number, diff_id in enumerate(diff_ids):
            if not valid_digest(diff_id):
                rootfs.refuse(
                    f"diff_ids[{number}]", f"must be sha256: and 64 lower-case hex digits, not {diff_id[:100]!r}"
                )
        created = fields.text("created", "")
        if created and seconds_of(created) is None:
            fields.refuse("created", f"must be a time as 2025-01-01T00:00:00Z, not {created[:100]!r}")
        inner = fields.fields("config")
        return cls(
            platform=platform,
            config=ConfigFields() if inner is None else ConfigFields.read(inner),
            diff_ids=diff_ids,
            history=tuple(HistoryEntry.read(item) for item in fields.objects("history") or ()),
            created=created,
            author=fields.text("author", ""),
            extra=fields.rest(),
        )

    @property
    def created_seconds(self) -> int | None:
        """Creation time in whole seconds since 1970, or None."""
        return seconds_of(self.created) if self.created else None

    def to_json(self) -> bytes:
        """The canonical bytes."""
        value: dict[str, Json] = dict(self.extra)
        value |= {
            "os": self.platform.os,
            "architecture": self.platform.architecture,
            "config": self.config.json(),
            "rootfs": {"type": "layers", "diff_ids": list(self.diff_ids)},
        }
        if self.platform.variant:
            value["variant"] = self.platform.variant
        if self.history:
            value["history"] = [entry.json() for entry in self.history]
        if self.created:
            value["created"] = self.created
        if self.author:
            value["author"] = self.author
        return canonical_json(value)
