;;; metalor-mode.el --- Major mode for metalor build recipes -*- lexical-binding: t; coding: utf-8 -*-

;; Version: 1.0
;; Package-Requires: ((emacs "27.1"))
;; Keywords: languages, tools
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; Written from grammar/metalor.lark by `make grammar'; not to be changed by hand.
;;
;; Colours are exact: the automaton of the language's own parser stands below as a table, and walks through the
;; buffer line by line.  The text of SH is coloured as `sh-mode' would.  Besides: indentation, an index of stages
;; and names (imenu), stages as headings (outline), what `metalor check' finds (flymake), and `metalor lsp' for
;; eglot.

;;; Code:

(require 'flymake)
(require 'imenu)
(require 'json)
(require 'subr-x)

(defvar eglot-server-programs)
(declare-function sh-set-shell "sh-script" (shell &optional no-query-flag insert-flag))

(defgroup metalor nil
  "Build recipes of metalor."
  :group 'languages
  :prefix "metalor-")

(defcustom metalor-command "metalor"
  "The program that checks recipes, and that is their language server."
  :type 'string)

(defcustom metalor-indent-offset 4
  "By how many columns a line is indented that continues a statement."
  :type 'integer
  :safe #'integerp)

(defcustom metalor-shell-limit 20000
  "How many characters of shell text are coloured as such; longer ones stay plain."
  :type 'integer)

;;;; Faces, one for each role

(defface metalor-keyword-face
  '((t :inherit font-lock-keyword-face))
  "Face for words of the language.")

(defface metalor-comment-face
  '((t :inherit font-lock-comment-face))
  "Face for comments.")

(defface metalor-continuation-face
  '((t :inherit font-lock-builtin-face))
  "Face for the backslash that continues a line.")

(defface metalor-flag-face
  '((t :inherit font-lock-type-face))
  "Face for flags of statements.")

(defface metalor-operator-face
  '((t :inherit default))
  "Face for brackets, commas and `='.")

(defface metalor-number-face
  '((t :inherit font-lock-constant-face))
  "Face for numbers.")

(defface metalor-name-face
  '((t :inherit font-lock-variable-name-face))
  "Face for names that a statement gives.")

(defface metalor-key-face
  '((t :inherit font-lock-variable-name-face))
  "Face for keys of labels and annotations.")

(defface metalor-word-face
  '((t :inherit default))
  "Face for bare words.")

(defface metalor-string-face
  '((t :inherit font-lock-string-face))
  "Face for quoted words.")

(defface metalor-escape-face
  '((t :inherit font-lock-constant-face))
  "Face for escapes in words.")

(defface metalor-variable-face
  '((t :inherit font-lock-variable-name-face))
  "Face for names that are expanded.")

(defface metalor-expansion-face
  '((t :inherit font-lock-preprocessor-face))
  "Face for what stands around an expanded name.")

(defface metalor-fence-face
  '((t :inherit font-lock-preprocessor-face))
  "Face for the quotes around a block.")

(defface metalor-shell-face
  '((t :inherit default))
  "Face for shell text, below the shell's own faces.")

(defface metalor-block-face
  '((t :inherit font-lock-string-face))
  "Face for the text of blocks.")

(defface metalor-error-face
  '((t :inherit error))
  "Face for what the parser refuses.")

;;;; The automaton

(defconst metalor--roles
  '((keyword . metalor-keyword-face)
    (comment . metalor-comment-face)
    (continuation . metalor-continuation-face)
    (flag . metalor-flag-face)
    (operator . metalor-operator-face)
    (number . metalor-number-face)
    (name . metalor-name-face)
    (key . metalor-key-face)
    (word . metalor-word-face)
    (string . metalor-string-face)
    (escape . metalor-escape-face)
    (variable . metalor-variable-face)
    (expansion . metalor-expansion-face)
    (fence . metalor-fence-face)
    (shell . metalor-shell-face)
    (block . metalor-block-face)
    (error . metalor-error-face))
  "The face of each role.")

(defconst metalor--patterns
  (vector
   "\\(#[^\n\r]*\\)\\|\\(ANNOTATE\\|LABEL\\)\\|\\(ARG\\)\\|\\(CMD\\|ENTRYPOINT\\|SHELL\\)\\|\\(COPY\\)\\|\\(DEFINE\\)\\|\\(ELSE\\)\\|\\(END\\)\\|\\(ENV\\)\\|\\(EXPOSE\\|VOLUME\\)\\|\\(FETCH\\|GIT\\)\\|\\(FILE\\)\\|\\(FOR\\)\\|\\(FROM\\)\\|\\(IF\\)\\|\\(IMPORT\\)\\|\\(LAYER\\|STOPSIGNAL\\|USER\\|WORKDIR\\)\\|\\(RECIPE\\)\\|\\(RUN\\)\\|\\(SH\\)\\|\\(TEST\\)\\|\\(UNSET\\)\\|\\(USE\\)\\|\\([\t ]+\\)"
   "\\([\t ]+\\)"
   "\\([0-9A-Za-z][.-9A-Z_a-z-]*\\)\\|\\(\\\\[\t ]*\\)"
   "\\(--[a-z][0-9a-z-]*\\)\\|\\([A-Z_a-z][0-9A-Z_a-z]*\\)\\|\\(\\\\[\t ]*\\)"
   "\\(\\[\\)\\|\\(\\\\[\t ]*\\)"
   "\\(\"\\)\\|\\('[^\n\r']*'\\)\\|\\(--[a-z][0-9a-z-]*\\)\\|\\(\\$\\$+{\\)\\|\\(\\${\\)\\|\\(\\(?:[^\t-\n\r \"-$'[-\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)\\(?:[^\t-\n\r \"$'\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]+\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)*\\)\\|\\(\\$+\\)\\|\\(\\\\[\t ]*\\)"
   "\\([a-z][0-9_a-z-]*\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(IF\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)"
   "\\([A-Z_a-z][0-9A-Z_a-z]*\\)\\|\\(\\\\[\t ]*\\)"
   "\\(\"\\)\\|\\('[^\n\r']*'\\)\\|\\(\\$\\$+{\\)\\|\\(\\${\\)\\|\\(\\(?:[^\t-\n\r \"-$'[-\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)\\(?:[^\t-\n\r \"$'\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]+\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)*\\)\\|\\(\\$+\\)\\|\\(\\\\[\t ]*\\)"
   "\\([0-9]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(--[a-z][0-9a-z-]*\\)\\|\\(\\[\\)\\|\\(\\\\[\t ]*\\)"
   "\\('''\\)\\|\\(--[a-z][0-9a-z-]*\\)\\|\\(\\(?:[^\t-\n\r \\]\\|\\(?:\\\\[\t ]+\\)*\\(?:\\\\[^\t-\n\r ]\\|\\\\[\t ]+[^\t-\n\r \\]\\)\\)\\(?:[^\n\r\\]+\\|\\(?:\\\\[\t ]+\\)*\\(?:\\\\[^\t-\n\r ]\\|\\\\[\t ]+[^\t-\n\r \\]\\)\\)*\\)\\|\\(\\\\[\t ]*\\)"
   "\\(RUN\\)\\|\\(SH\\)\\|\\(\\\\[\t ]*\\)"
   "\\(CMD\\|ENTRYPOINT\\|STOPSIGNAL\\|USER\\|WORKDIR\\)\\|\\(ENV\\)\\|\\(EXPOSE\\|VOLUME\\)\\|\\(LABEL\\)\\|\\(\\\\[\t ]*\\)"
   "\\(=\\)"
   "\\(=\\)\\|\\([\t ]+\\)"
   "\\(\"\\)\\|\\([\t ]+\\)"
   "\\(\"\\)\\|\\(\\$\\$+{\\|\\\\\\(?:[\"/\\bfnrt]\\|u[0-9A-Fa-f]\\{4,4\\}\\)\\)\\|\\(\\${\\)\\|\\(\\(?:[^\t-\n\r\"$\\]+\\|\\$+[^\t-\n\r\"$(A-Z\\_a-{]\\)+\\)\\|\\(\\$+\\)"
   "\\([\t ]+\\)\\|\\(\\$\\$+{\\)\\|\\(\\${\\)\\|\\(\\(?:[^\t-\n\r \"$'\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]+\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)+\\)\\|\\(\\$+\\)"
   "\\([A-Z_a-z][0-9A-Z_a-z]*\\)"
   "\\([\t ]+\\)\\|\\(\\$\\$+{\\)\\|\\(\\${\\)\\|\\(\\$+\\)"
   "\\(\\\\[\t ]*\\)"
   "\\([\t ]+\\)\\|\\(\\.\\)"
   "\\(\"\\)\\|\\('[^\n\r']*'\\)\\|\\([\t ]+\\)\\|\\(\\$\\$+{\\)\\|\\(\\${\\)\\|\\(\\(?:[^\t-\n\r \"$'\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]+\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)+\\)\\|\\(\\$+\\)"
   "\\(#[^\n\r]*\\)\\|\\([0-9A-Za-z][.-9A-Z_a-z-]*\\)\\|\\([\t ]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(\"\\)\\|\\('[^\n\r']*'\\)\\|\\(\\$\\$+{\\)\\|\\(\\${\\)\\|\\(\\(?:[^\t-\n\r \"$'\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]+\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)+\\)\\|\\(\\$+\\)"
   "\\(#[^\n\r]*\\)\\|\\(--[a-z][0-9a-z-]*\\)\\|\\([A-Z_a-z][0-9A-Z_a-z]*\\)\\|\\([\t ]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(\"\\)\\|\\(\\$\\$+{\\|\\\\\\(?:[\"/\\bfnrt]\\|u[0-9A-Fa-f]\\{4,4\\}\\)\\)\\|\\(\\${\\)\\|\\(\\(?:[^\t-\n\r\"$\\]+\\|\\$+[^\t-\n\r\"$\\{]\\)+\\)\\|\\(\\$+\\)"
   "\\(\"\\)\\|\\(#[^\n\r]*\\)\\|\\([\t ]+\\)"
   "\\(#[^\n\r]*\\)\\|\\([\t ]+\\)\\|\\(\\[\\)\\|\\(\\\\[\t ]*\\)"
   "\\(\"\\)\\|\\(\\\\\\(?:[\"/\\bfnrt]\\|u[0-9A-Fa-f]\\{4,4\\}\\)\\)"
   "\\(}\\)"
   "\\(\"\\)\\|\\(#[^\n\r]*\\)\\|\\('[^\n\r']*'\\)\\|\\(--[a-z][0-9a-z-]*\\)\\|\\([\t ]+\\)\\|\\(\\$\\$+{\\)\\|\\(\\${\\)\\|\\(\\(?:[^\t-\n\r \"-$'[-\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)\\(?:[^\t-\n\r \"$'\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]+\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)*\\)\\|\\(\\$+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\([A-Z_a-z][0-9A-Z_a-z]*\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\([\t ]+\\)\\|\\([a-z][0-9_a-z-]*\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(IF\\)\\|\\([\t ]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\([A-Z_a-z][0-9A-Z_a-z]*\\)\\|\\([\t ]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(\"\\)\\|\\(#[^\n\r]*\\)\\|\\('[^\n\r']*'\\)\\|\\(\\$\\$+{\\)\\|\\(\\${\\)\\|\\(\\(?:[^\t-\n\r \"-$'[-\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)\\(?:[^\t-\n\r \"$'\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]+\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)*\\)\\|\\(\\$+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(\"\\)\\|\\(#[^\n\r]*\\)\\|\\('[^\n\r']*'\\)\\|\\([\t ]+\\)\\|\\(\\$\\$+{\\)\\|\\(\\${\\)\\|\\(\\(?:[^\t-\n\r \"-$'[-\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)\\(?:[^\t-\n\r \"$'\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]+\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)*\\)\\|\\(\\$+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(\"\"\"\\)\\|\\('''\\)\\|\\(\\\\[\t ]*\\)"
   "\\(IN\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(AS\\)\\|\\(\\\\[\t ]*\\)"
   "\\(IN\\)\\|\\(NOT\\)\\|\\([!=]=\\)\\|\\(\\\\[\t ]*\\)"
   "\\(AS\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\([0-9]+\\)\\|\\([\t ]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(--[a-z][0-9a-z-]*\\)\\|\\([\t ]+\\)\\|\\(\\[\\)\\|\\(\\\\[\t ]*\\)"
   "\\([\t ]*'''\\)\\|\\([^\n\r]+\\)"
   "\\(#[^\n\r]*\\)\\|\\('''\\)\\|\\(--[a-z][0-9a-z-]*\\)\\|\\(\\(?:[^\t-\n\r \\]\\|\\(?:\\\\[\t ]+\\)*\\(?:\\\\[^\t-\n\r ]\\|\\\\[\t ]+[^\t-\n\r \\]\\)\\)\\(?:[^\n\r\\]+\\|\\(?:\\\\[\t ]+\\)*\\(?:\\\\[^\t-\n\r ]\\|\\\\[\t ]+[^\t-\n\r \\]\\)\\)*\\)\\|\\([\t ]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(RUN\\)\\|\\(SH\\)\\|\\([\t ]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(CMD\\|ENTRYPOINT\\|STOPSIGNAL\\|USER\\|WORKDIR\\)\\|\\(ENV\\)\\|\\(EXPOSE\\|VOLUME\\)\\|\\(LABEL\\)\\|\\([\t ]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\([a-z][0-9_a-z-]*\\)"
   "\\(#[^\n\r]*\\)\\|\\([0-9A-Za-z][.-9A-Z_a-z-]*\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(--[a-z][0-9a-z-]*\\)\\|\\([A-Z_a-z][0-9A-Z_a-z]*\\)\\|\\(\\\\[\t ]*\\)"
   "\\(,\\)\\|\\([\t ]+\\)\\|\\(]\\)"
   "\\(#[^\n\r]*\\)\\|\\(\\[\\)\\|\\(\\\\[\t ]*\\)"
   "\\(\"\\)\\|\\(#[^\n\r]*\\)\\|\\('[^\n\r']*'\\)\\|\\(--[a-z][0-9a-z-]*\\)\\|\\(\\$\\$+{\\)\\|\\(\\${\\)\\|\\(\\(?:[^\t-\n\r \"-$'[-\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)\\(?:[^\t-\n\r \"$'\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]+\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)*\\)\\|\\(\\$+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\([a-z][0-9_a-z-]*\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\([0-9]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(--[a-z][0-9a-z-]*\\)\\|\\(\\[\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(\\(?:[^\t-\n\r \\]\\|\\(?:\\\\[\t ]+\\)*\\(?:\\\\[^\t-\n\r ]\\|\\\\[\t ]+[^\t-\n\r \\]\\)\\)\\(?:[^\n\r\\]+\\|\\(?:\\\\[\t ]+\\)*\\(?:\\\\[^\t-\n\r ]\\|\\\\[\t ]+[^\t-\n\r \\]\\)\\)*\\)\\|\\([\t ]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\('''\\)\\|\\(--[a-z][0-9a-z-]*\\)\\|\\(\\(?:[^\t-\n\r \\]\\|\\(?:\\\\[\t ]+\\)*\\(?:\\\\[^\t-\n\r ]\\|\\\\[\t ]+[^\t-\n\r \\]\\)\\)\\(?:[^\n\r\\]+\\|\\(?:\\\\[\t ]+\\)*\\(?:\\\\[^\t-\n\r ]\\|\\\\[\t ]+[^\t-\n\r \\]\\)\\)*\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(RUN\\)\\|\\(SH\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(CMD\\|ENTRYPOINT\\|STOPSIGNAL\\|USER\\|WORKDIR\\)\\|\\(ENV\\)\\|\\(EXPOSE\\|VOLUME\\)\\|\\(LABEL\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(,\\)\\|\\([\t ]+\\)\\|\\(]\\)"
   "\\([\t ]*\"\"\"\\)\\|\\(\\$\\$+{\\)\\|\\(\\${\\)\\|\\(\\(?:[^\n\r$]+\\|\\$+[^\n\r${]\\)+\\)\\|\\(\\$+\\)"
   "\\(\"\"\"\\)\\|\\(#[^\n\r]*\\)\\|\\('''\\)\\|\\([\t ]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(IN\\)\\|\\([\t ]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(AS\\)\\|\\([\t ]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(IN\\)\\|\\(NOT\\)\\|\\([!=]=\\)\\|\\([\t ]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(\\(?:[^\t-\n\r \\]\\|\\(?:\\\\[\t ]+\\)*\\(?:\\\\[^\t-\n\r ]\\|\\\\[\t ]+[^\t-\n\r \\]\\)\\)\\(?:[^\n\r\\]+\\|\\(?:\\\\[\t ]+\\)*\\(?:\\\\[^\t-\n\r ]\\|\\\\[\t ]+[^\t-\n\r \\]\\)\\)*\\)\\|\\(\\\\[\t ]*\\)"
   "\\(\\$\\$+{\\)\\|\\(\\${\\)\\|\\(\\(?:[^\n\r$]+\\|\\$+[^\n\r${]\\)+\\)\\|\\(\\$+\\)"
   "\\(\"\"\"\\)\\|\\(#[^\n\r]*\\)\\|\\('''\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(IN\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(IN\\)\\|\\(NOT\\)\\|\\([!=]=\\)\\|\\(\\\\[\t ]*\\)")
  "What may stand in a state: a group for each of its moves.")

(defconst metalor--states
  [
   [0 0 [comment 1 keyword 2 keyword 3 keyword 4 keyword 5 keyword 6 keyword 7 keyword 8 keyword 9 keyword 10 keyword 11 keyword 12 keyword 13 keyword 14 keyword 15 keyword 16 keyword 17 keyword 18 keyword 19 keyword 20 keyword 21 keyword 22 keyword 23 nil 0]]
   [nil 0 []]
   [1 0 [nil 24]]
   [1 0 [nil 25]]
   [1 0 [nil 26]]
   [1 0 [nil 27]]
   [1 0 [nil 28]]
   [1 0 [nil 29]]
   [1 0 [nil 30]]
   [1 0 [nil 31]]
   [1 0 [nil 32]]
   [1 0 [nil 33]]
   [1 0 [nil 34]]
   [1 0 [nil 35]]
   [1 0 [nil 36]]
   [1 0 [nil 37]]
   [1 0 [nil 38]]
   [1 0 [nil 39]]
   [1 0 [nil 40]]
   [1 0 [nil 41]]
   [1 0 [nil 42]]
   [1 0 [nil 43]]
   [1 0 [nil 44]]
   [1 0 [nil 45]]
   [2 0 [key 46 continuation 47]]
   [3 0 [flag 48 name 49 continuation 50]]
   [4 0 [operator 51 continuation 52]]
   [5 0 [string 53 string 10 flag 54 escape 55 expansion 56 word 57 word 10 continuation 58]]
   [6 0 [name 59 continuation 60]]
   [7 0 [comment 1 keyword 15 continuation 61]]
   [8 0 [comment 1]]
   [9 0 [name 62 continuation 63]]
   [10 0 [string 64 string 65 escape 66 expansion 67 word 68 word 65 continuation 69]]
   [5 0 [string 70 string 17 flag 71 escape 72 expansion 73 word 74 word 17 continuation 75]]
   [5 0 [string 76 string 77 flag 78 escape 79 expansion 80 word 81 word 77 continuation 82]]
   [3 0 [flag 83 name 84 continuation 85]]
   [5 0 [string 86 string 87 flag 88 escape 89 expansion 90 word 91 word 87 continuation 92]]
   [10 0 [string 93 string 94 escape 95 expansion 96 word 97 word 94 continuation 98]]
   [10 0 [string 99 string 100 escape 101 expansion 102 word 103 word 100 continuation 104]]
   [10 0 [string 105 string 8 escape 106 expansion 107 word 108 word 8 continuation 109]]
   [11 0 [number 8 continuation 110]]
   [12 0 [flag 111 operator 51 continuation 112]]
   [13 0 [fence 113 flag 114 shell 115 continuation 116]]
   [14 0 [keyword 19 keyword 20 continuation 117]]
   [15 0 [keyword 8 keyword 118 keyword 17 keyword 119 continuation 120]]
   [6 0 [name 121 continuation 122]]
   [16 0 [operator 123]]
   [nil 124 []]
   [17 0 [operator 125 nil 25]]
   [17 0 [operator 126 nil 30]]
   [nil 127 []]
   [18 129 [string 128 nil 129]]
   [nil 130 []]
   [19 0 [string 10 escape 53 expansion 131 string 53 word 132]]
   [17 0 [operator 133 nil 27]]
   [20 0 [nil 32 escape 55 expansion 56 word 55 word 10]]
   [21 0 [variable 134]]
   [22 0 [nil 32 escape 55 expansion 56 word 10]]
   [nil 135 []]
   [1 0 [nil 136]]
   [nil 137 []]
   [nil 138 []]
   [16 0 [operator 139]]
   [nil 140 []]
   [19 0 [string 65 escape 64 expansion 141 string 64 word 142]]
   [1 0 [nil 143]]
   [20 0 [nil 143 escape 66 expansion 67 word 66 word 65]]
   [21 0 [variable 144]]
   [22 0 [nil 143 escape 66 expansion 67 word 65]]
   [nil 145 []]
   [19 0 [string 17 escape 70 expansion 146 string 70 word 147]]
   [17 0 [operator 148 nil 33]]
   [20 0 [nil 39 escape 72 expansion 73 word 72 word 17]]
   [21 0 [variable 149]]
   [22 0 [nil 39 escape 72 expansion 73 word 17]]
   [nil 150 []]
   [19 0 [string 77 escape 76 expansion 151 string 76 word 152]]
   [1 0 [nil 153]]
   [17 0 [operator 154 nil 34]]
   [20 0 [nil 153 escape 79 expansion 80 word 79 word 77]]
   [21 0 [variable 155]]
   [22 0 [nil 153 escape 79 expansion 80 word 77]]
   [nil 156 []]
   [17 0 [operator 157 nil 35]]
   [1 0 [nil 158]]
   [nil 159 []]
   [19 0 [string 87 escape 86 expansion 160 string 86 word 161]]
   [1 0 [nil 162]]
   [17 0 [operator 163 nil 36]]
   [20 0 [nil 162 escape 89 expansion 90 word 89 word 87]]
   [21 0 [variable 164]]
   [22 0 [nil 162 escape 89 expansion 90 word 87]]
   [nil 165 []]
   [19 0 [string 94 escape 93 expansion 166 string 93 word 167]]
   [1 0 [nil 168]]
   [20 0 [nil 168 escape 95 expansion 96 word 95 word 94]]
   [21 0 [variable 169]]
   [22 0 [nil 168 escape 95 expansion 96 word 94]]
   [nil 170 []]
   [19 0 [string 100 escape 99 expansion 171 string 99 word 172]]
   [1 0 [nil 173]]
   [20 0 [nil 173 escape 101 expansion 102 word 101 word 100]]
   [21 0 [variable 174]]
   [22 0 [nil 173 escape 101 expansion 102 word 100]]
   [nil 175 []]
   [19 0 [string 8 escape 105 expansion 176 string 105 word 177]]
   [20 0 [nil 30 escape 106 expansion 107 word 106 word 8]]
   [21 0 [variable 178]]
   [22 0 [nil 30 escape 106 expansion 107 word 8]]
   [nil 179 []]
   [nil 180 []]
   [17 0 [operator 181 nil 41]]
   [nil 182 []]
   [1 184 [nil 183]]
   [17 0 [operator 185 nil 42]]
   [23 0 [continuation 186]]
   [nil 187 []]
   [nil 188 []]
   [1 0 [nil 189]]
   [1 0 [nil 190]]
   [nil 191 []]
   [24 0 [nil 192 operator 193]]
   [nil 194 []]
   [25 0 [string 195 string 196 nil 197 escape 198 expansion 199 word 200 word 196]]
   [26 0 [comment 47 key 46 nil 201 continuation 47]]
   [27 0 [string 202 string 3 escape 203 expansion 204 word 205 word 3]]
   [25 0 [string 105 string 8 nil 30 escape 106 expansion 107 word 108 word 8]]
   [28 0 [comment 50 flag 48 name 49 nil 206 continuation 50]]
   [29 0 [string 207 escape 128 expansion 208 string 128 word 128]]
   [30 129 [string 128 comment 129 nil 129]]
   [31 0 [comment 52 nil 209 operator 51 continuation 52]]
   [21 0 [variable 210]]
   [32 0 [string 10 escape 53]]
   [27 0 [string 211 string 5 escape 212 expansion 213 word 214 word 5]]
   [33 0 [expansion 55]]
   [34 0 [string 53 comment 58 string 10 flag 54 nil 215 escape 55 expansion 56 word 57 word 10 continuation 58]]
   [35 0 [comment 1 name 216 continuation 217]]
   [36 0 [comment 60 nil 218 name 59 continuation 60]]
   [37 0 [comment 61 keyword 15 nil 219 continuation 61]]
   [25 0 [string 220 string 221 nil 192 escape 222 expansion 223 word 224 word 221]]
   [38 0 [comment 63 name 62 nil 225 continuation 63]]
   [21 0 [variable 226]]
   [32 0 [string 65 escape 64]]
   [39 0 [string 64 comment 1 string 65 escape 66 expansion 67 word 68 word 65 continuation 69]]
   [33 0 [expansion 66]]
   [40 0 [string 64 comment 69 string 65 nil 227 escape 66 expansion 67 word 68 word 65 continuation 69]]
   [21 0 [variable 228]]
   [32 0 [string 17 escape 70]]
   [27 0 [string 229 string 11 escape 230 expansion 231 word 232 word 11]]
   [33 0 [expansion 72]]
   [34 0 [string 70 comment 75 string 17 flag 71 nil 233 escape 72 expansion 73 word 74 word 17 continuation 75]]
   [21 0 [variable 234]]
   [32 0 [string 77 escape 76]]
   [41 0 [fence 235 fence 236 continuation 237]]
   [27 0 [string 238 string 12 escape 239 expansion 240 word 241 word 12]]
   [33 0 [expansion 79]]
   [34 0 [string 76 comment 82 string 77 flag 78 nil 242 escape 79 expansion 80 word 81 word 77 continuation 82]]
   [27 0 [string 243 string 13 escape 244 expansion 245 word 246 word 13]]
   [42 0 [keyword 10 continuation 247]]
   [28 0 [comment 85 flag 83 name 84 nil 248 continuation 85]]
   [21 0 [variable 249]]
   [32 0 [string 87 escape 86]]
   [43 0 [comment 1 keyword 250 continuation 251]]
   [27 0 [string 252 string 14 escape 253 expansion 254 word 255 word 14]]
   [33 0 [expansion 89]]
   [34 0 [string 86 comment 92 string 87 flag 88 nil 256 escape 89 expansion 90 word 91 word 87 continuation 92]]
   [21 0 [variable 257]]
   [32 0 [string 94 escape 93]]
   [44 0 [keyword 10 keyword 84 operator 17 continuation 258]]
   [33 0 [expansion 95]]
   [40 0 [string 93 comment 98 string 94 nil 259 escape 95 expansion 96 word 97 word 94 continuation 98]]
   [21 0 [variable 260]]
   [32 0 [string 100 escape 99]]
   [45 0 [keyword 250 continuation 251]]
   [33 0 [expansion 101]]
   [40 0 [string 99 comment 104 string 100 nil 261 escape 101 expansion 102 word 103 word 100 continuation 104]]
   [21 0 [variable 262]]
   [32 0 [string 8 escape 105]]
   [33 0 [expansion 106]]
   [40 0 [string 105 comment 109 string 8 nil 263 escape 106 expansion 107 word 108 word 8 continuation 109]]
   [46 0 [comment 110 number 8 nil 264 continuation 110]]
   [27 0 [string 265 string 19 escape 266 expansion 267 word 268 word 19]]
   [47 0 [comment 112 flag 111 nil 269 operator 51 continuation 112]]
   [nil 184 []]
   [48 184 [fence 270 shell 183]]
   [27 0 [string 271 string 20 escape 272 expansion 273 word 274 word 20]]
   [nil 275 []]
   [49 0 [comment 116 fence 113 flag 114 shell 115 nil 276 continuation 116]]
   [50 0 [comment 117 keyword 19 keyword 20 nil 277 continuation 117]]
   [9 0 [name 8 continuation 278]]
   [2 0 [key 8 continuation 279]]
   [51 0 [comment 120 keyword 8 keyword 118 keyword 17 keyword 119 nil 280 continuation 120]]
   [35 0 [comment 1 name 62 continuation 63]]
   [52 0 [name 221]]
   [36 0 [comment 122 nil 281 name 121 continuation 122]]
   [19 0 [string 196 escape 195 expansion 282 string 195 word 283]]
   [1 0 [nil 197]]
   [53 0 [comment 1 key 46 continuation 47]]
   [20 0 [nil 197 escape 198 expansion 199 word 198 word 196]]
   [21 0 [variable 284]]
   [22 0 [nil 197 escape 198 expansion 199 word 196]]
   [53 0 [comment 47 key 46 continuation 47]]
   [19 0 [string 3 escape 202 expansion 285 string 202 word 286]]
   [20 0 [nil 25 escape 203 expansion 204 word 203 word 3]]
   [21 0 [variable 287]]
   [22 0 [nil 25 escape 203 expansion 204 word 3]]
   [54 0 [comment 50 flag 48 name 49 continuation 50]]
   [55 288 [operator 51 nil 288 operator 8]]
   [21 0 [variable 289]]
   [56 0 [comment 52 operator 51 continuation 52]]
   [33 0 [expansion 53]]
   [19 0 [string 5 escape 211 expansion 290 string 211 word 291]]
   [20 0 [nil 27 escape 212 expansion 213 word 212 word 5]]
   [21 0 [variable 292]]
   [22 0 [nil 27 escape 212 expansion 213 word 5]]
   [57 0 [string 53 comment 58 string 10 flag 54 escape 55 expansion 56 word 57 word 10 continuation 58]]
   [17 0 [operator 293 nil 136]]
   [nil 294 []]
   [58 0 [comment 60 name 59 continuation 60]]
   [7 0 [comment 61 keyword 15 continuation 61]]
   [19 0 [string 221 escape 220 expansion 295 string 220 word 296]]
   [1 0 [nil 192]]
   [20 0 [nil 192 escape 222 expansion 223 word 222 word 221]]
   [21 0 [variable 297]]
   [22 0 [nil 192 escape 222 expansion 223 word 221]]
   [35 0 [comment 63 name 62 continuation 63]]
   [33 0 [expansion 64]]
   [39 0 [string 64 comment 69 string 65 escape 66 expansion 67 word 68 word 65 continuation 69]]
   [33 0 [expansion 70]]
   [19 0 [string 11 escape 229 expansion 298 string 229 word 299]]
   [20 0 [nil 33 escape 230 expansion 231 word 230 word 11]]
   [21 0 [variable 300]]
   [22 0 [nil 33 escape 230 expansion 231 word 11]]
   [57 0 [string 70 comment 75 string 17 flag 71 escape 72 expansion 73 word 74 word 17 continuation 75]]
   [33 0 [expansion 76]]
   [1 302 [nil 301]]
   [1 304 [nil 303]]
   [nil 305 []]
   [19 0 [string 12 escape 238 expansion 306 string 238 word 307]]
   [20 0 [nil 34 escape 239 expansion 240 word 239 word 12]]
   [21 0 [variable 308]]
   [22 0 [nil 34 escape 239 expansion 240 word 12]]
   [57 0 [string 76 comment 82 string 77 flag 78 escape 79 expansion 80 word 81 word 77 continuation 82]]
   [19 0 [string 13 escape 243 expansion 309 string 243 word 310]]
   [20 0 [nil 35 escape 244 expansion 245 word 244 word 13]]
   [21 0 [variable 311]]
   [22 0 [nil 35 escape 244 expansion 245 word 13]]
   [nil 312 []]
   [54 0 [comment 85 flag 83 name 84 continuation 85]]
   [33 0 [expansion 86]]
   [1 0 [nil 313]]
   [nil 314 []]
   [19 0 [string 14 escape 252 expansion 315 string 252 word 316]]
   [20 0 [nil 36 escape 253 expansion 254 word 253 word 14]]
   [21 0 [variable 317]]
   [22 0 [nil 36 escape 253 expansion 254 word 14]]
   [57 0 [string 86 comment 92 string 87 flag 88 escape 89 expansion 90 word 91 word 87 continuation 92]]
   [33 0 [expansion 93]]
   [nil 318 []]
   [39 0 [string 93 comment 98 string 94 escape 95 expansion 96 word 97 word 94 continuation 98]]
   [33 0 [expansion 99]]
   [39 0 [string 99 comment 104 string 100 escape 101 expansion 102 word 103 word 100 continuation 104]]
   [33 0 [expansion 105]]
   [39 0 [string 105 comment 109 string 8 escape 106 expansion 107 word 108 word 8 continuation 109]]
   [59 0 [comment 110 number 8 continuation 110]]
   [19 0 [string 19 escape 265 expansion 319 string 265 word 320]]
   [20 0 [nil 41 escape 266 expansion 267 word 266 word 19]]
   [21 0 [variable 321]]
   [22 0 [nil 41 escape 266 expansion 267 word 19]]
   [60 0 [comment 112 flag 111 operator 51 continuation 112]]
   [1 0 [nil 1]]
   [19 0 [string 20 escape 271 expansion 322 string 271 word 323]]
   [20 0 [nil 42 escape 272 expansion 273 word 272 word 20]]
   [21 0 [variable 324]]
   [22 0 [nil 42 escape 272 expansion 273 word 20]]
   [61 0 [comment 186 shell 115 nil 325 continuation 186]]
   [62 0 [comment 116 fence 113 flag 114 shell 115 continuation 116]]
   [63 0 [comment 117 keyword 19 keyword 20 continuation 117]]
   [nil 326 []]
   [nil 327 []]
   [64 0 [comment 120 keyword 8 keyword 118 keyword 17 keyword 119 continuation 120]]
   [58 0 [comment 122 name 121 continuation 122]]
   [21 0 [variable 328]]
   [32 0 [string 196 escape 195]]
   [33 0 [expansion 198]]
   [21 0 [variable 329]]
   [32 0 [string 3 escape 202]]
   [33 0 [expansion 203]]
   [65 288 [comment 288 operator 51 nil 288 operator 8]]
   [33 0 [expansion 128]]
   [21 0 [variable 330]]
   [32 0 [string 5 escape 211]]
   [33 0 [expansion 212]]
   [25 0 [string 331 string 59 nil 136 escape 332 expansion 333 word 334 word 59]]
   [38 0 [comment 217 name 216 nil 335 continuation 217]]
   [21 0 [variable 336]]
   [32 0 [string 221 escape 220]]
   [33 0 [expansion 222]]
   [21 0 [variable 337]]
   [32 0 [string 11 escape 229]]
   [33 0 [expansion 230]]
   [nil 302 []]
   [66 302 [fence 270 escape 338 expansion 339 block 338 word 338]]
   [nil 304 []]
   [48 304 [fence 270 block 303]]
   [67 0 [fence 235 comment 237 fence 236 nil 340 continuation 237]]
   [21 0 [variable 341]]
   [32 0 [string 12 escape 238]]
   [33 0 [expansion 239]]
   [21 0 [variable 342]]
   [32 0 [string 13 escape 243]]
   [33 0 [expansion 244]]
   [68 0 [comment 247 keyword 10 nil 343 continuation 247]]
   [6 0 [name 8 continuation 344]]
   [69 0 [comment 251 keyword 250 nil 345 continuation 251]]
   [21 0 [variable 346]]
   [32 0 [string 14 escape 252]]
   [33 0 [expansion 253]]
   [70 0 [comment 258 keyword 10 keyword 84 operator 17 nil 347 continuation 258]]
   [21 0 [variable 348]]
   [32 0 [string 19 escape 265]]
   [33 0 [expansion 266]]
   [21 0 [variable 349]]
   [32 0 [string 20 escape 271]]
   [33 0 [expansion 272]]
   [71 0 [comment 186 shell 115 continuation 186]]
   [38 0 [comment 278 name 8 nil 350 continuation 278]]
   [26 0 [comment 279 key 8 nil 351 continuation 279]]
   [33 0 [expansion 195]]
   [33 0 [expansion 202]]
   [33 0 [expansion 211]]
   [19 0 [string 59 escape 331 expansion 352 string 331 word 353]]
   [20 0 [nil 136 escape 332 expansion 333 word 332 word 59]]
   [21 0 [variable 354]]
   [22 0 [nil 136 escape 332 expansion 333 word 59]]
   [35 0 [comment 217 name 216 continuation 217]]
   [33 0 [expansion 220]]
   [33 0 [expansion 229]]
   [72 302 [escape 338 expansion 339 block 338 word 338]]
   [21 0 [variable 355]]
   [73 0 [fence 235 comment 237 fence 236 continuation 237]]
   [33 0 [expansion 238]]
   [33 0 [expansion 243]]
   [74 0 [comment 247 keyword 10 continuation 247]]
   [nil 356 []]
   [43 0 [comment 251 keyword 250 continuation 251]]
   [33 0 [expansion 252]]
   [75 0 [comment 258 keyword 10 keyword 84 operator 17 continuation 258]]
   [33 0 [expansion 265]]
   [33 0 [expansion 271]]
   [35 0 [comment 278 name 8 continuation 278]]
   [53 0 [comment 279 key 8 continuation 279]]
   [21 0 [variable 357]]
   [32 0 [string 59 escape 331]]
   [33 0 [expansion 332]]
   [33 0 [expansion 338]]
   [36 0 [comment 344 nil 358 name 8 continuation 344]]
   [33 0 [expansion 331]]
   [58 0 [comment 344 name 8 continuation 344]]]
  "States: pattern, state in which the next line starts, moves.
A move is a role and the state behind it.  State 0 is between statements; a next
line in it continues nothing.")

(defconst metalor--bad
  "[\u0000-\u0008\u000b-\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
  "A character that no recipe may hold.")

;;;; Reading a buffer
;;
;; Text properties say what the automaton found: `metalor-role' of each character, `metalor-next' of a line's end
;; (the state in which the next line starts, if it is not 0), `metalor-shell', which is one object over each text
;; that the shell reads as a whole, and `metalor-depth' of a line's end: in how many IF, FOR and DEFINE the next line
;; starts, and in how many the statement at hand belongs, if that is not 0 and 0.  So what a line is needs no look at
;; those above it.

(defun metalor--state-at-line-start ()
  "The state at the start of the line, where point is."
  (or (and (not (bobp)) (get-text-property (1- (point)) 'metalor-next)) 0))

(defconst metalor--none '(0 . 0)
  "The depths at the margin.")

(defun metalor--depths ()
  "The two depths at the start of the line."
  (let ((start (line-beginning-position)))
    (or (and (> start (point-min)) (get-text-property (1- start) 'metalor-depth)) metalor--none)))

(defun metalor--depths-behind (depths)
  "The two depths behind the word of a statement at point, in front of it DEPTHS."
  (let ((case-fold-search nil))
    (if (not (looking-at "[ \t]*\\([A-Z]+\\)\\_>"))
        depths
      (let* ((word (match-string-no-properties 1))
             (own (metalor--own (car depths) word)))
        (cons (if (member word '("IF" "ELSE" "FOR" "DEFINE")) (1+ own) own) own)))))

(defun metalor--own (depth word)
  "In how many blocks a statement with a WORD belongs, where DEPTH are open."
  (if (member word '("ELSE" "END")) (max 0 (1- depth)) depth))

(defun metalor--read (start end)
  "Put into properties what the lines between START and END are."
  (save-restriction
    (widen)
    (goto-char start)
    (forward-line 0)
    (let* ((case-fold-search nil)
           (state (metalor--state-at-line-start))
           (shell (and (> state 0) (get-text-property (1- (point)) 'metalor-shell)))
           (depths (metalor--depths))
           next)
      (while (< (point) end)
        (let ((from (point)) (to (line-end-position)))
          (remove-list-of-text-properties
           from (min (1+ to) (point-max)) '(metalor-role metalor-next metalor-shell metalor-depth syntax-table))
          (when (= state 0)
            (setq depths (metalor--depths-behind depths)))
          (when (and (> to from) (eq (char-before to) ?\r))
            (setq to (1- to)))
          (setq next (metalor--read-line state to shell)
                state (car next)
                shell (cdr next))
          (goto-char to)
          (let ((newline (line-end-position)))
            (when (and (< newline (point-max)) (not (equal depths metalor--none)))
              (put-text-property newline (1+ newline) 'metalor-depth depths))
            (when (and (> state 0) (< newline (point-max)))
              (put-text-property newline (1+ newline) 'metalor-next state)
              (when shell
                (put-text-property to (1+ newline) 'metalor-shell shell))))
          (forward-line 1)
          (when (eobp)
            (setq end (point))))))))

(defun metalor--read-line (state end shell)
  "Read a line up to END, beginning in STATE and in the shell text SHELL.
Return the next line's state and shell text.  A CR that ends the line stands
behind END."
  (let (quoted)
    (while (< (point) end)
      (let* ((row (aref metalor--states state))
             (from (point))
             (move (and (aref row 0)
                        (looking-at (aref metalor--patterns (aref row 0)))
                        (metalor--move)))
             (role (if move (aref (aref row 2) (* 2 move)) 'error))
             (to (if move (match-end 0) end)))
        (setq state (if move (aref (aref row 2) (1+ (* 2 move))) -1)
              shell (metalor--shell-after role shell))
        (when role
          (put-text-property from to 'metalor-role role)
          (metalor--put-syntax role from to)
          (when (and (eq role 'string) (eq (char-after from) ?\"))
            (setq quoted (not quoted)))
          (metalor--put-bad from to))
        (when shell
          (put-text-property from to 'metalor-shell shell))
        (goto-char to)))
    ;; A word in double quotes ends with its line, whatever is missing.
    (when (and quoted (< end (point-max)))
      (put-text-property end (1+ end) 'syntax-table (string-to-syntax "|"))))
  (let ((next (if (< state 0) 0 (aref (aref metalor--states state) 1))))
    (cons next (and (> next 0) shell))))

(defun metalor--move ()
  "The number of the move that matched, from a state's."
  (let ((group 1))
    (while (not (match-beginning group))
      (setq group (1+ group)))
    (1- group)))

(defun metalor--shell-after (role shell)
  "The shell text that a token of ROLE behind SHELL belongs to."
  (cond ((eq role 'shell) (or shell (list 'shell)))
        ((memq role '(nil comment continuation)) shell)))

(defun metalor--put-syntax (role from to)
  "Tell Emacs's own commands that ROLE stands between FROM and TO."
  (cond ((eq role 'comment)
         (put-text-property from (1+ from) 'syntax-table (string-to-syntax "<")))
        ((not (eq role 'string)))
        ((eq (char-after from) ?\')
         (put-text-property from (1+ from) 'syntax-table (string-to-syntax "|"))
         (put-text-property (1- to) to 'syntax-table (string-to-syntax "|")))
        ((eq (char-after from) ?\")
         (put-text-property from (1+ from) 'syntax-table (string-to-syntax "|")))))

(defun metalor--put-bad (from to)
  "Mark the characters between FROM and TO that no recipe may hold."
  (goto-char from)
  (while (re-search-forward metalor--bad to t)
    (put-text-property (match-beginning 0) (match-end 0) 'metalor-role 'error)))

(defun metalor--role (&optional position)
  "The role of the character at POSITION, or at point."
  (syntax-propertize (min (1+ (or position (point))) (point-max)))
  (get-text-property (or position (point)) 'metalor-role))

(defun metalor--line-state ()
  "The state at the start of the current line; 0 if it continues nothing."
  (save-excursion
    (forward-line 0)
    (syntax-propertize (point))
    (metalor--state-at-line-start)))

(defun metalor--block-p (state)
  "Non-nil if lines in STATE belong to a block, out of which a fence leads."
  (let ((moves (aref (aref metalor--states state) 2)) (at 0) found)
    (while (< at (length moves))
      (when (eq (aref moves at) 'fence)
        (setq found (= state (aref (aref metalor--states state) 1))))
      (setq at (+ at 2)))
    found))

;;;; Colours

(defun metalor--fontify (limit)
  "Put faces on everything up to LIMIT.
A matcher for `font-lock-keywords' that leaves nothing to do."
  (syntax-propertize limit)
  (let (texts)
    (while (< (point) limit)
      (let* ((from (point))
             (to (next-single-property-change from 'metalor-role nil limit))
             (role (get-text-property from 'metalor-role))
             (text (get-text-property from 'metalor-shell)))
        (when role
          (put-text-property from to 'face (cdr (assq role metalor--roles))))
        (when (and (eq role 'shell) (not (eq text (cdar texts))))
          (push (cons from text) texts))
        (goto-char to)))
    (dolist (each texts)
      (metalor--fontify-shell (car each) limit)))
  nil)

(defconst metalor--font-lock-keywords '((metalor--fontify))
  "All there is to do for font-lock.")

(defun metalor--shell-bounds (position)
  "The start and the end of the shell text at POSITION."
  (cons (if (and (> position (point-min))
                 (eq (get-text-property (1- position) 'metalor-shell) (get-text-property position 'metalor-shell)))
            (previous-single-property-change position 'metalor-shell nil (point-min))
          position)
        (next-single-property-change position 'metalor-shell nil (point-max))))

(defun metalor--fontify-shell (from limit)
  "Put the faces of `sh-mode' on the shell text at FROM, up to LIMIT."
  (let* ((bounds (metalor--shell-bounds from))
         (start (car bounds))
         (end (cdr bounds)))
    (when (<= (- end start) metalor-shell-limit)
      (dolist (each (metalor--shell-faces (metalor--shell-text start end)))
        (let ((at (max from (+ start (nth 0 each))))
              (to (min limit (+ start (nth 1 each)))))
          (while (< at to)
            (let ((next (next-single-property-change at 'metalor-role nil to)))
              (when (eq (get-text-property at 'metalor-role) 'shell)
                (put-text-property at next 'face (list (nth 2 each) 'metalor-shell-face)))
              (setq at next))))))))

(defun metalor--shell-text (start end)
  "The shell's text between START and END.
Comment lines of ours are blanks to it."
  (let ((text (buffer-substring-no-properties start end)) (at start))
    (while (< at end)
      (let ((to (next-single-property-change at 'metalor-role nil end)))
        (when (eq (get-text-property at 'metalor-role) 'comment)
          (dotimes (offset (- to at))
            (aset text (+ (- at start) offset) ?\s)))
        (setq at to)))
    text))

(defvar metalor--shell-memory nil
  "The shell text that was looked at last, and its faces.")

(defun metalor--shell-faces (text)
  "The faces that `sh-mode' gives TEXT: a list of (START END FACE)."
  (unless (equal text (car metalor--shell-memory))
    (setq metalor--shell-memory (cons text (metalor--shell-faces-of text))))
  (cdr metalor--shell-memory))

(defun metalor--shell-faces-of (text)
  "Colour TEXT in a hidden buffer, and return its faces."
  (with-current-buffer (get-buffer-create " *metalor-shell*")
    (let ((inhibit-message t) (message-log-max nil) (at 1) faces)
      (unless (derived-mode-p 'sh-mode)
        (delay-mode-hooks (sh-mode))
        (sh-set-shell "bash" nil nil))
      (buffer-disable-undo)
      (erase-buffer)
      (insert text)
      (font-lock-ensure)
      (while (< at (point-max))
        (let ((to (next-single-property-change at 'face nil (point-max)))
              (face (get-text-property at 'face)))
          (when face
            (push (list (1- at) (1- to) face) faces))
          (setq at to)))
      (nreverse faces))))

(defvar font-lock-beg)
(defvar font-lock-end)

(defun metalor--extend-region ()
  "Let font-lock look at the shell's texts as a whole."
  (syntax-propertize font-lock-end)
  (let* ((from (and (> font-lock-beg (point-min)) (get-text-property (1- font-lock-beg) 'metalor-shell)
                    (car (metalor--shell-bounds (1- font-lock-beg)))))
         (to (and (< font-lock-end (point-max)) (get-text-property font-lock-end 'metalor-shell)
                  (cdr (metalor--shell-bounds font-lock-end))))
         changed)
    (when (and from (< from font-lock-beg) (<= (- font-lock-beg from) metalor-shell-limit))
      (setq font-lock-beg from changed t))
    (when (and to (> to font-lock-end) (<= (- to font-lock-end) metalor-shell-limit))
      (setq font-lock-end to changed t))
    changed))

;;;; Indentation

(defun metalor-indent-line ()
  "Indent the line.
Statements stand at the margin, and `metalor-indent-offset' further in for
each IF, FOR and DEFINE that they stand in; what continues them stands that
much further.  The lines of a block of text stay, as their margin is the
closing fence's column: only an empty one is indented, as the line before."
  (interactive)
  (let ((column (save-excursion (back-to-indentation) (current-column)))
        (wanted (metalor--wanted)))
    (cond ((null wanted) 'noindent)
          ((<= (current-column) column) (indent-line-to wanted))
          (t (save-excursion (indent-line-to wanted))))))

(defun metalor-indent-region (start end)
  "Indent the lines between START and END, but no line of a block of text.
What they want is found before the first one moves: a change would have all
that stands below it read again."
  (let (moves)
    (save-excursion
      (goto-char start)
      (forward-line 0)
      (while (< (point) end)
        (let ((wanted (unless (looking-at-p "[ \t]*$") (metalor--wanted))))
          (when wanted
            (push (cons (point) wanted) moves)))
        (forward-line 1)
        (when (eobp)
          (setq end (point))))
      (dolist (each moves)
        (goto-char (car each))
        (unless (= (current-indentation) (cdr each))
          (indent-line-to (cdr each)))))))

(defun metalor--wanted ()
  "The column where the line belongs, or nil to leave it alone."
  (let ((state (metalor--line-state))
        (own (cdr (metalor--depths))))
    (cond ((= state 0) (* (metalor--steps) metalor-indent-offset))
          ((metalor--block-p state) (metalor--block-column own))
          ((save-excursion (back-to-indentation) (eq (char-after) ?\])) (* own metalor-indent-offset))
          (t (* (1+ own) metalor-indent-offset)))))

(defun metalor--block-column (own)
  "The column of a line in a block of text of a statement in OWN blocks.
Nil to leave it alone."
  (save-excursion
    (back-to-indentation)
    (cond ((not (eolp)) nil)
          ((= 0 (progn (forward-line -1) (metalor--line-state))) (* (1+ own) metalor-indent-offset))
          (t (current-indentation)))))

(defun metalor--word ()
  "The first word of the statement that begins in this line, or nil."
  (save-excursion
    (back-to-indentation)
    (let ((case-fold-search nil))
      (and (= 0 (metalor--line-state)) (looking-at "[A-Z]+\\_>") (match-string-no-properties 0)))))

(defun metalor--steps ()
  "Return the margin, in offsets, of a line that continues nothing.
A comment above an ELSE or END is about what is before it where it stands
further in than that line, and else about what comes."
  (let ((depth (car (metalor--depths))) (indentation (current-indentation)))
    (save-excursion
      (back-to-indentation)
      (cond ((not (eq (char-after) ?#)) (metalor--own depth (metalor--word)))
            ((and (metalor--down-to-statement) (<= indentation (current-indentation)))
             (metalor--own depth (metalor--word)))
            (t depth)))))

(defvar-local metalor--comments '(-1)
  "When comments were last gone through, from where, and to which statement.")

(defun metalor--down-to-statement ()
  "Go from a comment down to the next statement, and say whether there is one.
The line of each comment of a long row is gone through once."
  (let ((from (point)) (tick (buffer-chars-modified-tick)))
    (if (and (= tick (car metalor--comments)) (< (nth 1 metalor--comments) from (nth 2 metalor--comments)))
        (goto-char (nth 2 metalor--comments))
      (while (and (looking-at "[ \t]*\\(?:#\\|$\\)") (= 0 (forward-line 1)) (not (eobp))))
      (setq metalor--comments (list tick from (point))))
    (not (looking-at-p "[ \t]*\\(?:#\\|$\\)"))))

(defun metalor--electric (_)
  "Say that a line is to be indented that became an END, an ELSE or a bracket."
  (and (looking-back "^[ \t]*\\(?:END\\|ELSE\\|\\]\\)" (line-beginning-position))
       (if (eq (char-before) ?\])
           (not (metalor--block-p (metalor--line-state)))
         (member (metalor--word) '("END" "ELSE")))))

;;;; Blocks and what closes them

(defun metalor--partner ()
  "The place of the ELSE or END that belongs to the word of the line.
Of an END it is that of its block's first word; nil where there is none."
  (let ((word (metalor--word)) (depth (cdr (metalor--depths-of-line))))
    (save-excursion
      (cond ((member word '("IF" "ELSE" "FOR" "DEFINE")) (metalor--find-word 1 depth '("ELSE" "END")))
            ((equal word "END") (metalor--find-word -1 depth '("IF" "FOR" "DEFINE")))))))

(defun metalor--depths-of-line ()
  "The two depths behind the word of the line."
  (save-excursion
    (forward-line 0)
    (metalor--depths-behind (metalor--depths))))

(defun metalor--find-word (step depth words)
  "The place of the next of some WORDS that belongs in DEPTH blocks.
STEP is 1 for below point and -1 for above."
  (let ((case-fold-search nil) found)
    (if (> step 0) (end-of-line) (forward-line 0))
    (while (and (not found) (re-search-forward "^[ \t]*\\(IF\\|ELSE\\|FOR\\|DEFINE\\|END\\)\\_>" nil t step))
      (goto-char (match-beginning 1))
      (let ((at (point)))
        (when (and (member (metalor--word) words) (= depth (cdr (metalor--depths-of-line))))
          (setq found at))
        (if (> step 0) (end-of-line) (forward-line 0))))
    found))

(defun metalor--show-partner (otherwise)
  "What is to be shown at point: a word of a block with its partner.
OTHERWISE says what is shown at other places."
  (let* ((word (metalor--word))
         (start (and word (save-excursion (back-to-indentation) (point))))
         (end (and word (+ start (length word))))
         (there (and word (<= start (point) end) (metalor--partner))))
    (if (not there)
        (funcall otherwise)
      (list start end there (save-excursion (goto-char there) (skip-chars-forward "A-Z") (point)) nil))))

(defun metalor--forward-sexp (&optional count)
  "Go over COUNT expressions, of which a block with its END is one."
  (let ((forward-sexp-function nil) (step (if (< (or count 1) 0) -1 1)))
    (dotimes (_ (abs (or count 1)))
      (let ((to (metalor--over-block step)))
        (if to (goto-char to) (forward-sexp step))))))

(defun metalor--over-block (step)
  "The end of a block that begins at point, or the start of one that ends there.
STEP is 1 or -1."
  (save-excursion
    (if (> step 0) (skip-chars-forward " \t\n") (skip-chars-backward " \t\n"))
    (let* ((word (metalor--word))
           (start (and word (save-excursion (back-to-indentation) (point))))
           (depth (and word (cdr (metalor--depths-of-line)))))
      (cond ((and (> step 0) (eql start (point)) (member word '("IF" "FOR" "DEFINE")))
             (let ((end (metalor--find-word 1 depth '("END"))))
               (and end (+ end 3))))
            ((and (< step 0) (equal word "END") (eql (point) (+ start 3)))
             (metalor--find-word -1 depth '("IF" "FOR" "DEFINE")))))))

;;;; Index and headings

(defun metalor--index ()
  "The index for imenu: stages, arguments, variables and groups."
  (syntax-propertize (point-max))
  (save-excursion
    (goto-char (point-min))
    (let (stages arguments variables groups word)
      (while (< (point) (point-max))
        (let* ((role (get-text-property (point) 'metalor-role))
               (at (point))
               (to (next-single-property-change at 'metalor-role nil (point-max)))
               (text (buffer-substring-no-properties at to)))
          (cond
           ((and (eq role 'keyword) (= at (save-excursion (back-to-indentation) (point))) (= 0 (metalor--line-state)))
            (setq word text)
            (when (equal word "FROM")
              (push (cons (metalor--stage-name) at) stages)))
           ((eq role 'name)
            (pcase word
              ("ARG" (push (cons text at) arguments))
              ("ENV" (push (cons text at) variables))
              ("DEFINE" (push (cons text at) groups)
               ;; What follows are its parameters.
               (setq word nil)))))
          (goto-char to)))
      (delq nil
            (list (and stages (cons "Stages" (nreverse stages)))
                  (and arguments (cons "Arguments" (nreverse arguments)))
                  (and variables (cons "Variables" (nreverse variables)))
                  (and groups (cons "Groups" (nreverse groups))))))))

(defun metalor--outline-level ()
  "The level of the heading at point: 1 for a stage, more for a block in it.
A line of a block of text, or one that continues a statement, is deeper
than all."
  (save-excursion
    (forward-line 0)
    (let ((word (metalor--word)))
      (cond ((null word) 1000)
            ((equal word "FROM") 1)
            (t (+ 2 (metalor--own (car (metalor--depths)) word)))))))

(defun metalor--stage-name ()
  "The name of the stage at whose FROM point is, or its base."
  (let ((at (point)) (end (line-end-position)) name base)
    (while (< at end)
      (let ((to (next-single-property-change at 'metalor-role nil end)))
        (pcase (get-text-property at 'metalor-role)
          ('name (setq name (buffer-substring-no-properties at to)))
          ((or 'word 'string 'expansion 'variable 'escape)
           (setq base (concat base (buffer-substring-no-properties at to)))))
        (setq at to)))
    (or name base "FROM")))

(defun metalor-beginning-of-stage (&optional count)
  "Go to the COUNTth FROM before point, or with a negative COUNT behind it."
  (interactive "^p")
  (let ((case-fold-search nil) (step (if (< (or count 1) 0) 1 -1)) found)
    (dotimes (_ (abs (or count 1)))
      (let ((start (point)) (target nil))
        (when (> step 0)
          (end-of-line))
        (while (and (not target) (re-search-forward "^[ \t]*\\(FROM\\)\\_>" nil t step))
          (when (save-excursion (goto-char (match-beginning 1)) (= 0 (metalor--line-state)))
            (setq target (match-beginning 1))))
        (setq found target)
        (goto-char (or target (if (> step 0) (point-max) (progn (goto-char start) (point-min)))))))
    (and found t)))

(defun metalor-end-of-stage ()
  "Go to the end of the stage around point."
  (interactive "^")
  (metalor-beginning-of-stage -1))

;;;; Flymake

(defvar-local metalor--flymake-process nil
  "The check that is under way.")

(defun metalor-flymake (report &rest _)
  "Let `metalor check' look at the buffer, and REPORT its errors."
  (unless (executable-find metalor-command)
    (error "Cannot find %s" metalor-command))
  (when (process-live-p metalor--flymake-process)
    (kill-process metalor--flymake-process))
  (let ((source (current-buffer))
        (output (generate-new-buffer " *metalor-check*")))
    (setq metalor--flymake-process
          (make-process
           :name "metalor-check" :noquery t :connection-type 'pipe :buffer output :coding 'utf-8-unix
           :command (append (list metalor-command "check" "--format" "json")
                            (and buffer-file-name (list "--stdin-filename" (file-local-name buffer-file-name)))
                            (list "-"))
           :sentinel
           (lambda (process _event)
             (when (memq (process-status process) '(exit signal))
               (unwind-protect
                   (when (and (buffer-live-p source)
                              (eq process (buffer-local-value 'metalor--flymake-process source)))
                     (if (< (process-exit-status process) 2)
                         (funcall report (metalor--diagnostics output source))
                       (funcall report :panic :explanation (with-current-buffer output (buffer-string)))))
                 (kill-buffer output))))))
    (save-restriction
      (widen)
      (process-send-region metalor--flymake-process (point-min) (point-max))
      (process-send-eof metalor--flymake-process))))

(defun metalor--diagnostics (output source)
  "The diagnostics of SOURCE in OUTPUT, for flymake."
  (with-current-buffer output
    (goto-char (point-min))
    (mapcar
     (lambda (each)
       (let-alist each
         (pcase-let ((`(,start . ,end) (metalor--region source .span.start.offset .span.end.offset)))
           (flymake-make-diagnostic
            source start end
            (pcase .severity ("error" :error) ("warning" :warning) (_ :note))
            (concat .code ": " .message (and .help (not (equal .help "")) (concat "\n" .help)))))))
     (let ((json-object-type 'alist) (json-array-type 'list) (json-null nil) (json-false nil))
       (and (re-search-forward "^{" nil t)
            (goto-char (match-beginning 0))
            (alist-get 'diagnostics (car (alist-get 'files (json-read)))))))))

(defun metalor--region (source start end)
  "The positions in SOURCE of the offsets START and END.
They are some character's even if the offsets are the same."
  (with-current-buffer source
    (save-restriction
      (widen)
      (let* ((last (1- (point-max)))
             (from (+ (point-min) (min start last)))
             (to (+ (point-min) (min end last))))
        (when (<= to from)
          (if (memq (char-after from) '(nil ?\n))
              (setq to from from (max (point-min) (1- from)))
            (setq to (1+ from))))
        (cons from to)))))

;;;; The mode

(defvar metalor-mode-syntax-table
  (let ((table (make-syntax-table)))
    (modify-syntax-entry ?\" "." table)
    (modify-syntax-entry ?\' "." table)
    (modify-syntax-entry ?\\ "." table)
    (modify-syntax-entry ?# "." table)
    (modify-syntax-entry ?$ "." table)
    (modify-syntax-entry ?= "." table)
    (modify-syntax-entry ?- "_" table)
    (modify-syntax-entry ?_ "_" table)
    (modify-syntax-entry ?= "." table)
    (modify-syntax-entry ?\n ">" table)
    table)
  "Comments and strings are where `metalor--put-syntax' says.")

;;;###autoload
(define-derived-mode metalor-mode prog-mode "Metalor"
  "Major mode for metalor build recipes."
  (setq-local syntax-propertize-function #'metalor--read)
  (setq-local parse-sexp-lookup-properties t)
  (setq-local comment-start "# ")
  (setq-local comment-start-skip "#+[ \t]*")
  (setq-local comment-end "")
  (setq-local font-lock-defaults
              '(metalor--font-lock-keywords nil nil nil (font-lock-syntactic-face-function . ignore)))
  (add-hook 'font-lock-extend-region-functions #'metalor--extend-region nil t)
  (setq-local indent-line-function #'metalor-indent-line)
  (setq-local indent-region-function #'metalor-indent-region)
  (add-hook 'electric-indent-functions #'metalor--electric nil t)
  (setq-local forward-sexp-function #'metalor--forward-sexp)
  (add-function :around (local 'show-paren-data-function) #'metalor--show-partner)
  (setq-local tab-width 4)
  (setq-local indent-tabs-mode nil)
  (setq-local imenu-create-index-function #'metalor--index)
  (setq-local outline-regexp "[ \t]*\\(?:FROM\\|IF\\|ELSE\\|FOR\\|DEFINE\\)\\_>")
  (setq-local outline-level #'metalor--outline-level)
  (setq-local beginning-of-defun-function #'metalor-beginning-of-stage)
  (setq-local end-of-defun-function #'metalor-end-of-stage)
  (add-hook 'flymake-diagnostic-functions #'metalor-flymake nil t))

;;;###autoload
(add-to-list 'auto-mode-alist '("\\.metalor\\'" . metalor-mode))

(with-eval-after-load 'eglot
  (add-to-list 'eglot-server-programs (list 'metalor-mode metalor-command "lsp")))

(provide 'metalor-mode)

;;; metalor-mode.el ends here
