"""The settings of the server, as a client gives them.

Invariant: a setting that is wrong is left out, and one sentence says why; the others count.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from metalor_lang.checker.platforms import PlatformError, parse_platform
from metalor_lang.checker.program import Platform
from metalor_lang.diagnostics.suggest import nearest
from metalor_lang.record import dataclass, field

SECTION: Final = "metalor"
"""The name under which clients keep the settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set.

    Args:
        contexts: folders of contexts by name, "" for the default one; relative ones start at the workspace folder.
        args: values of arguments, by name.
        platform: what would be built for; this machine's when None.
        store: the store's folder; the one that `metalor` uses when None.
        delay: milliseconds of silence before a changed text is checked.
        hints: whether the values of `${NAME}` are shown as hints.
        documentation: where the page of error codes is (`…/diagnostics.md`), "" for nowhere.

    """

    contexts: Mapping[str, str] = field(default_factory=dict)
    args: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    store: Path | None = None
    delay: int = 0
    hints: bool = True
    documentation: str = ""


class _Wrong(Exception):
    """A setting is not what it must be; the text says what it must be."""


def _texts(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise _Wrong('an object of strings, such as {"NAME": "value"}')
    return {str(name): text for name, text in value.items()}


def _platform(value: object) -> Platform | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _Wrong('a string such as "linux/arm64"')
    try:
        return parse_platform(value)
    except PlatformError as error:
        raise _Wrong(f"a platform such as linux/arm64: {error.args[0]}") from None


def _path(value: object) -> Path | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _Wrong("the path of a folder")
    return Path(value).expanduser().absolute()


def _delay(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10_000:
        raise _Wrong("a number of milliseconds from 0 to 10000")
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise _Wrong("true or false")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _Wrong("a string")
    return value


READERS: Final[Mapping[str, Callable[[object], object]]] = {
    "contexts": _texts,
    "args": _texts,
    "platform": _platform,
    "store": _path,
    "delay": _delay,
    "hints": _truth,
    "documentation": _text,
}
"""Every setting with what reads it."""


def read_settings(value: object) -> tuple[Settings, tuple[str, ...]]:
    """The settings in what a client sent, and a sentence for each that is wrong.

    Args:
        value: an object with the settings, or one that has them under "metalor"; None is none.

    """
    if isinstance(value, dict) and isinstance(value.get(SECTION), dict):
        value = value[SECTION]
    if value is None:
        return Settings(), ()
    if not isinstance(value, dict):
        return Settings(), (f"the settings must be an object with any of {', '.join(READERS)}",)
    found: dict[str, object] = {}
    wrong: list[str] = []
    for name, given in value.items():
        reader = READERS.get(name)
        if reader is None:
            close = nearest(str(name), READERS)
            hint = f"did you mean `{close}`?" if close else f"there are {', '.join(READERS)}"
            wrong.append(f"there is no setting `{name}`: {hint}")
            continue
        try:
            found[name] = reader(given)
        except _Wrong as error:
            wrong.append(f"the setting `{name}` must be {error}")
    return Settings(**found), tuple(wrong)  # type: ignore[arg-type]
