"""What the mode for Emacs does in the real program: type, index, indentation, comments, errors, the shell inside."""

import json
import os
import random
import sys
from pathlib import Path
from typing import Any

from metalor_lang.editors.emacs import FOLDER
from metalor_lang.editors.model import model
from metalor_lang.source import SourceFile
from metalor_lang.syntax.formatter import format_recipe
from tests.integration.test_vim import RECIPE, right_recipes
from tests.support.documents import ROOT
from tests.support.highlighters.editors import run
from tests.support.highlighters.texts import known
from tests.support.highlighters.walker import Walker

_BEFORE = """\
;; -*- lexical-binding: t -*-
(require 'json)
(add-to-list 'load-path (getenv "METALOR_FILES"))
(require 'metalor-mode)
(defvar found nil)
(defun say (what) (push what found))
(defun line () (buffer-substring-no-properties (line-beginning-position) (line-end-position)))
(defun text () (buffer-substring-no-properties (point-min) (point-max)))
(defun at (string) (goto-char (point-min)) (search-forward string) (goto-char (match-beginning 0)))
"""
_AFTER = """
(let ((coding-system-for-write 'utf-8-unix))
  (with-temp-file "found" (insert (json-encode (vconcat (nreverse found))))))
"""


def said(folder: Path, script: str, recipe: str = RECIPE) -> Any:
    """What a script said while it looked at a recipe."""
    (folder / "app.metalor").write_text(recipe, encoding="utf-8")
    (folder / "script.el").write_text(f'{_BEFORE}(find-file "app.metalor")\n{script}{_AFTER}', encoding="utf-8")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    argv = ("emacs", "-Q", "--batch", "-l", "script.el")
    ran = run(argv, folder, METALOR_FILES=str(ROOT / FOLDER), PATH=path, PYTHONPATH=str(ROOT))
    assert (folder / "found").is_file(), ran.stdout + ran.stderr
    return json.loads((folder / "found").read_text(encoding="utf-8"))


def test_the_file_compiles_without_a_warning_and_is_documented(tmp_path: Path) -> None:
    file = tmp_path / "metalor-mode.el"
    file.write_text((ROOT / FOLDER / file.name).read_text(encoding="utf-8"), encoding="utf-8")
    compiled = run(("emacs", "-Q", "--batch", "-f", "batch-byte-compile", file.name), tmp_path)
    assert (compiled.returncode, compiled.stdout, compiled.stderr) == (0, "", "")
    checked = run(("emacs", "-Q", "--batch", "--eval", f'(checkdoc-file "{file.name}")'), tmp_path)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_a_file_name_sets_the_mode(tmp_path: Path) -> None:
    assert said(tmp_path, "(say major-mode) (say comment-start) (say indent-tabs-mode)") == ["metalor-mode", "# ", None]


def test_the_index_has_stages_and_names(tmp_path: Path) -> None:
    recipe = f"{RECIPE}ENV A=1 B=${{BASE}}\nUNSET ENV A\nARG WHO\nDEFINE put what\nEND\n"
    recipe += "FROM build AS last\nSH '''\n  FROM x AS y\n  '''\n"
    index = said(tmp_path, "(say (funcall imenu-create-index-function))", recipe)[0]
    names = {title: [name for name, _ in entries.items()] for title, entries in index.items()}
    assert names == {
        "Stages": ["build", "scratch", "last"], "Arguments": ["BASE", "WHO"], "Variables": ["A", "B"],
        "Groups": ["put"],
    }  # fmt: skip
    place = index["Stages"]["last"] - 1
    assert recipe[place:].startswith("FROM build AS last")


def test_stages_are_headings_and_can_be_walked(tmp_path: Path) -> None:
    script = """
(require 'outline)
(outline-minor-mode 1)
(at "all") (outline-hide-subtree) (end-of-line) (forward-line 0)
(say (and (progn (at "\\\"a\\\"") (outline-invisible-p)) t))
(outline-show-all)
(at "USER") (metalor-beginning-of-stage) (say (line))
(beginning-of-defun) (say (line))
(end-of-defun) (say (line))
(end-of-defun) (say (eobp))
"""
    assert said(tmp_path, script) == [True, "FROM scratch", "FROM ${BASE} AS build", "FROM scratch", True]


