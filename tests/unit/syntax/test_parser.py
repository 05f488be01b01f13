"""What right recipes mean: the tree, with spans."""

import pytest

from metalor_lang.source import SourceFile, Span
from metalor_lang.syntax import ast
from metalor_lang.syntax.characters import decode
from metalor_lang.syntax.parser import incomplete, parse
from metalor_lang.syntax.statements import STATEMENTS


def statements(text: str) -> tuple[ast.Statement, ...]:
    recipe, diagnostics = parse(SourceFile("test.metalor", text))
    assert diagnostics == ()
    return recipe.statements


def one(text: str) -> ast.Statement:
    (statement,) = statements(text)
    return statement


def value_of(written: str) -> ast.Word:
    statement = one(f"LABEL k={written}\n")
    assert isinstance(statement, ast.Label)
    return statement.pairs[0].value


def shown(word: ast.Word) -> str:
    """Parts as text: expansions between angle quotes."""
    return "".join(part.value if isinstance(part, ast.Text) else f"‹{part.name}›" for part in word.parts)


@pytest.mark.parametrize(
    ("written", "meaning"),
    [
        ("", ""),
        ('""', ""),
        ("''", ""),
        ("plain", "plain"),
        ("a=b=c", "a=b=c"),
        ("#fff", "#fff"),
        ("u#frag", "u#frag"),
        ("--x", "--x"),
        ("[x]", "[x]"),
        ("${A}", "‹A›"),
        ("a${A}b${B}c", "a‹A›b‹B›c"),
        ("${A}${B}", "‹A›‹B›"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("$$$${A}", "$$${A}"),
        ("cost$", "cost$"),
        ("a$5", "a$5"),
        ("$", "$"),
        ("$$", "$$"),
        ("a$-b", "a$-b"),
        ("${A}$", "‹A›$"),
        ("$.${A}", "$.‹A›"),
        ('"two words"', "two words"),
        ('"a ${B} c"', "a ‹B› c"),
        ('"\\n\\t\\"\\\\\\/"', '\n\t"\\/'),
        ('"\\u00e9ü"', "éü"),
        ('"\\ud83d\\ude00"', "😀"),
        ('"$${A} ${A}"', "${A} ‹A›"),
        ('"\\u0024{A}"', "${A}"),
        ('"5$"', "5$"),
        ('"$\\n"', "$\n"),
        ('"# no comment"', "# no comment"),
        ('"it\'s"', "it's"),
        ("'cost: ${5} \\n \"'", 'cost: ${5} \\n "'),
        ("grüße-日本", "grüße-日本"),
        ("a]b}c{", "a]b}c{"),
    ],
)
def test_values(written: str, meaning: str) -> None:
    word = value_of(written)
    assert shown(word) == meaning
    source = f"LABEL k={written}"
    assert source[word.span.start : word.span.end] == written


@pytest.mark.parametrize(
    ("array", "items"),
    [
        ('["a"]', ["a"]),
        ('[ "a" , "b" ]', ["a", "b"]),
        ('["echo $A ${B} $${C} $(x) $"]', ["echo $A ‹B› ${C} $(x) $"]),
        ('[\n  # note\n  "a", # b\n\n  "c"\n]', ["a", "c"]),
        ('["a"\n,"b"\n]', ["a", "b"]),
        ('["]", "[", ",", "#"]', ["]", "[", ",", "#"]),
        ('["\\ud83d\\ude00", "日本", ""]', ["😀", "日本", ""]),
        ('["$$$"]', ["$$$"]),
        ('["a"] # note', ["a"]),
        ('["a",\r\n"b"]\r\n', ["a", "b"]),
    ],
)
def test_arrays(array: str, items: list[str]) -> None:
    for word in ("RUN", "CMD", "ENTRYPOINT", "SHELL"):
        statement = one(f"{word} {array}\n")
        assert isinstance(statement, ast.Run | ast.Cmd | ast.Entrypoint | ast.Shell)
        assert [shown(item) for item in statement.argv.items] == items


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("SH make", "make"),
        ("SH   make all  ", "make all"),
        ("SH echo # the shell's", "echo # the shell's"),
        ("SH a && \\\n    b", "a && b"),
        ("SH a\\\nb", "ab"),
        ("SH a \\   \n\tb", "a b"),
        ("SH a \\\n# note\n  # more\n  b", "a b"),
        ("SH \\\n  a", "a"),
        ("SH echo \\\\", "echo \\\\"),
        ("SH echo \\\\\\\n x", "echo \\\\x"),
        ("SH a\\ b", "a\\ b"),
        ("SH [ -f x ] && y", "[ -f x ] && y"),
        ('SH echo "$A" ${B:-c} $(d)', 'echo "$A" ${B:-c} $(d)'),
        ("SH -x", "-x"),
        ("SH --user=a --arg=B make", "make"),
        ("SH x; y \\\r\n  z\r\n", "x; y z"),
        ("SH ''", "''"),
        ("SH echo $((1<<A))", "echo $((1<<A))"),
        ("SH cat <<< hello", "cat <<< hello"),
        ('SH echo "see <<EOF"', 'echo "see <<EOF"'),
        ("SH '''\n    a\n      b\n\n    c\n    '''", "a\n  b\n\nc\n"),
        ("SH '''\na\n'''", "a\n"),
        ("SH '''  \n\ta\n\t'''  ", "a\n"),
        ("SH '''\r\n  a\r\n \r\n  '''\r\n", "a\n\n"),
        ("SH '''\n  a\n     \n  '''", "a\n   \n"),
        ("SH '''\n  cat <<EOF\n  # kept\n  x = ''' y\n  EOF\n  '''", "cat <<EOF\n# kept\nx = ''' y\nEOF\n"),
        ("SH --network=none '''\n  a \\\n  b\n  '''", "a \\\nb\n"),
    ],
)
def test_shell_text(written: str, text: str) -> None:
    statement = one(written)
    assert isinstance(statement, ast.Sh)
    assert statement.text.text == text
    test = one("TEST " + written)
    assert isinstance(test, ast.Test) and isinstance(test.step, ast.Sh)
    assert test.step.text.text == text


