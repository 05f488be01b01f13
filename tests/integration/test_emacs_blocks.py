"""IF, FOR and DEFINE in the mode for Emacs: indentation in linear time, what closes what, headings, comments."""

from pathlib import Path

from metalor_lang.source import SourceFile
from metalor_lang.syntax.formatter import format_recipe
from tests.integration.test_emacs import said

RECIPE = """\
ARG MODE=release
DEFINE page name \\
    title=x
    # what it shows
    FILE /www/${name} '''
        IF this is text
        END
        '''
END

FROM scratch
IF ${MODE} == release
    # one each
    FOR NAME IN a b
        USE page name=${NAME}
        RUN [
            "a"
        ]
    END
    # said of what is above
ELSE IF ${MODE} == debug
    SH a \\
        b
ELSE
    EXPOSE 80
END
USER a
"""

COUNTED = """
(require 'outline)
(defvar steps 0)
(dolist (name '(forward-line looking-at looking-at-p re-search-forward metalor--read-line metalor--line-state))
  (advice-add name :before (lambda (&rest _) (setq steps (1+ steps)))))
(defun cost (count pattern after work)
  (erase-buffer) (dotimes (_ count) (insert pattern)) (insert after)
  (setq steps 0)
  (let ((inhibit-message t)) (funcall work))
  steps)
(defun costs (pattern after work)
  (say (list (cost 50 pattern after work) (cost 200 pattern after work))))
"""
"""What some work costs in a recipe and in one of four times as many lines, counted in looks at the text."""

PATTERNS = (
    ("IF a == b\nUSER a\nEND\n", ""),
    ("FOR A IN b\n", ""),
    ("SH '''\n  FOR\n\n  '''\n", ""),
    ("# one\n\n", "END\n"),
    ("# one\n", ""),
    ("# one\n", "RUN [\n" + '"a",\n' * 200 + '"b"\n]\n'),
    ("IF a == b\nENV A=1 \\\nB=2\nFROM x\nEND\n", ""),
)
ENDLESS = ("ENV A=1 \\\n", "SH a \\\n", 'RUN ["a",\n"b",\n', "DEFINE a b=1 \\\n")
"""Statements that go on and on, or never end: each line of them has to know where its statement belongs."""
WORK = (
    "(indent-region (point-min) (point-max))",
    "(metalor--index)",
    "(goto-char (point-min)) (while (re-search-forward outline-regexp nil t) (metalor--outline-level))",
    '(dotimes (_ 50) (goto-char (point-max)) (insert "USER a\\n") (forward-line -1) (metalor-indent-line))',
)


def test_each_line_is_looked_at_a_few_times_however_many_there_are(tmp_path: Path) -> None:
    """Time is not asked: it is no law, and tells little on a busy machine."""
    cases = [(pattern, after, work) for pattern, after in PATTERNS for work in WORK]
    cases += [(line, "", work) for line in ENDLESS for work in WORK[:2]]
    asked = "".join(f"(costs {_lisp(text)} {_lisp(after)} (lambda () {work}))\n" for text, after, work in cases)
    for case, (few, many) in zip(cases, said(tmp_path, COUNTED + asked), strict=True):
        assert few > 0 and many < 5 * few, (case, few, many)


