"""What the files for Vim and Neovim do in the real programs: type, folds, indentation, :make, the shell inside."""

import json
import os
import random
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from metalor_lang.editors.model import START, model
from metalor_lang.editors.vim import FOLDER
from metalor_lang.source import SourceFile
from metalor_lang.syntax.formatter import format_recipe
from metalor_lang.syntax.parser import parse
from tests.support.documents import ROOT
from tests.support.highlighters.editors import run
from tests.support.highlighters.texts import known
from tests.support.highlighters.walker import Walker

RECIPE = """\
# What is said before the first stage belongs to none.
ARG BASE=scratch

FROM ${BASE} AS build
SH make \\
    # why
    all
RUN [
    "a",
    "b"
]

FROM scratch
FILE --chmod=755 /x '''
    FROM nowhere
    echo
    '''
USER a
"""

PROGRAMS = {
    "Vim": ("vim", "-u", "NONE", "-i", "NONE", "-n", "-N", "-es", "-S"),
    "Neovim": ("nvim", "-u", "NONE", "-i", "NONE", "-n", "--headless", "-S"),
}
_BEFORE = """
execute 'set runtimepath^=' .. fnameescape($METALOR_FILES)
set nomodeline encoding=utf-8
let found = []
try
filetype plugin indent on
syntax on
"""
_AFTER = """
catch
  call add(found, v:exception .. ' at ' .. v:throwpoint)
endtry
call writefile([json_encode(found)], 'found')
qall!
"""


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def said(program: str, folder: Path, script: str, recipe: str = RECIPE, name: str = "app.metalor") -> Any:
    """What a script put into the list `found` while it looked at a recipe."""
    (folder / name).write_text(recipe, encoding="utf-8")
    (folder / "script.vim").write_text(f"{_BEFORE}edit {name}\n{script}{_AFTER}", encoding="utf-8")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    argv = (*PROGRAMS[program], "script.vim")
    ran = run(argv, folder, METALOR_FILES=str(ROOT / FOLDER), PATH=path, PYTHONPATH=str(ROOT))
    assert (folder / "found").is_file(), ran.stdout + ran.stderr
    return json.loads((folder / "found").read_text(encoding="utf-8"))


def test_a_file_name_sets_the_type_and_leaving_it_undoes_what_it_set(program: str, tmp_path: Path) -> None:
    script = """
let found += [[&filetype, b:current_syntax, &l:commentstring, &l:makeprg, &l:foldmethod, &l:indentexpr, &l:shiftwidth]]
set filetype=
let found += [[&l:makeprg, &l:foldmethod, &l:indentexpr, exists('b:current_compiler')]]
"""
    set, left = said(program, tmp_path, script)
    make = "metalor check --format short %:S"
    assert set == ["metalor", "metalor", "# %s", make, "expr", "metalor#Indent(v:lnum)", 4]
    assert left == ["make", "manual", "", 0]


def test_stages_and_statements_of_several_lines_are_folds(program: str, tmp_path: Path) -> None:
    script = """
let found += [map(range(1, line('$')), 'foldclosed(v:val)')]
setlocal foldlevel=0
let found += [map(range(1, line('$')), 'foldclosed(v:val)')]
setlocal foldlevel=1
let found += [map(range(1, line('$')), 'foldclosed(v:val)')]
call setline(4, '# gone')
let found += [map(range(1, line('$')), 'foldlevel(v:val)')]
"""
    at_first, stages, inner, without = said(program, tmp_path, script)
    assert at_first == [-1] * 18
    assert stages == [-1] * 3 + [4] * 9 + [13] * 6
    assert inner == [-1, -1, -1, -1, 5, 5, 5, 8, 8, 8, 8, -1, -1, 14, 14, 14, 14, -1]
    assert without == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 2, 2, 2, 2, 1]


@cache
def right_recipes() -> list[str]:
    """Every known recipe that the parser takes."""
    out = [text for text in known() if "\r" not in text and text.strip() and not parse(SourceFile("x", text))[1]]
    assert len(out) > 150
    return out


def test_folds_are_those_of_the_parser_in_every_known_recipe(program: str, tmp_path: Path) -> None:
    recipes = right_recipes()
    (tmp_path / "recipes").write_text(json.dumps([text.split("\n") for text in recipes]))
    script = """
for lines in json_decode(readfile('recipes')[0])
  silent %delete _
  call setline(1, lines)
  let found += [map(range(1, len(lines)), 'metalor#Fold(v:val)')]
endfor
"""
    for text, levels in zip(recipes, said(program, tmp_path, script), strict=True):
        assert [str(level) for level in levels] == [str(level) for level in folds(text)], text