@pytest.mark.parametrize(
    ("block", "meaning", "raw"),
    [
        ("'''\n'''", "", True),
        ('"""\n"""', "", False),
        ("'''\n    #!/bin/sh\n\n    ${A}\n    '''", "#!/bin/sh\n\n${A}\n", True),
        ('"""\n  listen ${P}; $host $$ $${P}\n  """', "listen ‹P›; $host $$ ${P}\n", False),
        ('"""\n  ${A}\n    ${B}x\n  """', "‹A›\n  ‹B›x\n", False),
        ('"""\n ""  \'\'\' $\n """', "\"\"  ''' $\n", False),
        ("'''\n  \"\"\"\n  '''", '"""\n', True),
    ],
)
def test_file_blocks(block: str, meaning: str, raw: bool) -> None:
    statement = one(f"FILE /x {block}\n")
    assert isinstance(statement, ast.File)
    assert "".join(p.value if isinstance(p, ast.Text) else f"‹{p.name}›" for p in statement.block.parts) == meaning
    assert statement.block.raw is raw


def text_word(value: str) -> ast.Word:
    return ast.Word(parts=(ast.Text(value=value, span=Span(0, 0)),), span=Span(0, 0))


NOWHERE = Span(0, 0)


def flag(name: str, value: str | None = None) -> ast.Flag:
    return ast.Flag(name=name, value=None if value is None else text_word(value), name_span=NOWHERE, span=NOWHERE)


@pytest.mark.parametrize(
    ("written", "node"),
    [
        ("RECIPE 1 # first", ast.RecipeVersion(version=1, span=NOWHERE, word_span=NOWHERE)),
        (
            "ARG --public A",
            ast.Arg(name="A", flags=(flag("public"),), name_span=NOWHERE, span=NOWHERE, word_span=NOWHERE),
        ),
        ("ARG A=b", ast.Arg(name="A", default=text_word("b"), name_span=NOWHERE, span=NOWHERE, word_span=NOWHERE)),
        (
            "FROM --platform=linux/arm64 a:1 AS b-1",
            ast.From(
                base=text_word("a:1"),
                stage="b-1",
                flags=(flag("platform", "linux/arm64"),),
                span=NOWHERE,
                word_span=NOWHERE,
            ),
        ),
        ("UNSET CMD", ast.Unset(kind=ast.UnsetKind.CMD, span=NOWHERE, word_span=NOWHERE)),
        (
            "UNSET LABEL a.b/c-d",
            ast.Unset(kind=ast.UnsetKind.LABEL, name=text_word("a.b/c-d"), span=NOWHERE, word_span=NOWHERE),
        ),
        (
            'UNSET VOLUME "/a b"',
            ast.Unset(kind=ast.UnsetKind.VOLUME, name=text_word("/a b"), span=NOWHERE, word_span=NOWHERE),
        ),
        ("WORKDIR /a", ast.Workdir(path=text_word("/a"), span=NOWHERE, word_span=NOWHERE)),
        ("USER a:b", ast.User(user=text_word("a:b"), span=NOWHERE, word_span=NOWHERE)),
        (
            "EXPOSE 80 \\\n 443/tcp",
            ast.Expose(ports=(text_word("80"), text_word("443/tcp")), span=NOWHERE, word_span=NOWHERE),
        ),
        ("VOLUME /a '/b c'", ast.Volume(paths=(text_word("/a"), text_word("/b c")), span=NOWHERE, word_span=NOWHERE)),
        ("STOPSIGNAL 9", ast.StopSignal(signal=text_word("9"), span=NOWHERE, word_span=NOWHERE)),
        ("LAYER deps", ast.Layer(name=text_word("deps"), span=NOWHERE, word_span=NOWHERE)),
        (
            "COPY --from=a --exclude=x --exclude=y a b /c/",
            ast.Copy(
                sources=(text_word("a"), text_word("b")),
                destination=text_word("/c/"),
                flags=(flag("from", "a"), flag("exclude", "x"), flag("exclude", "y")),
                span=NOWHERE,
                word_span=NOWHERE,
            ),
        ),
        (
            "FETCH --unpinned https://e.org/a?b=c#d /x",
            ast.Fetch(
                url=text_word("https://e.org/a?b=c#d"),
                destination=text_word("/x"),
                flags=(flag("unpinned"),),
                span=NOWHERE,
                word_span=NOWHERE,
            ),
        ),
        (
            "GIT --commit=abc u /x",
            ast.Git(
                url=text_word("u"),
                destination=text_word("/x"),
                flags=(flag("commit", "abc"),),
                span=NOWHERE,
                word_span=NOWHERE,
            ),
        ),
    ],
)
def test_nodes(written: str, node: ast.Statement) -> None:
    assert one(written) == node


