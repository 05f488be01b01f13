"""The TextMate grammar in the tokeniser of Visual Studio Code: shell inside recipes, and how deep its regions go."""

import subprocess

from metalor_lang.editors import textmate
from metalor_lang.editors.model import model
from metalor_lang.tooling.roles import Role
from tests.support.documents import ROOT
from tests.support.highlighters.textmate_engine import per_character, tokens

SHELL = textmate.scope(Role.SHELL)


def scopes(text: str) -> list[str]:
    (done,) = tokens([text], textmate.text(model()))
    return per_character(text, done.lines)


def test_the_text_of_sh_is_shell() -> None:
    text = 'SH --cache=/x if test -f "$A"; then \\\n  # "no shell\n  echo hi; fi\nUSER x\n'
    found = scopes(text)

    def at(part: str) -> list[str]:
        return found[text.index(part)].split()

    for part, inner in (
        ("if", "keyword.control"),
        ('"$A"', "string.quoted.double"),
        ("$A", "variable"),
        ("echo", "entity.name.command"),
        ("fi\n", "keyword"),
    ):
        assert SHELL in at(part) and any(each.startswith(inner) and each.endswith(".shell") for each in at(part)), part
    assert at("/x if")[1:] == [textmate.scope(Role.WORD)]
    assert at('# "no')[-1] == textmate.scope(Role.COMMENT)
    assert at("USER")[-1] == textmate.scope(Role.KEYWORD)


def test_shell_goes_on_over_the_lines_of_a_block_and_ends_with_it() -> None:
    text = "SH '''\n  cat <<E\n  USER $A\nE\n  echo \"two\n  lines\" 'open\n  '''\nUSER x\nSH '''\n  echo\n  '''\n"
    found = scopes(text)
    assert any(each.startswith("string.unquoted.heredoc") for each in found[text.index("USER $A")].split())
    assert any(each.startswith("string.quoted.double") for each in found[text.index("lines")].split())
    assert any(each.startswith("string.quoted.single") for each in found[text.index("open")].split())
    fence = text.index("'''\nUSER")
    assert found[fence].split()[1:] == [textmate.scope(Role.FENCE)]
    assert found[text.index("USER x")].split()[1:] == [textmate.scope(Role.KEYWORD)]
    assert any(each.startswith("support.function") for each in found[text.index("echo\n")].split())


def test_blocks_of_files_are_no_shell() -> None:
    found = scopes("FILE /a '''\n  echo \"\n  '''\n")
    assert not any(".shell" in each for each in found)


def test_a_line_that_no_recipe_may_hold_is_not_given_to_the_shells_grammar() -> None:
    text = "SH '''\n  echo \"a\x01b\n  ok\n  '''\nUSER x\n"
    found = scopes(text)
    assert found[text.index("\x01")].split()[-1] == textmate.scope(Role.ERROR)
    assert found[text.index("b\n")].split()[-1] == SHELL
    assert found[text.index("USER")].split()[-1] == textmate.scope(Role.KEYWORD)


def test_regions_do_not_pile_up() -> None:
    """However long a block is; an array or a statement over many lines adds some for each of its lines."""
    for text, most in (
        ("SH '''\n" + "  echo a\n" * 2_000 + "'''\n", 10),
        ("FILE /a '''\n" + "  echo ${A}\n" * 2_000 + "'''\n", 10),
        ('FILE /a """\n' + "  echo $A\n" * 2_000 + '"""\n', 10),
        ('FILE /a """\n' + "  echo ${A} b\n" * 200 + '"""\n', 200 * 4 + 10),
        ("RUN [\n" + '  "a",\n' * 200 + '  "b"]\n', 200 * 4 + 10),
        ("SH a \\\n" + "  && b \\\n" * 200 + "  && c\n", 200 * 4 + 10),
        ("FROM a:1\n" * 500, 2),
    ):
        (done,) = tokens([text], textmate.text(model()))
        assert done.depth <= most, (text[:20], done.depth)


def test_the_client_is_javascript() -> None:
    subprocess.run(["node", "--check", str(ROOT / "grammar" / "editors" / "vscode" / "client.js")], check=True)
