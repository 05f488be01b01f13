"""Codes of blocks, groups and imports: E080x lines that match no other, E081x how their lines are written."""

from metalor_lang.diagnostics.codes.model import Code, code

_SCRATCH = "FROM scratch\n"

BLOCKS: tuple[Code, ...] = (
    code(
        "E0801",
        "A block is never closed",
        "`IF`, `FOR` and `DEFINE` go on to their `END`, which closes the innermost block that is open. When an inner"
        " `END` is missing, the one that was meant for the outer block closes the inner one: look there, too.",
        _SCRATCH + "IF ${TARGETARCH} == arm64\n    EXPOSE 80\n",
        _SCRATCH + "IF ${TARGETARCH} == arm64\n    EXPOSE 80\nEND\n",
    ),
    code(
        "E0802",
        "END closes nothing",
        "Each `END` closes one `IF`, `FOR` or `DEFINE` above it. Here none is open.",
        _SCRATCH + "EXPOSE 80\nEND\n",
        _SCRATCH + "EXPOSE 80\n",
    ),
    code(
        "E0803",
        "ELSE stands in no IF",
        "`ELSE` parts an `IF`. It cannot stand outside of one, nor right in a `FOR` or `DEFINE`.",
        _SCRATCH + "FOR PORT IN 80 443\n    EXPOSE ${PORT}\nELSE\n    EXPOSE 8080\nEND\n",
        _SCRATCH + "FOR PORT IN 80 443\n    EXPOSE ${PORT}\nEND\n",
    ),
    code(
        "E0804",
        "ELSE stands behind the last ELSE",
        "An `ELSE` without a condition takes all that is left: nothing can follow it. `ELSE IF` lines stand above it.",
        _SCRATCH + "IF ${TARGETARCH} == arm64\n    EXPOSE 80\nELSE\n    EXPOSE 81\n"
        "ELSE IF ${TARGETARCH} == amd64\n    EXPOSE 82\nEND\n",
        _SCRATCH + "IF ${TARGETARCH} == arm64\n    EXPOSE 80\n"
        "ELSE IF ${TARGETARCH} == amd64\n    EXPOSE 82\nELSE\n    EXPOSE 81\nEND\n",
    ),
    code(
        "E0805",
        "Blocks stand in each other too deep",
        "Nobody follows that many conditions at once. Give the inner lines a name with `DEFINE` and use it.",
        _SCRATCH + "IF a == a\n" * 33 + "END\n" * 33,
        _SCRATCH + "IF a == a\n" * 32 + "END\n" * 32,
    ),
    code(
        "E0806",
        "A statement cannot stand there",
        "An `ARG` is one for the whole recipe, so it cannot stand in a `FOR` or in a group. A group is a part of a"
        " stage, so no `FROM` stands in it. `DEFINE` stands in no other block, and `IMPORT` in none and above the first"
        " `FROM`: so what a recipe brings is seen at a glance.",
        _SCRATCH + "FOR PORT IN 80 443\n    ARG NAME=${PORT}\nEND\n",
        "ARG NAME=web\n" + _SCRATCH + "FOR PORT IN 80 443\n    EXPOSE ${PORT}\nEND\n",
    ),
    code(
        "E0810",
        "A condition is not written like that",
        "`IF` compares one value with another, or with several: `==`, `!=`, `IN`, `NOT IN`, with white space around"
        " them. Texts are compared character by character; there are no numbers, no patterns and no `and`: an `IF`"
        ' inside of another says "and", `IN` says "or". `!= ""` asks whether something is there.',
        _SCRATCH + "IF ${TARGETARCH} = arm64\n    EXPOSE 80\nEND\n",
        _SCRATCH + "IF ${TARGETARCH} == arm64\n    EXPOSE 80\nEND\n",
    ),
    code(
        "E0811",
        "A FOR is not written like that",
        "`FOR NAME IN` and one or more values. A value is never split, unless `--split` says that each is a list of"
        " words with white space between them, as an argument can give it.",
        _SCRATCH + "FOR PORT in 80 443\n    EXPOSE ${PORT}\nEND\n",
        _SCRATCH + "FOR PORT IN 80 443\n    EXPOSE ${PORT}\nEND\n",
    ),
    code(
        "E0812",
        "A group is not written like that",
        "`DEFINE name PARAMETER PARAMETER=default` and `USE name PARAMETER=value`: a group's name is a small letter,"
        " then `a-z`, `0-9`, `_` and `-`; values are given by name, as `key=value`.",
        _SCRATCH + "DEFINE web port\n    EXPOSE ${port}\nEND\nUSE web 80\n",
        _SCRATCH + "DEFINE web port\n    EXPOSE ${port}\nEND\nUSE web port=80\n",
    ),
    code(
        "E0813",
        "An IMPORT is not written like that",
        "`IMPORT path AS name`: the name stands before the groups of that file, `USE name.group`, so that one sees"
        " where they come from.",
        "IMPORT common.metalor\n" + _SCRATCH,
        _SCRATCH,
    ),
    code(
        "E0814",
        "Something stands behind END or ELSE",
        "`END` closes the innermost block and stands alone. `ELSE` stands alone, or as `ELSE IF` with a condition.",
        _SCRATCH + "IF ${TARGETARCH} == arm64\n    EXPOSE 80\nEND IF\n",
        _SCRATCH + "IF ${TARGETARCH} == arm64\n    EXPOSE 80\nEND\n",
    ),
    code(
        "E0815",
        "A value holds what parts, ranges or opens something in other languages",
        "White space parts the values of `FOR`, `IN`, `USE` and `DEFINE`, and a block begins at the end of its line. A"
        " comma, a semicolon, braces, parentheses, a range such as `1..3`, a pattern with `*`, a `:` at the end of the"
        " line, `do` and `then` would stand for themselves: `a, b` would be the words `a,` and `b`. Where such a"
        ' character is meant, quote the word: `FOR VERSION IN "3.10.*" "3.11.*"`. The values are written one by one;'
        " what is longer than that comes as an argument, with `FOR --split`; white space parts its words, too.",
        _SCRATCH + "FOR PORT IN 80, 443\n    EXPOSE ${PORT}\nEND\n",
        _SCRATCH + "FOR PORT IN 80 443\n    EXPOSE ${PORT}\nEND\n",
    ),
    code(
        "E0816",
        "A name stands where its value is meant",
        "`${NAME}` is the value of a name; the name alone is a word like any other, and `'${NAME}'` in single quotes is"
        " those characters. `IF DEBUG == 1` would compare two fixed texts, and `FOR PORT IN PORTS` go over the word"
        " `PORTS`. Where the word itself is meant, quote it.",
        "ARG DEBUG=0\n" + _SCRATCH + "IF DEBUG == 1\n    EXPOSE 80\nEND\n",
        "ARG DEBUG=0\n" + _SCRATCH + "IF ${DEBUG} == 1\n    EXPOSE 80\nEND\n",
    ),
    code(
        "E0820",
        "A loop variable or parameter takes a name that is in use",
        "One name means one thing. The name of a loop variable or a parameter cannot be that of an ARG, of another one"
        " around it, or of an ENV of the stage. `ENV NAME=${NAME}` in the body is allowed: it ships the value.",
        "ARG PORT=80\n" + _SCRATCH + "FOR PORT IN 80 443\n    EXPOSE ${PORT}\nEND\n",
        _SCRATCH + "FOR PORT IN 80 443\n    EXPOSE ${PORT}\nEND\n",
    ),
    code(
        "E0821",
        "There is no such group",
        "`USE name` needs a `DEFINE name` above it, and `USE space.name` an `IMPORT file AS space` whose file has that"
        " `DEFINE`.",
        _SCRATCH + "USE web\nDEFINE web\n    EXPOSE 80\nEND\n",
        _SCRATCH + "DEFINE web\n    EXPOSE 80\nEND\nUSE web\n",
    ),
    code(
        "E0822",
        "A group uses itself",
        "A group that stands in itself, directly or by way of others, would never end. What repeats is a `FOR`.",
        _SCRATCH + "DEFINE web\n    EXPOSE 80\n    USE web\nEND\nUSE web\n",
        _SCRATCH + "DEFINE web\n    FOR PORT IN 80 443\n        EXPOSE ${PORT}\n    END\nEND\nUSE web\n",
    ),
    code(
        "E0823",
        "A group gets what it does not take, or lacks what it needs",
        "`USE` gives every parameter without a default a value, by name, once, and no others.",
        _SCRATCH + "DEFINE web port\n    EXPOSE ${port}\nEND\nUSE web prot=80\nUSE web port=81\n",
        _SCRATCH + "DEFINE web port\n    EXPOSE ${port}\nEND\nUSE web port=80\nUSE web port=81\n",
    ),
    code(
        "E0824",
        "A group or an import has the name of another",
        "Each `DEFINE` of a file has its own name, and so has each `AS` of its imports.",
        _SCRATCH + "DEFINE web\n    EXPOSE 80\nEND\nDEFINE web\n    EXPOSE 81\nEND\nUSE web\n",
        _SCRATCH + "DEFINE web\n    EXPOSE 80\nEND\nDEFINE other\n    EXPOSE 81\nEND\nUSE web\nUSE other\n",
    ),
    code(
        "E0825",
        "Groups stand in each other too deep",
        "A group may use others, and those others again, 64 deep together with the blocks around them.",
    ),
    code(
        "E0826",
        "A recipe becomes too long",
        "`FOR` and `USE` may make 100,000 lines. What goes over more values than that belongs into a program that a"
        " step runs.",
    ),
    code(
        "E0830",
        "An imported file cannot be read",
        "`IMPORT` names a recipe file by a path relative to the file that the line stands in. The path is written out:"
        " what a recipe consists of must not hang on arguments. It is not absolute, so that recipe and import move"
        " together.",
        "IMPORT /srv/common.metalor AS common\n" + _SCRATCH,
        _SCRATCH,
    ),
    code(
        "E0831",
        "A file imports itself",
        "Directly or by way of others, a file cannot bring itself. What two files need of each other belongs into a"
        " third.",
    ),
    code(
        "E0832",
        "A statement stands in an imported file outside of a group",
        "Importing a file builds nothing: it brings groups. So such a file holds `RECIPE`, `IMPORT` and `DEFINE` only."
        " A file that also is a recipe of its own cannot be imported; move its groups out into a file for both.",
    ),
)
