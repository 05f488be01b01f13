"""IF, FOR and DEFINE in Vim and Neovim: what % goes to, folds of branches, indentation while one types."""

from pathlib import Path

import pytest

from tests.integration.test_emacs_blocks import RECIPE
from tests.integration.test_vim import PROGRAMS, said


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_percent_goes_round_a_block(program: str, tmp_path: Path) -> None:
    script = """
packadd matchit
function! Go(number, keys)
  execute a:number
  execute 'normal 0' .. a:keys
  return [line('.'), expand('<cword>')]
endfunction
let found += [map(['%', '%%', '%%%', '%%%%'], 'Go(12, v:val)')]
let found += [[Go(2, '%'), Go(9, '%'), Go(14, '^%'), Go(19, '^%'), Go(16, 'f[%')]]
syntax off
let found += [Go(2, '%')]
"""
    recipe = RECIPE.replace("${MODE} ", "a ").replace("${NAME}", "x")  # else % would go to a brace of the line
    rounds, single, plain = said(program, tmp_path, script, recipe)
    assert rounds == [[21, "ELSE"], [24, "ELSE"], [26, "END"], [12, "IF"]]
    assert single == [[9, "END"], [2, "DEFINE"], [19, "END"], [14, "FOR"], [18, "]"]]
    assert plain == [9, "END"]


def test_percent_is_left_as_it_was_in_other_files(program: str, tmp_path: Path) -> None:
    script = """
let names = ['words', 'skip', 'ignorecase']
let found += map(copy(names), 'exists("b:match_" .. v:val)')
set filetype=
let found += map(names, 'exists("b:match_" .. v:val)')
"""
    assert said(program, tmp_path, script) == [1, 1, 1, 0, 0, 0]


def test_each_branch_is_a_fold_in_its_stage(program: str, tmp_path: Path) -> None:
    script = """
setlocal foldlevel=1
let found += [map(range(1, line('$')), 'foldclosed(v:val)')]
setlocal foldlevel=0
let found += [map(range(1, line('$')), 'foldclosed(v:val)')]
"""
    branches, outer = said(program, tmp_path, script, RECIPE)
    assert branches[11:] == [12] * 9 + [21] * 3 + [24] * 3 + [-1]
    assert outer == [-1, *[2] * 8, -1, *[11] * 17]


def test_what_is_typed_is_indented_at_once(program: str, tmp_path: Path) -> None:
    lines = ["FROM x", "IF a == b", "USER a", "ELSE", "FOR A IN b", "RUN [", '"a"', "]", "END", "END", "USER b"]
    keys = "\\<CR>".join(lines).replace('"', '\\"')
    text = "\\<CR>".join(["SH '''", "END", "x"])
    script = f"""
silent %delete _
execute "normal! i{keys}"
let found += [getline(1, '$')]
silent %delete _
execute "normal! i{text}"
let found += [getline(1, '$')]
"""
    typed, in_text = said(program, tmp_path, script)
    assert typed == [
        "FROM x", "IF a == b", "    USER a", "ELSE", "    FOR A IN b", "        RUN [", '            "a"', "        ]",
        "    END", "END", "USER b",
    ]  # fmt: skip
    assert in_text == ["SH '''", "    END", "    x"]