def folds(text: str) -> Iterator[str | int]:
    """The fold of each line, from where the model's states stand at line starts."""
    walker, at, stage = Walker(model()), 0, 0
    states = {step.start: step.state for step in walker.walk(text)}
    lines = text.split("\n")
    inside = []
    for line in lines:
        inside.append(states.get(at, START) != START)
        at += len(line) + 1
    depth, opener = 0, False
    for number, line in enumerate(lines):
        word = re.match(r"[A-Z]*", line.lstrip())[0]  # type: ignore[index]
        goes_on = [*inside, False][number + 1]
        if inside[number]:
            yield stage + depth + (not opener)
            continue
        opener = word in ("IF", "FOR", "DEFINE", "ELSE")
        if word == "FROM" and not depth:
            stage = 1
            yield ">1"
        elif opener:
            depth += word != "ELSE"
            yield f">{stage + depth}"
        else:
            yield f">{stage + depth + 1}" if goes_on else stage + depth
            depth -= word == "END"


def test_folds_after_any_edits_are_those_of_a_new_buffer(program: str, tmp_path: Path) -> None:
    draw = random.Random(5)
    pieces = ["'''", '"""', "SH '''", "USER a \\", "RUN [", "]", "# x", "", "FROM scratch", "a \\", "FOR A IN b", "END"]
    edits = [(draw.random(), draw.choice((0, 0, 1, 1, 4)), draw.sample(pieces, draw.randrange(4))) for _ in range(200)]
    (tmp_path / "edits").write_text(json.dumps(edits))
    script = """
for [place, gone, put] in json_decode(readfile('edits')[0])
  let at = float2nr(place * line('$')) + 1
  if gone
    execute 'silent' at .. ',' .. min([line('$'), at + gone - 1]) .. 'delete _'
  endif
  call append(min([line('$'), at - 1]), put)
  let kept = map(range(1, line('$')), 'metalor#Fold(v:val)')
  unlet b:metalor_tick b:metalor_text b:metalor_states
  if kept != map(range(1, line('$')), 'metalor#Fold(v:val)')
    let found += [[kept, getline(1, '$')]]
  endif
endfor
let found += [line('$') > 20]
"""
    assert said(program, tmp_path, script) == [1]


def test_folding_can_be_left_alone(program: str, tmp_path: Path) -> None:
    script = "bwipeout\nlet g:metalor_folding = 0\nedit app.metalor\nlet found += [&filetype, &l:foldmethod]\n"
    assert said(program, tmp_path, script) == ["metalor", "manual"]


def test_make_fills_the_list_of_errors(program: str, tmp_path: Path) -> None:
    script = """
silent make
let found += [map(getqflist(), '[bufname(v:val.bufnr), v:val.lnum, v:val.col, v:val.type, v:val.nr, v:val.text]')]
cfirst
let found += [getline('.')[col('.') - 1 :]]
let people = systemlist('metalor check app.metalor 2>&1')
call setqflist([], ' ', {'lines': people, 'efm': &l:errorformat})
let found += [map(getqflist(), '[bufname(v:val.bufnr), v:val.lnum, v:val.col, v:val.type, v:val.nr, v:val.text]')]
"""
    recipe = "FROM scratch\nCOPY nosuch /x\nFRMO x\n"
    short, place, people = said(program, tmp_path, script, recipe)
    assert [each[:5] for each in short] == [
        ["app.metalor", 2, 6, "E", 401],
        ["app.metalor", 3, 1, "E", 201],
    ]
    assert short[1][5].startswith("unknown statement FRMO") and "did you mean FROM?" in short[1][5]
    assert place == "nosuch /x"
    assert [each[:5] for each in people] == [each[:5] for each in short]
    assert people[1][5] == "unknown statement FRMO\nhelp: did you mean FROM?"


def test_indentation_is_that_of_fmt(program: str, tmp_path: Path) -> None:
    recipe = RECIPE[: RECIPE.index("FILE")] + "ENV A=1 \\\n    B=2\nUSER a\n"
    assert format_recipe(SourceFile("x", recipe)) == recipe
    flat = "".join(line.lstrip() + "\n" for line in recipe.splitlines())
    assert said(program, tmp_path, "normal! gg=G\nlet found += getline(1, '$')\n", flat) == recipe.splitlines()


