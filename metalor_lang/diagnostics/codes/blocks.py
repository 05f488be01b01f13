"""Codes of blocks, groups and imports: E080x lines that match no other, E081x how their lines are written."""

from metalor_lang.diagnostics.codes.model import Code

_SCRATCH = "FROM scratch\n"


def _code(id: str, title: str, why: str, wrong: str = "", right: str = "") -> Code:
    return Code(id=id, title=title, why=why, wrong=wrong, right=right)


BLOCKS: tuple[Code, ...] = (
    _code(
        "E0801",
        "A block is never closed",
        "`IF`, `FOR` and `DEFINE` go on to their `END`, which closes the innermost block that is open. When an inner"
        " `END` is missing, the one that was meant for the outer block closes the inner one: look there, too.",
        _SCRATCH + "IF ${TARGETARCH} == arm64\n    EXPOSE 80\n",
        _SCRATCH + "IF ${TARGETARCH} == arm64\n    EXPOSE 80\nEND\n",
    ),
    _code(
        "E0802",
        "END closes nothing",
        "Each `END` closes one `IF`, `FOR` or `DEFINE` above it. Here none is open.",
        _SCRATCH + "EXPOSE 80\nEND\n",
        _SCRATCH + "EXPOSE 80\n",
    ),
    _code(
        "E0803",
        "ELSE stands in no IF",
        "`ELSE` parts an `IF`. It cannot stand outside of one, nor right in a `FOR` or `DEFINE`.",
        _SCRATCH + "FOR PORT IN 80 443\n    EXPOSE ${PORT}\nELSE\n    EXPOSE 8080\nEND\n",
        _SCRATCH + "FOR PORT IN 80 443\n    EXPOSE ${PORT}\nEND\n",
    ),
    _code(
        "E0804",
        "ELSE stands behind the last ELSE",
        "An `ELSE` without a condition takes all that is left: nothing can follow it. `ELSE IF` lines stand above it.",
        _SCRATCH + "IF ${TARGETARCH} == arm64\n    EXPOSE 80\nELSE\n    EXPOSE 81\n"
        "ELSE IF ${TARGETARCH} == amd64\n    EXPOSE 82\nEND\n",
        _SCRATCH + "IF ${TARGETARCH} == arm64\n    EXPOSE 80\n"
        "ELSE IF ${TARGETARCH} == amd64\n    EXPOSE 82\nELSE\n    EXPOSE 81\nEND\n",
    ),
    _code(
        "E0805",
        "Blocks stand in each other too deep",
        "Nobody follows that many conditions at once. Give the inner lines a name with `DEFINE` and use it.",
        _SCRATCH + "IF a == a\n" * 33 + "END\n" * 33,
        _SCRATCH + "IF a == a\n" * 32 + "END\n" * 32,
    ),
    _code(
        "E0806",
        "A statement cannot stand there",
        "An `ARG` is one for the whole recipe, so it cannot stand in a `FOR` or in a group. A group is a part of a"
        " stage, so no `FROM` stands in it. `DEFINE` stands in no other block, and `IMPORT` in none and above the first"
        " `FROM`: so what a recipe brings is seen at a glance.",
        _SCRATCH + "FOR PORT IN 80 443\n    ARG NAME=${PORT}\nEND\n",
        "ARG NAME=web\n" + _SCRATCH + "FOR PORT IN 80 443\n    EXPOSE ${PORT}\nEND\n",
    ),
    _code("E0807", "Blocks are not built yet", "This version reads them, and cannot build them."),
)