def test_blocks_are_headings_in_their_stage(tmp_path: Path) -> None:
    script = r"""
(say (let (found) (goto-char (point-min))
  (while (re-search-forward (concat "^\\(?:" outline-regexp "\\)") nil t)
    (push (funcall outline-level) found)) (vconcat (nreverse found))))
"""
    lines = ["DEFINE a", "END", "FROM x", "FOR A IN b", "IF a == b", "SH '''", "  IF", "  '''", "ELSE", "END", "END"]
    assert said(tmp_path, script, "\n".join(lines)) == [[2, 1, 2, 3, 1000, 3]]


def test_indentation_is_that_of_fmt(tmp_path: Path) -> None:
    recipe = RECIPE[: RECIPE.index("FILE")] + "ENV A=1 \\\n    B=2\nUSER a\n"
    assert format_recipe(SourceFile("x", recipe)) == recipe
    flat = "".join(line.lstrip() + "\n" for line in recipe.splitlines())
    assert said(tmp_path, "(indent-region (point-min) (point-max)) (say (text))", flat) == [recipe]


def test_indentation_changes_nothing_but_the_layout(tmp_path: Path) -> None:
    (tmp_path / "recipes").write_text(json.dumps(right_recipes()), encoding="utf-8")
    script = """
(dolist (each (with-temp-buffer (insert-file-contents "recipes") (json-parse-buffer :array-type 'list)))
  (erase-buffer) (insert each)
  (let ((inhibit-message t)) (indent-region (point-min) (point-max)))
  (say (text)))
"""
    for text, indented in zip(right_recipes(), said(tmp_path, script), strict=True):
        assert format_recipe(SourceFile("x", indented)) == format_recipe(SourceFile("x", text)), indented


def test_lines_of_blocks_stay_and_new_ones_follow(tmp_path: Path) -> None:
    script = """
(indent-region (point-min) (point-max)) (say (text))
(goto-char (point-max))
(dolist (each '("SH '''" "if true; then" ":" "fi" "'''" "USER b"))
  (insert each) (newline 1 t) (indent-according-to-mode))
(at "SH '''") (say (buffer-substring-no-properties (point) (point-max)))
"""
    same, typed = said(tmp_path, script)
    assert same == RECIPE
    assert typed.splitlines() == ["SH '''", "    if true; then", "    :", "    fi", "    '''", "USER b"]


def test_comments_and_strings_are_known_to_the_commands_of_emacs(tmp_path: Path) -> None:
    script = """
(at "USER a") (comment-line 1) (forward-line -1) (say (line))
(comment-line 1) (forward-line -1) (say (line))
(dolist (each '("smallest" "BASE" "one two" "three" "# in" "is\\n" "after"))
  (at each) (let ((state (syntax-ppss))) (say (cond ((nth 4 state) "comment") ((nth 3 state) "string") (t "code")))))
"""
    recipe = '# smallest\nARG BASE=\'one two\'\nLABEL a="three # in" # is\nLABEL a="never\nUSER a\nENV B=after\n'
    assert said(tmp_path, script, recipe) == [
        "# USER a", "USER a", "comment", "code", "string", "string", "string", "comment", "code",
    ]  # fmt: skip