def test_indentation_changes_nothing_but_the_layout(program: str, tmp_path: Path) -> None:
    (tmp_path / "recipes").write_text(json.dumps([text.split("\n") for text in right_recipes()]))
    script = """
for lines in json_decode(readfile('recipes')[0])
  silent %delete _
  call setline(1, lines)
  silent normal! gg=G
  let found += [join(getline(1, '$'), "\\n")]
endfor
"""
    for text, indented in zip(right_recipes(), said(program, tmp_path, script), strict=True):
        assert format_recipe(SourceFile("x", indented)) == format_recipe(SourceFile("x", text)), indented


def test_lines_of_blocks_stay_and_new_ones_follow(program: str, tmp_path: Path) -> None:
    script = """
normal! gg=G
let found += [join(getline(1, '$'), "\\n") .. "\\n"]
execute "normal! GoSH '''\\<CR>if true; then\\<CR>:\\<CR>fi\\<CR>'''\\<CR>USER b"
let found += [getline(18, '$')]
"""
    same, typed = said(program, tmp_path, script)
    assert same == RECIPE
    assert typed == ["USER a", "SH '''", "    if true; then", "    :", "    fi", "    '''", "USER b"]


def test_a_comment_goes_on_on_the_next_line_and_is_one(program: str, tmp_path: Path) -> None:
    script = """
call append('$', printf(&l:commentstring, 'SH no'))
normal! Goline
let found += getline(line('$') - 1, '$')
let found += [synIDattr(synIDtrans(synID(line('$'), 3, 1)), 'name')]
"""
    assert said(program, tmp_path, script) == ["# SH no", "# line", "Comment"]


SHELL = """\
SH for x in "$A"; do \\
# don't
    echo 'it'; \\
done
SH '''
    cat <<-'END' | while read -r x; do
    $( " ' (
    '''
SH echo "never closed
SH '''
    case $x in
        a) echo "$(id)" ;;
    esac
    '''
RUN ["a", "${B}\\n"]
"""


def test_the_shell_is_inside_and_does_not_come_out(program: str, tmp_path: Path) -> None:
    script = """
function! Groups(line, word)
  return map(synstack(a:line, stridx(getline(a:line), a:word) + 1), 'synIDattr(v:val, "name")')
endfunction
let found += [map([[1, 'for'], [1, '$A'], [3, 'it'], [6, 'cat'], [6, 'while'], [12, '$(id)'], [12, 'id']],
      \\ 'Groups(v:val[0], v:val[1])')]
let found += [map([[2, '#'], [4, 'done'], [8, "'''"], [9, 'SH'], [10, 'SH'], [14, "'''"], [15, 'RUN'], [15, '${'],
      \\ [15, '\\n']], 'Groups(v:val[0], v:val[1])')]
"""
    shell, ours = said(program, tmp_path, script, SHELL)
    assert all(stack[0].startswith("metalorShell") and re.match("k?sh", stack[-1]) for stack in shell), shell
    outer = [stack[0].rstrip("0123456789") for stack in ours]
    assert outer == [
        "metalorComment", "metalorShell", "metalorFence", "metalorKeyword", "metalorKeyword", "metalorFence",
        "metalorKeyword", "metalorExpansion", "metalorEscape",
    ]  # fmt: skip


def test_a_long_block_is_known_from_anywhere(program: str, tmp_path: Path) -> None:
    recipe = "FROM scratch\nFILE /x '''\n" + "RUN SH FROM '\n" * 2_000 + "'''\nUSER a\n"
    script = """
function! Group(line)
  return substitute(synIDattr(synID(a:line, 1, 1), 'name'), '\\d\\+$', '', '')
endfunction
normal! G
let found += [Group(2001), Group(2003), Group(2004)]
2delete
redraw
syntax sync fromstart
let found += [Group(2001), Group(2002), Group(2003)]
"""
    assert said(program, tmp_path, script, recipe) == [
        "metalorBlock", "metalorFence", "metalorKeyword", "metalorKeyword", "metalorError", "metalorKeyword",
    ]  # fmt: skip


def test_a_line_of_any_length_goes_on_on_the_next(program: str, tmp_path: Path) -> None:
    recipe = f"FROM scratch\nSH echo {'x' * 50_000} \\\n  RUN\nUSER a\n"
    script = "normal! G\nredraw\nlet found += map([3, 4], 'synIDattr(synID(v:val, 3, 1), \"name\")')\n"
    shell, keyword = said(program, tmp_path, script, recipe)
    assert shell.startswith("metalorShell") and keyword.startswith("metalorKeyword")
