"""A wrong word is named, with its reason and one right example; what people from other builders type is known."""

import re
import shlex

import pytest

from metalor_lang.cli import habits
from metalor_lang.cli.main import main
from metalor_lang.cli.options import parse
from metalor_lang.cli.table import BY_NAME
from metalor_lang.errors import UsageError
from metalor_lang.source import SourceFile
from metalor_lang.syntax import parser

ROWS = [
    *(("", words, text) for words, text in habits.COMMANDS.items()),
    *((name, words, text) for name, rows in habits.OPTIONS.items() for words, text in rows.items()),
    *((name, words, text) for name, rows in habits.CHOICES.items() for words, text in rows.items()),
]
QUOTED = [(words[0], shown) for _, words, text in ROWS for shown in re.findall("`([^`]*)`", text)]


@pytest.mark.parametrize(
    ("line", "message", "help"),
    [
        ("build", "needs RECIPE: the recipe file", "for example metalor build hello.metalor"),
        ("build a b", "no use for the word 'b'", "for example metalor build"),
        ("build a .", "no use for the word '.'", "--context"),
        ("build -t app .", "no option -t", "-o oci:out:1.0"),
        ("build --tag=app a", "no option --tag", "-o oci:out:1.0"),
        ("build -fa.metalor", "no option -f", "did you mean|a word of its own"),
        ("build a --build-arg A=1", "no option --build-arg", "--arg NAME=VALUE"),
        ("build a --no-cach", "no option --no-cach", "did you mean --no-cache?"),
        ("build a --zzz", "no option --zzz", "metalor build --help"),
        ("build a --no-cache=yes", "--no-cache takes no value", "write --no-cache"),
        ("build a --arg", "--arg needs a value", "write --arg NAME=VALUE"),
        ("build a --arg --no-cache", "--arg needs a value", "write --arg NAME=VALUE"),
        ("build a --jobs 0", "--jobs must be a number from 1, not '0'", "--jobs 2"),
        ("build a --progress fancy", "'fancy' is no value of --progress", "--progress plain"),
        ("run -it app", "no option -it", "metalor shell app"),
        ("run app ls", "no use for the word 'ls'", "metalor run app -- ls"),
        ("cache", "needs one of ls, gc", "metalor cache ls"),
        ("cache prune", "does not know 'prune'", "metalor cache gc"),
        ("cache verfy", "does not know 'verfy'", "did you mean verify?"),
    ],
)
def test_the_word_the_reason_and_an_example(line, message, help):
    name, *words = line.split()
    with pytest.raises(UsageError) as caught:
        parse(BY_NAME[name], words)
    assert message in caught.value.message
    assert any(each in caught.value.help for each in help.split("|"))


@pytest.mark.parametrize("word", [word for words in habits.COMMANDS for word in words])
def test_commands_of_others_are_refused_with_ours(word, capsys):
    assert word not in BY_NAME
    assert main([word]) == 2
    assert habits.instead(habits.COMMANDS, word) in capsys.readouterr().err


@pytest.mark.parametrize(("name", "words"), [(name, words) for name, words, _ in ROWS if name])
def test_a_habit_is_nothing_that_the_subcommand_has(name, words):
    known = {each for option in BY_NAME[name].options for each in (option.name, option.short)}
    known |= {choice for operand in BY_NAME[name].operands for choice in operand.choices}
    assert not known & set(words)


@pytest.mark.parametrize(("word", "shown"), QUOTED)
def test_what_is_shown_instead_is_right(word, shown):
    first, *words = shlex.split(shown)
    if first != "metalor":
        if words:
            _, wrong = parser.parse(SourceFile("r.metalor", f"FROM scratch\n{shown}\n"))
            assert not wrong, (word, shown)
        return
    if words == ["--version"]:
        return
    own, rest = (words[: words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words, None)
    parse(BY_NAME[own[0]], own[1:], rest)


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 200])
def test_help_fits_the_terminal(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    for words in ([], *([name] for name in BY_NAME)):
        assert main([*words, "--help"]) == 0
        for line in capsys.readouterr().out.splitlines():
            assert len(line) <= min(columns, 100) or line.startswith(("  metalor ", "  # ")) or "|" in line, line