def test_errors_appear_and_go(tmp_path: Path) -> None:
    script = """
(defun wait (count)
  (let ((rounds 0))
    (while (and (< rounds 100) (/= count (length (flymake-diagnostics))))
      (accept-process-output nil 0.1) (setq rounds (1+ rounds))))
  (vconcat
   (mapcar (lambda (each)
             (list (buffer-substring-no-properties (flymake-diagnostic-beg each) (flymake-diagnostic-end each))
                   (flymake-diagnostic-type each) (flymake-diagnostic-text each)))
           (sort (flymake-diagnostics) (lambda (a b) (< (flymake-diagnostic-beg a) (flymake-diagnostic-beg b)))))))
(flymake-mode 1) (flymake-start) (say (wait 3))
(at "nosuch") (delete-region (point) (+ 6 (point))) (insert "here") (with-temp-file "here")
(at "FRMO x") (delete-region (point) (+ 5 (point))) (insert "USER x")
(at "\\\"日") (end-of-line) (insert "\\\"")
(flymake-start) (say (wait 0))
(setq metalor-command "no-such-program")
(say (condition-case wrong (metalor-flymake #'ignore) (error (error-message-string wrong))))
"""
    recipe = 'FROM scratch\nLABEL a="日\nCOPY nosuch /é\nFRMO x\n'
    there, gone, missing = said(tmp_path, script, recipe)
    assert [each[:2] for each in there] == [["日", "error"], ["nosuch", "error"], ["FRMO", "error"]]
    assert there[2][2] == "E0201: unknown statement FRMO\ndid you mean FROM?"
    assert gone == []
    assert missing == "Cannot find no-such-program"


def test_the_shell_is_inside_and_does_not_come_out(tmp_path: Path) -> None:
    recipe = """\
SH for x in "$A"; do \\
# don't
    echo 'it'; \\
done
SH '''
    cat <<END
    $( " ' (
    '''
SH echo "never closed
SH '''
    if true; then
      echo 'a
      b'
    fi
    '''
RUN ["a", "${B}\\n"]
"""
    script = """
(font-lock-ensure)
(dolist (each '("for" "$A" "it" "done" "never" "if" "a\\n" "b'" "fi"
                "# don" "'''\\nSH" "'''\\nRUN" "SH echo" "RUN" "${" "\\\\n\\""))
  (at each)
  (let ((faces (get-text-property (point) 'face))) (say (if (listp faces) (vconcat faces) faces))))
"""
    found = said(tmp_path, script, recipe)
    word, string = ([f"font-lock-{kind}-face", "metalor-shell-face"] for kind in ("keyword", "string"))
    assert found[:9] == [word, string, string, word, string, word, string, string, word]
    roles = ("comment", "fence", "fence", "keyword", "keyword", "expansion", "escape")
    assert found[9:] == [f"metalor-{role}-face" for role in roles]


def test_after_any_edits_the_buffer_is_read_as_a_new_one(tmp_path: Path) -> None:
    """The state at each line's start is kept; whatever is typed must not leave an old one behind."""
    draw = random.Random(3)
    recipe = RECIPE + next(text for text in known() if "SH '''" in text and "\r" not in text)
    pieces = ["'''", "\n'''\n", '"""', "\\\n", "[", "]", '"', "\n", "# ", "FROM ", "SH ", "x", " ", "é日", "\r"]
    edits, texts, now = [], [], recipe
    for _ in range(150):
        start = draw.randrange(len(now))
        end = min(len(now), start + draw.choice((0, 0, 1, 3, 30)))
        put = draw.choice((*pieces, ""))
        now = now[:start] + put + now[end:]
        edits.append((start + 1, end + 1, put))
        texts.append(now)
    (tmp_path / "edits").write_text(json.dumps(edits))
    script = """
(setq buffer-file-coding-system 'utf-8-unix)
(dolist (edit (with-temp-buffer (insert-file-contents "edits") (json-parse-buffer :array-type 'list)))
  (goto-char (nth 0 edit)) (delete-region (nth 0 edit) (nth 1 edit)) (insert (nth 2 edit))
  (syntax-propertize (point-max))
  (let ((at (point-min)) runs)
    (while (< at (point-max))
      (let ((to (next-single-property-change at 'metalor-role nil (point-max))))
        (push (list (- to at) (get-text-property at 'metalor-role)) runs)
        (setq at to)))
    (say (vconcat (nreverse runs)))))
"""
    found = said(tmp_path, script, recipe)
    walker = Walker(model())
    for text, runs in zip(texts, found, strict=True):
        colours = [role for count, role in runs for _ in range(count)]
        right = walker.paint(text)
        assert [a for a, char in zip(colours, text) if char not in "\r\n"] == [
            b for b, char in zip(right, text) if char not in "\r\n"
        ], text