def _lisp(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def test_blocks_are_indented_as_fmt_does(tmp_path: Path) -> None:
    assert format_recipe(SourceFile("x", RECIPE)) == RECIPE
    inside = False
    lines = []
    for line in RECIPE.splitlines():  # flat, but for the text of a block and the comment that is about what is above
        inside = inside and "'''" not in line
        lines.append(line if inside or "'''" in line or line.startswith("    # said") else line.lstrip(" "))
        inside = inside or line.endswith(" '''")
    flat = "\n".join([*lines, ""])
    assert flat != RECIPE
    script = "(indent-region (point-min) (point-max)) (say (text))"
    # An opening fence moves with its statement.
    assert said(tmp_path, script, flat.replace("    FILE", "FILE")) == [RECIPE]
    assert said(tmp_path, script, RECIPE) == [RECIPE]


def test_blank_lines_of_text_keep_their_blanks(tmp_path: Path) -> None:
    recipe = "FOR A IN b\n    FILE /a '''\n        x\n            \n\n        '''\nEND\n"
    assert said(tmp_path, "(indent-region (point-min) (point-max)) (say (text))", recipe) == [recipe]


def test_what_is_typed_is_indented_at_once(tmp_path: Path) -> None:
    script = r"""
(electric-indent-local-mode 1)
(erase-buffer)
(dolist (char (append "FROM x\nIF a == b\nUSER a\nELSE\nFOR A IN b\nRUN [\n\"a\"\n]\nEND\nEND\nUSER b\n" nil))
  (if (eq char ?\n) (call-interactively #'newline)
    (setq last-command-event char) (call-interactively #'self-insert-command))
  (when (memq char '(?D ?E ?\]))
    (say (line))))
(say (text))
(erase-buffer) (insert "SH '''\n        EN") (setq last-command-event ?D) (call-interactively #'self-insert-command)
(say (line))
"""
    *seen, whole, text = said(tmp_path, script)
    assert "END" in seen and "ELSE" in seen and "    END" in seen and "    ]" not in seen and "        ]" in seen
    assert whole == (
        'FROM x\nIF a == b\n    USER a\nELSE\n    FOR A IN b\n        RUN [\n            "a"\n        ]\n'
        "    END\nEND\nUSER b\n"
    )
    assert text == "        END"


def test_a_word_of_a_block_shows_its_partner(tmp_path: Path) -> None:
    script = r"""
(defun partner (string)
  (at string)
  (pcase (funcall show-paren-data-function)
    (`(,a ,b ,c ,d ,_)
     (vector (buffer-substring-no-properties a b) (line-number-at-pos c) (buffer-substring-no-properties c d)))))
(dolist (each '("DEFINE" "IF this" "END\n\nFROM" "IF ${MODE} == release" "FOR" "END\n    # said" "ELSE IF" "ELSE\n"
                "END\nUSER" "USER"))
  (say (partner each)))
(say (and (partner "[") t))
"""
    found = said(tmp_path, script, RECIPE)
    assert found == [
        ["DEFINE", 9, "END"], None, ["END", 2, "DEFINE"], ["IF", 21, "ELSE"], ["FOR", 19, "END"], ["END", 14, "FOR"],
        ["ELSE", 24, "ELSE"], ["ELSE", 26, "END"], ["END", 12, "IF"], None, True,
    ]  # fmt: skip


def test_a_block_is_one_expression(tmp_path: Path) -> None:
    script = r"""
(at "IF ${MODE} == release") (forward-sexp) (say (line-number-at-pos)) (say (eolp))
(backward-sexp) (say (line-number-at-pos)) (say (looking-at "IF"))
(forward-line 1) (end-of-line) (forward-sexp) (say (line-number-at-pos))
(at "FOR NAME") (kill-sexp) (say (line))
(at "USER") (forward-sexp) (say (looking-at " a"))
"""
    assert said(tmp_path, script, RECIPE) == [26, True, 12, True, 19, "    ", True]


def test_a_block_becomes_comments_and_comes_back(tmp_path: Path) -> None:
    script = r"""
(at "FOR NAME") (let ((start (line-beginning-position)) end)
  (forward-sexp) (forward-line 1) (setq end (copy-marker (point)))
  (comment-region start end) (say (buffer-substring-no-properties start end))
  (uncomment-region start end) (say (text)))
(comment-region (point-min) (point-max)) (uncomment-region (point-min) (point-max)) (say (text))
"""
    commented, back, whole = said(tmp_path, script, RECIPE)
    assert all(line.startswith("    # ") for line in commented.splitlines())
    assert back == RECIPE
    assert whole == RECIPE
