"""Slips of the hand: whatever happens to one line of a right recipe, there is one error at most."""

from collections.abc import Iterator

import pytest

from metalor_lang.checker.live import LiveRecipe
from metalor_lang.checker.presumed import EverythingIsThere
from metalor_lang.diagnostics.model import Diagnostic

RECIPE = '''ARG VERSION=1.2
ARG PORTS="80 443"
IMPORT lib.metalor AS lib
DEFINE web port host=localhost
    EXPOSE ${port}
    ENV HOST=${host}
    LABEL host=${HOST}
END
FROM scratch AS build
WORKDIR /src
ENV MODE=fast LEVEL=2
SH make ${VERSION} $MODE
RUN --cache=/var/cache ["tool", "${MODE}", "${VERSION}"]
VOLUME /data
EXPOSE 8080
USER 1000
FOR PORT IN 1 2
    FILE /etc/${PORT} """
        ${PORT} ${VERSION}
        """
    EXPOSE ${PORT}
END
FOR --split NUMBER IN ${PORTS}
    SH --arg=NUMBER echo $NUMBER
END
FROM build AS mid
IF ${VERSION} == 1.2
    ENV DEBUG=1
ELSE IF ${TARGETARCH} IN arm64 amd64
    ENV DEBUG=2
ELSE
    ENV DEBUG=3
END
LABEL debug=${DEBUG} mode=${MODE}
UNSET VOLUME /data
UNSET ENV LEVEL
USE web port=80
FROM scratch AS final
COPY --from=build /src /src
COPY --from=mid /src /srv
RUN --bind=build:/src:/src ["true", "x"]
USE web port=81 host=example
LABEL a=${HOST}
TEST RUN ["/bin/true"]
LAYER "deps"
ENTRYPOINT ["/bin/a", "-b"]
CMD ["c", "d"]
STOPSIGNAL SIGTERM
FETCH --unpinned https://example.org/x /x
GIT --unpinned=main https://example.org/x.git /y
SHELL ["/bin/bash", "-c"]
UNSET EXPOSE 81
'''


class _Files(EverythingIsThere):
    def recipe(self, path: str) -> bytes:
        return b"DEFINE a\n    EXPOSE 80\nEND\n"


def _wrong(text: str) -> tuple[Diagnostic, ...]:
    return LiveRecipe("x.metalor", text, _Files()).diagnostics()


def slips(line: str) -> Iterator[tuple[str, str]]:
    """What can happen to a line: its name, and what becomes of the line."""
    indent = line[: len(line) - len(line.lstrip())]
    first, _, rest = line.strip().partition(" ")
    yield "lower case", f"{indent}{first.lower()} {rest}".rstrip()
    yield "two letters swapped", f"{indent}{first[1]}{first[0]}{first[2:]} {rest}".rstrip()
    yield "the word alone", indent + first
    yield "the word twice", f"{indent}{first} {first} {rest}"
    yield "blanks around =", line.replace("=", " = ", 1)
    yield "a quote before the last word", f'"{line.rpartition(" ")[2]}'.join(line.rpartition(" ")[:2])
    yield "no closing brace", line.replace("}", "", 1)
    yield "one closing brace too many", line.replace("}", "}}", 1)
    yield "no braces", line.replace("${", "$", 1).replace("}", "", 1)
    yield "a comma at the end", line + ","
    yield "the last letter twice", line + line[-1]
    yield (
        "no blank before the last word",
        "".join(line.rpartition(" ")[::2]) if rest.count(" ") and first != "DEFINE" else line,
    )
    if first not in ("FOR", "FROM"):  # FORPORT is a word like FORMAT; the name of a stage says nothing of its use
        yield "no blank behind the word", f"{indent}{first}{rest}"
        yield "the last letter missing", line[:-1]


CASES = [
    (number, name, slip)
    for number, line in enumerate(RECIPE.splitlines())
    for name, slip in slips(line)
    if slip != line and not (name == "the last letter twice" and line.startswith("FROM"))
]


def test_the_recipe_is_right() -> None:
    assert _wrong(RECIPE) == ()


@pytest.mark.parametrize("name", sorted({name for _, name, _ in CASES}))
def test_a_slip_of_the_hand_gives_one_error_at_most(name: str) -> None:
    lines = RECIPE.splitlines()
    refused = 0
    for number, kind, slip in CASES:
        if kind == name:
            found = _wrong("\n".join((*lines[:number], slip, *lines[number + 1 :])) + "\n")
            said = [f"{each.code} {each.message}" for each in found]
            assert len(said) <= 1, (slip, said)
            refused += len(said)
    assert refused