@pytest.mark.parametrize("spec", STATEMENTS, ids=lambda spec: spec.word)
def test_every_statement_has_a_right_example(spec) -> None:  # type: ignore[no-untyped-def]
    text = spec.example
    if text.endswith("'''"):
        text += "\n    x\n    '''"
    if spec.word in ("ELSE", "END"):
        assert statements(f"IF a == a\n{text}\n" + "END\n" * (spec.word == "ELSE"))[1].word == spec.word
    else:
        around = text + "\nEND" * (spec.word in ("IF", "FOR", "DEFINE"))
        assert statements(around)[0].word == spec.word
    for each in spec.flags:
        assert each.example.startswith(f"--{each.name}") and ("=" in each.example) == each.takes_value


def test_spans_are_absolute() -> None:
    text = "# c\nFROM a:1 AS b\n  COPY --chown=${U} x \"y z\" /d/ # c\nSH '''\n  a\n  '''\n"
    source = SourceFile("x", text)
    first, copy, sh = parse(source)[0].statements
    assert isinstance(first, ast.From) and isinstance(copy, ast.Copy) and isinstance(sh, ast.Sh)
    assert first.stage_span is not None and copy.flags[0].value is not None
    spans = {
        first.span: "FROM a:1 AS b",
        first.base.span: "a:1",
        first.stage_span: "b",
        copy.word_span: "COPY",
        copy.span: 'COPY --chown=${U} x "y z" /d/',
        copy.flags[0].span: "--chown=${U}",
        copy.flags[0].name_span: "--chown",
        copy.flags[0].value.refs[0].span: "${U}",
        copy.sources[1].span: '"y z"',
        copy.destination.span: "/d/",
        sh.text.span: "'''\n  a\n  '''",
        sh.span: "SH '''\n  a\n  '''",
    }
    for span, expected in spans.items():
        assert source.slice(span) == expected


def test_a_bom_is_dropped() -> None:
    source, diagnostics = decode("x", b"\xef\xbb\xbfFROM scratch")
    assert diagnostics == () and source.text == "FROM scratch"
    assert len(parse(source)[0].statements) == 1


def test_bytes_that_are_no_text_are_bounded() -> None:
    source, diagnostics = decode("x", b"\xff" * 100_000)
    assert len(diagnostics) == 20 and len(source.text) == 100_000


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("", False),
        ("FROM a:1", False),
        ("FROM a:1\n", False),
        ("FROM \\\n", True),
        ("SH a && \\", True),
        ("SH a \\\n\n", False),
        ("RUN [", True),
        ('RUN ["a",\n', True),
        ('RUN ["a"]\n', False),
        ('RUN ["a"\nUSER x\n', False),
        ("SH '''\n", True),
        ("SH '''\n  a\n", True),
        ("SH '''\n  a\n  '''\n", False),
        ('FILE /x """\n', True),
        ("# a \\\n", False),
        ("USER a # \\\n", False),
        ("SH a\nSH b \\\n", True),
        ("RUN apt-get \\\n", True),
        ("SH a\\\\\n", False),
        ("SH a \\\n # c\n", True),
    ],
)
def test_incomplete(text: str, answer: bool) -> None:
    assert incomplete(text) is answer


def test_reading_goes_on_behind_an_error() -> None:
    text = "FROM a:1\nRUN x \\\n  y\n  z\nUSER b\nCOPY a\nnonsense\nWORKDIR /c\n"
    recipe, diagnostics = parse(SourceFile("x", text))
    assert [statement.word for statement in recipe.statements] == ["FROM", "USER", "WORKDIR"]
    assert [diagnostic.code for diagnostic in diagnostics] == ["E0210", "E0239"]
