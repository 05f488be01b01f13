"""Laws of the front end, on texts made to be nearly right and on texts that are not."""

import codecs

from hypothesis import given, settings
from hypothesis import strategies as st

from metalor_lang.diagnostics.codes.blocks import BLOCKS
from metalor_lang.diagnostics.codes.syntax import SYNTAX
from metalor_lang.diagnostics.render import render_human
from metalor_lang.primitives import interpolate_braced_variables, parse_exec_array, significant_lines
from metalor_lang.source import SourceFile
from metalor_lang.syntax import ast
from metalor_lang.syntax.characters import decode
from metalor_lang.syntax.formatter import format_recipe
from metalor_lang.syntax.grammar import scan
from metalor_lang.syntax.lines import slices
from metalor_lang.syntax.parser import incomplete, parse
from metalor_lang.syntax.printer import print_statement
from tests.support.texts import mixed, texts

LINES = st.sampled_from(
    [
        "ENV A=b",
        "  SH a \\\n b",
        "# about",
        "      # what follows",
        "",
        'RUN [\n"a"\n]',
        "\tFILE /x '''\n  x\n\n  '''",
        "USE a B=c",
    ]
)
BODIES = st.recursive(
    st.lists(LINES, max_size=3),
    lambda body: st.builds(
        lambda before, opener, inside, other, note: [
            *before, opener, *inside, *([*note, " ELSE", *other] if opener.startswith("IF") else note), "  END"
        ],
        body, st.sampled_from(["IF  ${A} == b", "   FOR C IN d  e"]), body, body, st.lists(LINES, max_size=1),
    ),
    max_leaves=8,
)  # fmt: skip
nested = BODIES.map(lambda lines: "FROM scratch\n" + "\n".join(lines) + "\n")


@settings(max_examples=400, deadline=None)
@given(st.one_of(texts, mixed))
def test_parse_answers_for_every_text(text: str) -> None:
    source = SourceFile("x", text)
    recipe, diagnostics = parse(source)
    codes = {code.id for code in (*SYNTAX, *BLOCKS)}
    for diagnostic in diagnostics:
        assert diagnostic.code in codes
        for span in (
            diagnostic.span,
            *(label.span for label in diagnostic.labels),
            *(e.span for e in diagnostic.edits),
        ):
            assert 0 <= span.start <= span.end <= len(text)
    last = 0
    for statement in recipe.statements:
        assert last <= statement.span.start < statement.span.end <= len(text)
        assert text.startswith(statement.word, statement.word_span.start)
        last = statement.span.end
    incomplete(text)
    assert not any(ord(char) < 32 and char != "\n" for char in render_human(diagnostics, source))


@settings(max_examples=200, deadline=None)
@given(st.one_of(texts, mixed))
def test_tokens_are_the_text(text: str) -> None:
    source = SourceFile("x", text)
    end = 0
    for cut in slices(source):
        assert end <= cut.start <= cut.end <= len(text)
        end = cut.end
        statement = text[cut.start : cut.end]
        tokens, refusal = scan(statement)
        joined = "".join(statement[token.start : token.end] for token in tokens)
        assert statement.startswith(joined)
        if refusal is None:
            assert joined == statement


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        texts,
        mixed,
        st.lists(st.sampled_from([code.right for code in (*SYNTAX, *BLOCKS)]), max_size=6).map("".join),
        nested,
    )
)
def test_formatting_keeps_the_meaning_and_settles(text: str) -> None:
    source = SourceFile("x", text)
    recipe, diagnostics = parse(source)
    formatted = SourceFile("x", format_recipe(source))
    if diagnostics:
        assert formatted.text == text
        return
    again, none = parse(formatted)
    assert none == ()
    assert again.statements == recipe.statements
    assert format_recipe(formatted) == formatted.text
    assert formatted.text.count("#") == text.count("#")


_NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True)
_LITERALS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
_LITERALS_WITH_TRAPS = st.one_of(_LITERALS, st.text("ab $${}(\\\"'#[]-=<\t\n", max_size=8))


@st.composite
def words(draw: st.DrawFn) -> ast.Word:
    """Any value at all: texts and expansions in turn."""
    from metalor_lang.source import Span

    nowhere = Span(0, 0)
    parts: list[ast.Part] = []
    for kind in draw(st.lists(st.booleans(), max_size=4)):
        if kind:
            parts.append(ast.Ref(name=draw(_NAMES), span=nowhere))
        elif (text := draw(_LITERALS_WITH_TRAPS)) and not (parts and isinstance(parts[-1], ast.Text)):
            parts.append(ast.Text(value=text, span=nowhere))
    return ast.Word(parts=tuple(parts), form=draw(st.sampled_from(ast.Form)), span=nowhere)


@settings(max_examples=400, deadline=None)
@given(words(), words(), st.lists(words(), min_size=1, max_size=3))
def test_what_is_printed_parses_to_the_same(first: ast.Word, second: ast.Word, items: list[ast.Word]) -> None:
    from metalor_lang.source import Span

    at = Span(0, 0)
    pair = ast.Pair(key="K", value=first, key_span=at, span=at)
    flag = ast.Flag(name="chown", value=second, name_span=at, span=at)
    statements: tuple[ast.Statement, ...] = (
        ast.Label(pairs=(pair,), span=at, word_span=at),
        ast.Copy(sources=(first,), destination=second, flags=(flag,), span=at, word_span=at),
        ast.Cmd(argv=ast.Array(items=tuple(items), span=at), span=at, word_span=at),
        ast.User(user=first, span=at, word_span=at),
    )
    for statement in statements:
        recipe, diagnostics = parse(SourceFile("x", print_statement(statement)))
        if statement.flags and not second.parts:
            # `--chown=` with nothing behind it is no flag; such a node comes from no recipe but one with quotes.
            continue
        assert diagnostics == ()
        assert recipe.statements == (statement,)


@given(st.binary(max_size=60))
def test_any_bytes_become_a_source(data: bytes) -> None:
    source, diagnostics = decode("x", data)
    if data[:2] in (codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE):  # said once, not for every character
        assert [diagnostic.code for diagnostic in diagnostics] == ["E0101"] and "UTF-16" in diagnostics[0].message
        return
    assert source.text.count("\ufffd") >= len(diagnostics)
    for diagnostic in diagnostics:
        assert source.slice(diagnostic.span) == "\ufffd"
    if not diagnostics:
        assert source.text.encode() == data.removeprefix(b"\xef\xbb\xbf")


@given(st.text())
def test_significant_lines_are_lines_of_the_text(text: str) -> None:
    rows = text.split("\n")
    for line in significant_lines(text):
        assert line.text in rows[line.number - 1]
        assert line.text and not line.text.startswith("#")


@given(st.text(), st.dictionaries(_NAMES, st.text()))
def test_interpolation_of_text_without_expansions_changes_nothing(text: str, variables: dict[str, str]) -> None:
    plain = text.replace("${", "$ {")
    assert interpolate_braced_variables(plain, variables, "variable") == plain
    for name, value in variables.items():
        assert interpolate_braced_variables(f"{plain}${{{name}}}", variables, "variable") == plain + value


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_arrays_come_back(members: list[str]) -> None:
    import json

    assert parse_exec_array(json.dumps(members)) == members
    assert parse_exec_array(json.dumps(members, ensure_ascii=False)) == members
