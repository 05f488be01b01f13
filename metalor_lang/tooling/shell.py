"""What can stand at the end of shell text: names of the recipe, programs, paths.

Invariant: nothing is offered that the shell would read as anything but itself.
"""

import re
from collections.abc import Iterator

from metalor_lang.hints import Final
from metalor_lang.tooling import paths
from metalor_lang.tooling.items import ItemKind, Place, Surroundings, Where
from metalor_lang.tooling.paths import Candidate
from metalor_lang.tooling.scope import Scope
from metalor_lang.tooling.values import programs

_NAME: Final = re.compile(r"\$(\{?)([A-Za-z_]?[A-Za-z0-9_]*)\Z")
_WORD: Final = re.compile(r"[^\s;&|<>()'\"`$\\=]*\Z")
_COMMAND: Final = re.compile(r"(?:^|[;&|(\n]|\b(?:then|do|else|if|while|until|exec|sudo|env)\s)\s*\Z")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./+:@%,-]+")


def candidates(text: str, scope: Scope, around: Surroundings) -> Iterator[Candidate]:
    """The names that continue a shell text; `cut` counts in the text."""
    name = _NAME.search(text)
    if name is not None:
        yield from _names(name, scope, around)
        return
    word = _WORD.search(text)
    assert word is not None
    found = (
        paths.candidates(around, Place(where=Where.HERE), word.group(), text)
        if "/" in word.group()
        else programs(scope, around)
        if _COMMAND.search(text[: word.start()]) and word.group()
        else ()
    )
    for each in found:
        if _PLAIN.fullmatch(each.text):
            cut = each.cut if "/" in word.group() else word.start()
            yield Candidate(text=each.text, kind=each.kind, help=each.help, cut=cut, open=True)


def _names(name: re.Match[str], scope: Scope, around: Surroundings) -> Iterator[Candidate]:
    close = "}" if name.group(1) else ""
    for key, value in scope.arguments.items():
        yield Candidate(
            text=key, kind=ItemKind.ARGUMENT, help="" if value is None else value, cut=name.start(2), suffix=close
        )
    for key, value in {**around.environment(), **scope.environment}.items():
        if key not in scope.arguments:
            help = "" if value is None else value
            yield Candidate(text=key, kind=ItemKind.VARIABLE, help=help, cut=name.start(2), suffix=close)
