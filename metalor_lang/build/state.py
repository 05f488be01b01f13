"""Between an image's config and the plan's image state, both ways.

Invariant: config_fields(image_state(c), c) means what c means; what of a base the language has no word for is kept.
"""

from metalor_lang.checker.program import Platform
from metalor_lang.oci.config import ConfigFields, ImageConfig
from metalor_lang.oci.media import Platform as OciPlatform
from metalor_lang.plan.graph import ImageState
from metalor_lang.record import replace


def image_state(config: ConfigFields) -> ImageState:
    """The state that a stage on this image begins with. Annotations belong to a manifest and are not inherited."""
    return ImageState(
        env=config.env,
        user=config.user,
        workdir=config.workdir or "/",
        entrypoint=config.entrypoint,
        cmd=config.cmd,
        labels=config.labels,
        exposed=config.exposed,
        volumes=config.volumes,
        stop_signal=config.stop_signal,
    )


def config_fields(state: ImageState, base: ConfigFields | None) -> ConfigFields:
    """The config of an image in this state, on top of its base's."""
    workdir = "" if state.workdir == "/" and not (base and base.workdir) else state.workdir
    return replace(
        base or ConfigFields(),
        env=state.env,
        user=state.user,
        workdir=workdir,
        entrypoint=state.entrypoint,
        cmd=state.cmd,
        labels=state.labels,
        exposed=state.exposed,
        volumes=state.volumes,
        stop_signal=state.stop_signal,
        onbuild=(),
    )


def plan_platform(config: ImageConfig) -> Platform:
    """The platform of an image as the plan writes it."""
    return Platform(os=config.platform.os, arch=config.platform.architecture, variant=config.platform.variant)


def oci_platform(platform: Platform) -> OciPlatform:
    """The platform as an image's documents write it."""
    return OciPlatform(os=platform.os, architecture=platform.arch, variant=platform.variant)
