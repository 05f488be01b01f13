"""Codes of what a recipe names outside itself: E039x bases, E04xx sources, contexts and secrets."""

from metalor_lang.diagnostics.codes.model import Code, code, on_scratch

SOURCES: tuple[Code, ...] = (
    code(
        "E0391",
        "A base has ONBUILD triggers",
        "They would add steps that the recipe does not show. Write those steps into the recipe, or use another base.",
    ),
    code(
        "E0392",
        "A base is for another platform",
        "The image is there, but for another platform than the one that is built for. `--platform` on the command line"
        " or on FROM says which one is meant.",
    ),
    on_scratch(
        "E0401",
        "A source is not there",
        "Every source of COPY and `--bind` must match something in its context, unless `--optional` says that it may be"
        " missing.",
        "COPY no-such-file /x",
        "COPY site /x",
    ),
    on_scratch(
        "E0402",
        "A source is ignored",
        "The source is there, but a rule of `.metalorignore` or an `--exclude` makes it invisible. The message"
        " names the rule.",
        "COPY ignored.txt /x",
        "COPY site /x",
    ),
    on_scratch(
        "E0403",
        "A source lies outside its context",
        "A recipe sees its context and nothing else of the machine. Give another folder by `--context NAME=DIR`.",
        "COPY ../x /x",
        "COPY site /x",
    ),
    on_scratch(
        "E0404",
        "A glob matches nothing",
        "`*`, `?` and `[…]` match within one component of a path.",
        "COPY *.nothing /x/",
        "COPY *.txt /x/",
    ),
    on_scratch(
        "E0405",
        "A glob needs a folder as its destination",
        "A glob may match several files, today or tomorrow. Let the destination end in `/`.",
        "COPY *.txt /x",
        "COPY *.txt /x/",
    ),
    on_scratch(
        "E0406",
        "Several sources need a folder as their destination",
        "Without `/` at its end the destination is what the one source becomes.",
        "COPY a.txt b.txt /x",
        "COPY a.txt b.txt /x/",
    ),
    on_scratch(
        "E0408",
        "A secret is not given",
        "A step that asks for a secret does not run without it: `--secret NAME=FILE` or `--secret NAME=env:VARIABLE`.",
        'RUN --secret=missing ["/bin/true"]',
        'RUN --secret=token ["/bin/true"]',
    ),
    code(
        "E0409",
        "A context cannot be used",
        "A folder cannot be read, holds what cannot be copied, or has a `.dockerignore` and no `.metalorignore`: its"
        " rules are other ones, so nothing is guessed. Rename it and look it over.",
    ),
)
