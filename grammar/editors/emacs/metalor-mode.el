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
   "\\(#[^\n\r]*\\)\\|\\(ANNOTATE\\|LABEL\\)\\|\\(ARG\\)\\|\\(CMD\\|ENTRYPOINT\\|SHELL\\)\\|\\(COPY\\)\\|\\(ENV\\)\\|\\(EXPOSE\\|VOLUME\\)\\|\\(FETCH\\|GIT\\)\\|\\(FILE\\)\\|\\(FROM\\)\\|\\(LAYER\\|STOPSIGNAL\\|USER\\|WORKDIR\\)\\|\\(RECIPE\\)\\|\\(RUN\\)\\|\\(SH\\)\\|\\(TEST\\)\\|\\(UNSET\\)\\|\\([\t ]+\\)"
   "\\([\t ]+\\)"
   "\\([0-9A-Za-z][.-9A-Z_a-z-]*\\)\\|\\(\\\\[\t ]*\\)"
   "\\(--[a-z][0-9a-z-]*\\)\\|\\([A-Z_a-z][0-9A-Z_a-z]*\\)\\|\\(\\\\[\t ]*\\)"
   "\\(\\[\\)\\|\\(\\\\[\t ]*\\)"
   "\\(\"\\)\\|\\('[^\n\r']*'\\)\\|\\(--[a-z][0-9a-z-]*\\)\\|\\(\\$\\$+{\\)\\|\\(\\${\\)\\|\\(\\(?:[^\t-\n\r \"-$'[-\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)\\(?:[^\t-\n\r \"$'\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]+\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)*\\)\\|\\(\\$+\\)\\|\\(\\\\[\t ]*\\)"
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
   "\\(\"\\)\\|\\('[^\n\r']*'\\)\\|\\([\t ]+\\)\\|\\(\\$\\$+{\\)\\|\\(\\${\\)\\|\\(\\(?:[^\t-\n\r \"$'\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]+\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)+\\)\\|\\(\\$+\\)"
   "\\(#[^\n\r]*\\)\\|\\([0-9A-Za-z][.-9A-Z_a-z-]*\\)\\|\\([\t ]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(\"\\)\\|\\('[^\n\r']*'\\)\\|\\(\\$\\$+{\\)\\|\\(\\${\\)\\|\\(\\(?:[^\t-\n\r \"$'\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]+\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)+\\)\\|\\(\\$+\\)"
   "\\(#[^\n\r]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(--[a-z][0-9a-z-]*\\)\\|\\([A-Z_a-z][0-9A-Z_a-z]*\\)\\|\\([\t ]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(\"\\)\\|\\(\\$\\$+{\\|\\\\\\(?:[\"/\\bfnrt]\\|u[0-9A-Fa-f]\\{4,4\\}\\)\\)\\|\\(\\${\\)\\|\\(\\(?:[^\t-\n\r\"$\\]+\\|\\$+[^\t-\n\r\"$\\{]\\)+\\)\\|\\(\\$+\\)"
   "\\(\"\\)\\|\\(#[^\n\r]*\\)\\|\\([\t ]+\\)"
   "\\(#[^\n\r]*\\)\\|\\([\t ]+\\)\\|\\(\\[\\)\\|\\(\\\\[\t ]*\\)"
   "\\(\"\\)\\|\\(\\\\\\(?:[\"/\\bfnrt]\\|u[0-9A-Fa-f]\\{4,4\\}\\)\\)"
   "\\(}\\)"
   "\\(\"\\)\\|\\(#[^\n\r]*\\)\\|\\('[^\n\r']*'\\)\\|\\(--[a-z][0-9a-z-]*\\)\\|\\([\t ]+\\)\\|\\(\\$\\$+{\\)\\|\\(\\${\\)\\|\\(\\(?:[^\t-\n\r \"-$'[-\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)\\(?:[^\t-\n\r \"$'\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]+\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)*\\)\\|\\(\\$+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\([A-Z_a-z][0-9A-Z_a-z]*\\)\\|\\([\t ]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(\"\\)\\|\\(#[^\n\r]*\\)\\|\\('[^\n\r']*'\\)\\|\\(\\$\\$+{\\)\\|\\(\\${\\)\\|\\(\\(?:[^\t-\n\r \"-$'[-\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)\\(?:[^\t-\n\r \"$'\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]+\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)*\\)\\|\\(\\$+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(\"\\)\\|\\(#[^\n\r]*\\)\\|\\('[^\n\r']*'\\)\\|\\([\t ]+\\)\\|\\(\\$\\$+{\\)\\|\\(\\${\\)\\|\\(\\(?:[^\t-\n\r \"-$'[-\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)\\(?:[^\t-\n\r \"$'\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]+\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)*\\)\\|\\(\\$+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(\"\"\"\\)\\|\\('''\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(AS\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\([0-9]+\\)\\|\\([\t ]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(--[a-z][0-9a-z-]*\\)\\|\\([\t ]+\\)\\|\\(\\[\\)\\|\\(\\\\[\t ]*\\)"
   "\\([\t ]*'''\\)\\|\\([^\n\r]+\\)"
   "\\(#[^\n\r]*\\)\\|\\('''\\)\\|\\(--[a-z][0-9a-z-]*\\)\\|\\(\\(?:[^\t-\n\r \\]\\|\\(?:\\\\[\t ]+\\)*\\(?:\\\\[^\t-\n\r ]\\|\\\\[\t ]+[^\t-\n\r \\]\\)\\)\\(?:[^\n\r\\]+\\|\\(?:\\\\[\t ]+\\)*\\(?:\\\\[^\t-\n\r ]\\|\\\\[\t ]+[^\t-\n\r \\]\\)\\)*\\)\\|\\([\t ]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(RUN\\)\\|\\(SH\\)\\|\\([\t ]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(CMD\\|ENTRYPOINT\\|STOPSIGNAL\\|USER\\|WORKDIR\\)\\|\\(ENV\\)\\|\\(EXPOSE\\|VOLUME\\)\\|\\(LABEL\\)\\|\\([\t ]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\([0-9A-Za-z][.-9A-Z_a-z-]*\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(--[a-z][0-9a-z-]*\\)\\|\\([A-Z_a-z][0-9A-Z_a-z]*\\)\\|\\(\\\\[\t ]*\\)"
   "\\(,\\)\\|\\([\t ]+\\)\\|\\(]\\)"
   "\\(#[^\n\r]*\\)\\|\\(\\[\\)\\|\\(\\\\[\t ]*\\)"
   "\\(\"\\)\\|\\(#[^\n\r]*\\)\\|\\('[^\n\r']*'\\)\\|\\(--[a-z][0-9a-z-]*\\)\\|\\(\\$\\$+{\\)\\|\\(\\${\\)\\|\\(\\(?:[^\t-\n\r \"-$'[-\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)\\(?:[^\t-\n\r \"$'\\\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]+\\|\\$+[^\t-\n\r \"$'-(A-Z\\_a-{\u00a0\u1680\u2000-\u200a\u2028-\u2029\u202f\u205f\u3000]\\)*\\)\\|\\(\\$+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\([A-Z_a-z][0-9A-Z_a-z]*\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\([0-9]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(--[a-z][0-9a-z-]*\\)\\|\\(\\[\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(\\(?:[^\t-\n\r \\]\\|\\(?:\\\\[\t ]+\\)*\\(?:\\\\[^\t-\n\r ]\\|\\\\[\t ]+[^\t-\n\r \\]\\)\\)\\(?:[^\n\r\\]+\\|\\(?:\\\\[\t ]+\\)*\\(?:\\\\[^\t-\n\r ]\\|\\\\[\t ]+[^\t-\n\r \\]\\)\\)*\\)\\|\\([\t ]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\('''\\)\\|\\(--[a-z][0-9a-z-]*\\)\\|\\(\\(?:[^\t-\n\r \\]\\|\\(?:\\\\[\t ]+\\)*\\(?:\\\\[^\t-\n\r ]\\|\\\\[\t ]+[^\t-\n\r \\]\\)\\)\\(?:[^\n\r\\]+\\|\\(?:\\\\[\t ]+\\)*\\(?:\\\\[^\t-\n\r ]\\|\\\\[\t ]+[^\t-\n\r \\]\\)\\)*\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(RUN\\)\\|\\(SH\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(CMD\\|ENTRYPOINT\\|STOPSIGNAL\\|USER\\|WORKDIR\\)\\|\\(ENV\\)\\|\\(EXPOSE\\|VOLUME\\)\\|\\(LABEL\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(,\\)\\|\\([\t ]+\\)\\|\\(]\\)"
   "\\([\t ]*\"\"\"\\)\\|\\(\\$\\$+{\\)\\|\\(\\${\\)\\|\\(\\(?:[^\n\r$]+\\|\\$+[^\n\r${]\\)+\\)\\|\\(\\$+\\)"
   "\\(\"\"\"\\)\\|\\(#[^\n\r]*\\)\\|\\('''\\)\\|\\([\t ]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\([a-z][0-9_a-z-]*\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(AS\\)\\|\\([\t ]+\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\(\\(?:[^\t-\n\r \\]\\|\\(?:\\\\[\t ]+\\)*\\(?:\\\\[^\t-\n\r ]\\|\\\\[\t ]+[^\t-\n\r \\]\\)\\)\\(?:[^\n\r\\]+\\|\\(?:\\\\[\t ]+\\)*\\(?:\\\\[^\t-\n\r ]\\|\\\\[\t ]+[^\t-\n\r \\]\\)\\)*\\)\\|\\(\\\\[\t ]*\\)"
   "\\(\\$\\$+{\\)\\|\\(\\${\\)\\|\\(\\(?:[^\n\r$]+\\|\\$+[^\n\r${]\\)+\\)\\|\\(\\$+\\)"
   "\\(\"\"\"\\)\\|\\(#[^\n\r]*\\)\\|\\('''\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\([\t ]+\\)\\|\\([a-z][0-9_a-z-]*\\)\\|\\(\\\\[\t ]*\\)"
   "\\(#[^\n\r]*\\)\\|\\([a-z][0-9_a-z-]*\\)\\|\\(\\\\[\t ]*\\)")
  "What may stand in a state: a group for each of its moves.")

(defconst metalor--states
  [
   [0 0 [comment 1 keyword 2 keyword 3 keyword 4 keyword 5 keyword 6 keyword 7 keyword 8 keyword 9 keyword 10 keyword 11 keyword 12 keyword 13 keyword 14 keyword 15 keyword 16 nil 0]]
   [nil 0 []]
   [1 0 [nil 17]]
   [1 0 [nil 18]]
   [1 0 [nil 19]]
   [1 0 [nil 20]]
   [1 0 [nil 21]]
   [1 0 [nil 22]]
   [1 0 [nil 23]]
   [1 0 [nil 24]]
   [1 0 [nil 25]]
   [1 0 [nil 26]]
   [1 0 [nil 27]]
   [1 0 [nil 28]]
   [1 0 [nil 29]]
   [1 0 [nil 30]]
   [1 0 [nil 31]]
   [2 0 [key 32 continuation 33]]
   [3 0 [flag 34 name 35 continuation 36]]
   [4 0 [operator 37 continuation 38]]
   [5 0 [string 39 string 7 flag 40 escape 41 expansion 42 word 43 word 7 continuation 44]]
   [6 0 [name 45 continuation 46]]
   [7 0 [string 47 string 48 escape 49 expansion 50 word 51 word 48 continuation 52]]
   [5 0 [string 53 string 11 flag 54 escape 55 expansion 56 word 57 word 11 continuation 58]]
   [5 0 [string 59 string 60 flag 61 escape 62 expansion 63 word 64 word 60 continuation 65]]
   [5 0 [string 66 string 67 flag 68 escape 69 expansion 70 word 71 word 67 continuation 72]]
   [7 0 [string 73 string 74 escape 75 expansion 76 word 77 word 74 continuation 78]]
   [8 0 [number 74 continuation 79]]
   [9 0 [flag 80 operator 37 continuation 81]]
   [10 0 [fence 82 flag 83 shell 84 continuation 85]]
   [11 0 [keyword 13 keyword 14 continuation 86]]
   [12 0 [keyword 74 keyword 87 keyword 11 keyword 88 continuation 89]]
   [13 0 [operator 90]]
   [nil 91 []]
   [14 0 [operator 92 nil 18]]
   [14 0 [operator 93 nil 94]]
   [nil 95 []]
   [15 97 [string 96 nil 97]]
   [nil 98 []]
   [16 0 [string 7 escape 39 expansion 99 string 39 word 100]]
   [14 0 [operator 101 nil 20]]
   [17 0 [nil 22 escape 41 expansion 42 word 41 word 7]]
   [18 0 [variable 102]]
   [19 0 [nil 22 escape 41 expansion 42 word 7]]
   [nil 103 []]
   [13 0 [operator 104]]
   [nil 105 []]
   [16 0 [string 48 escape 47 expansion 106 string 47 word 107]]
   [1 0 [nil 108]]
   [17 0 [nil 108 escape 49 expansion 50 word 49 word 48]]
   [18 0 [variable 109]]
   [19 0 [nil 108 escape 49 expansion 50 word 48]]
   [nil 110 []]
   [16 0 [string 11 escape 53 expansion 111 string 53 word 112]]
   [14 0 [operator 113 nil 23]]
   [17 0 [nil 26 escape 55 expansion 56 word 55 word 11]]
   [18 0 [variable 114]]
   [19 0 [nil 26 escape 55 expansion 56 word 11]]
   [nil 115 []]
   [16 0 [string 60 escape 59 expansion 116 string 59 word 117]]
   [1 0 [nil 118]]
   [14 0 [operator 119 nil 24]]
   [17 0 [nil 118 escape 62 expansion 63 word 62 word 60]]
   [18 0 [variable 120]]
   [19 0 [nil 118 escape 62 expansion 63 word 60]]
   [nil 121 []]
   [16 0 [string 67 escape 66 expansion 122 string 66 word 123]]
   [1 0 [nil 124]]
   [14 0 [operator 125 nil 25]]
   [17 0 [nil 124 escape 69 expansion 70 word 69 word 67]]
   [18 0 [variable 126]]
   [19 0 [nil 124 escape 69 expansion 70 word 67]]
   [nil 127 []]
   [16 0 [string 74 escape 73 expansion 128 string 73 word 129]]
   [1 0 [nil 94]]
   [17 0 [nil 94 escape 75 expansion 76 word 75 word 74]]
   [18 0 [variable 130]]
   [19 0 [nil 94 escape 75 expansion 76 word 74]]
   [nil 131 []]
   [nil 132 []]
   [14 0 [operator 133 nil 28]]
   [nil 134 []]
   [1 136 [nil 135]]
   [14 0 [operator 137 nil 29]]
   [20 0 [continuation 138]]
   [nil 139 []]
   [nil 140 []]
   [1 0 [nil 141]]
   [1 0 [nil 142]]
   [nil 143 []]
   [21 0 [string 144 string 145 nil 146 escape 147 expansion 148 word 149 word 145]]
   [22 0 [comment 33 key 32 nil 150 continuation 33]]
   [23 0 [string 151 string 3 escape 152 expansion 153 word 154 word 3]]
   [21 0 [string 73 string 74 nil 94 escape 75 expansion 76 word 77 word 74]]
   [24 0 [comment 1]]
   [25 0 [comment 36 flag 34 name 35 nil 155 continuation 36]]
   [26 0 [string 156 escape 96 expansion 157 string 96 word 96]]
   [27 97 [string 96 comment 97 nil 97]]
   [28 0 [comment 38 nil 158 operator 37 continuation 38]]
   [18 0 [variable 159]]
   [29 0 [string 7 escape 39]]
   [23 0 [string 160 string 5 escape 161 expansion 162 word 163 word 5]]
   [30 0 [expansion 41]]
   [31 0 [string 39 comment 44 string 7 flag 40 nil 164 escape 41 expansion 42 word 43 word 7 continuation 44]]
   [21 0 [string 165 string 166 nil 167 escape 168 expansion 169 word 170 word 166]]
   [32 0 [comment 46 name 45 nil 171 continuation 46]]
   [18 0 [variable 172]]
   [29 0 [string 48 escape 47]]
   [33 0 [string 47 comment 1 string 48 escape 49 expansion 50 word 51 word 48 continuation 52]]
   [30 0 [expansion 49]]
   [34 0 [string 47 comment 52 string 48 nil 173 escape 49 expansion 50 word 51 word 48 continuation 52]]
   [18 0 [variable 174]]
   [29 0 [string 11 escape 53]]
   [23 0 [string 175 string 8 escape 176 expansion 177 word 178 word 8]]
   [30 0 [expansion 55]]
   [31 0 [string 53 comment 58 string 11 flag 54 nil 179 escape 55 expansion 56 word 57 word 11 continuation 58]]
   [18 0 [variable 180]]
   [29 0 [string 60 escape 59]]
   [35 0 [fence 181 fence 182 continuation 183]]
   [23 0 [string 184 string 9 escape 185 expansion 186 word 187 word 9]]
   [30 0 [expansion 62]]
   [31 0 [string 59 comment 65 string 60 flag 61 nil 188 escape 62 expansion 63 word 64 word 60 continuation 65]]
   [18 0 [variable 189]]
   [29 0 [string 67 escape 66]]
   [36 0 [comment 1 keyword 190 continuation 191]]
   [23 0 [string 192 string 10 escape 193 expansion 194 word 195 word 10]]
   [30 0 [expansion 69]]
   [31 0 [string 66 comment 72 string 67 flag 68 nil 196 escape 69 expansion 70 word 71 word 67 continuation 72]]
   [18 0 [variable 197]]
   [29 0 [string 74 escape 73]]
   [30 0 [expansion 75]]
   [34 0 [string 73 comment 78 string 74 nil 198 escape 75 expansion 76 word 77 word 74 continuation 78]]
   [37 0 [comment 79 number 74 nil 199 continuation 79]]
   [23 0 [string 200 string 13 escape 201 expansion 202 word 203 word 13]]
   [38 0 [comment 81 flag 80 nil 204 operator 37 continuation 81]]
   [nil 136 []]
   [39 136 [fence 205 shell 135]]
   [23 0 [string 206 string 14 escape 207 expansion 208 word 209 word 14]]
   [nil 210 []]
   [40 0 [comment 85 fence 82 flag 83 shell 84 nil 211 continuation 85]]
   [41 0 [comment 86 keyword 13 keyword 14 nil 212 continuation 86]]
   [6 0 [name 74 continuation 213]]
   [2 0 [key 74 continuation 214]]
   [42 0 [comment 89 keyword 74 keyword 87 keyword 11 keyword 88 nil 215 continuation 89]]
   [16 0 [string 145 escape 144 expansion 216 string 144 word 217]]
   [1 0 [nil 146]]
   [43 0 [comment 1 key 32 continuation 33]]
   [17 0 [nil 146 escape 147 expansion 148 word 147 word 145]]
   [18 0 [variable 218]]
   [19 0 [nil 146 escape 147 expansion 148 word 145]]
   [43 0 [comment 33 key 32 continuation 33]]
   [16 0 [string 3 escape 151 expansion 219 string 151 word 220]]
   [17 0 [nil 18 escape 152 expansion 153 word 152 word 3]]
   [18 0 [variable 221]]
   [19 0 [nil 18 escape 152 expansion 153 word 3]]
   [44 0 [comment 36 flag 34 name 35 continuation 36]]
   [45 222 [operator 37 nil 222 operator 74]]
   [18 0 [variable 223]]
   [46 0 [comment 38 operator 37 continuation 38]]
   [30 0 [expansion 39]]
   [16 0 [string 5 escape 160 expansion 224 string 160 word 225]]
   [17 0 [nil 20 escape 161 expansion 162 word 161 word 5]]
   [18 0 [variable 226]]
   [19 0 [nil 20 escape 161 expansion 162 word 5]]
   [47 0 [string 39 comment 44 string 7 flag 40 escape 41 expansion 42 word 43 word 7 continuation 44]]
   [16 0 [string 166 escape 165 expansion 227 string 165 word 228]]
   [1 0 [nil 167]]
   [48 0 [comment 1 name 45 continuation 46]]
   [17 0 [nil 167 escape 168 expansion 169 word 168 word 166]]
   [18 0 [variable 229]]
   [19 0 [nil 167 escape 168 expansion 169 word 166]]
   [48 0 [comment 46 name 45 continuation 46]]
   [30 0 [expansion 47]]
   [33 0 [string 47 comment 52 string 48 escape 49 expansion 50 word 51 word 48 continuation 52]]
   [30 0 [expansion 53]]
   [16 0 [string 8 escape 175 expansion 230 string 175 word 231]]
   [17 0 [nil 23 escape 176 expansion 177 word 176 word 8]]
   [18 0 [variable 232]]
   [19 0 [nil 23 escape 176 expansion 177 word 8]]
   [47 0 [string 53 comment 58 string 11 flag 54 escape 55 expansion 56 word 57 word 11 continuation 58]]
   [30 0 [expansion 59]]
   [1 234 [nil 233]]
   [1 236 [nil 235]]
   [nil 237 []]
   [16 0 [string 9 escape 184 expansion 238 string 184 word 239]]
   [17 0 [nil 24 escape 185 expansion 186 word 185 word 9]]
   [18 0 [variable 240]]
   [19 0 [nil 24 escape 185 expansion 186 word 9]]
   [47 0 [string 59 comment 65 string 60 flag 61 escape 62 expansion 63 word 64 word 60 continuation 65]]
   [30 0 [expansion 66]]
   [1 0 [nil 241]]
   [nil 242 []]
   [16 0 [string 10 escape 192 expansion 243 string 192 word 244]]
   [17 0 [nil 25 escape 193 expansion 194 word 193 word 10]]
   [18 0 [variable 245]]
   [19 0 [nil 25 escape 193 expansion 194 word 10]]
   [47 0 [string 66 comment 72 string 67 flag 68 escape 69 expansion 70 word 71 word 67 continuation 72]]
   [30 0 [expansion 73]]
   [33 0 [string 73 comment 78 string 74 escape 75 expansion 76 word 77 word 74 continuation 78]]
   [49 0 [comment 79 number 74 continuation 79]]
   [16 0 [string 13 escape 200 expansion 246 string 200 word 247]]
   [17 0 [nil 28 escape 201 expansion 202 word 201 word 13]]
   [18 0 [variable 248]]
   [19 0 [nil 28 escape 201 expansion 202 word 13]]
   [50 0 [comment 81 flag 80 operator 37 continuation 81]]
   [1 0 [nil 1]]
   [16 0 [string 14 escape 206 expansion 249 string 206 word 250]]
   [17 0 [nil 29 escape 207 expansion 208 word 207 word 14]]
   [18 0 [variable 251]]
   [19 0 [nil 29 escape 207 expansion 208 word 14]]
   [51 0 [comment 138 shell 84 nil 252 continuation 138]]
   [52 0 [comment 85 fence 82 flag 83 shell 84 continuation 85]]
   [53 0 [comment 86 keyword 13 keyword 14 continuation 86]]
   [nil 253 []]
   [nil 254 []]
   [54 0 [comment 89 keyword 74 keyword 87 keyword 11 keyword 88 continuation 89]]
   [18 0 [variable 255]]
   [29 0 [string 145 escape 144]]
   [30 0 [expansion 147]]
   [18 0 [variable 256]]
   [29 0 [string 3 escape 151]]
   [30 0 [expansion 152]]
   [55 222 [comment 222 operator 37 nil 222 operator 74]]
   [30 0 [expansion 96]]
   [18 0 [variable 257]]
   [29 0 [string 5 escape 160]]
   [30 0 [expansion 161]]
   [18 0 [variable 258]]
   [29 0 [string 166 escape 165]]
   [30 0 [expansion 168]]
   [18 0 [variable 259]]
   [29 0 [string 8 escape 175]]
   [30 0 [expansion 176]]
   [nil 234 []]
   [56 234 [fence 205 escape 260 expansion 261 block 260 word 260]]
   [nil 236 []]
   [39 236 [fence 205 block 235]]
   [57 0 [fence 181 comment 183 fence 182 nil 262 continuation 183]]
   [18 0 [variable 263]]
   [29 0 [string 9 escape 184]]
   [30 0 [expansion 185]]
   [58 0 [name 74 continuation 264]]
   [59 0 [comment 191 keyword 190 nil 265 continuation 191]]
   [18 0 [variable 266]]
   [29 0 [string 10 escape 192]]
   [30 0 [expansion 193]]
   [18 0 [variable 267]]
   [29 0 [string 13 escape 200]]
   [30 0 [expansion 201]]
   [18 0 [variable 268]]
   [29 0 [string 14 escape 206]]
   [30 0 [expansion 207]]
   [60 0 [comment 138 shell 84 continuation 138]]
   [32 0 [comment 213 name 74 nil 269 continuation 213]]
   [22 0 [comment 214 key 74 nil 270 continuation 214]]
   [30 0 [expansion 144]]
   [30 0 [expansion 151]]
   [30 0 [expansion 160]]
   [30 0 [expansion 165]]
   [30 0 [expansion 175]]
   [61 234 [escape 260 expansion 261 block 260 word 260]]
   [18 0 [variable 271]]
   [62 0 [fence 181 comment 183 fence 182 continuation 183]]
   [30 0 [expansion 184]]
   [nil 272 []]
   [36 0 [comment 191 keyword 190 continuation 191]]
   [30 0 [expansion 192]]
   [30 0 [expansion 200]]
   [30 0 [expansion 206]]
   [48 0 [comment 213 name 74 continuation 213]]
   [43 0 [comment 214 key 74 continuation 214]]
   [30 0 [expansion 260]]
   [63 0 [comment 264 nil 273 name 74 continuation 264]]
   [64 0 [comment 264 name 74 continuation 264]]]
  "States: pattern, state in which the next line starts, moves.
A move is a role and the state behind it.  State 0 is between statements; a next
line in it continues nothing.")

(defconst metalor--bad
  "[\u0000-\u0008\u000b-\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
  "A character that no recipe may hold.")

;;;; Reading a buffer
;;
;; Text properties say what the automaton found: `metalor-role' of each character, `metalor-next' of a line's end
;; (the state in which the next line starts, if it is not 0), and `metalor-shell', which is one object over each text
;; that the shell reads as a whole.

(defun metalor--state-at-line-start ()
  "The state at the start of the line, where point is."
  (or (and (not (bobp)) (get-text-property (1- (point)) 'metalor-next)) 0))

(defun metalor--read (start end)
  "Put into properties what the lines between START and END are."
  (save-restriction
    (widen)
    (goto-char start)
    (forward-line 0)
    (let* ((case-fold-search nil)
           (state (metalor--state-at-line-start))
           (shell (and (> state 0) (get-text-property (1- (point)) 'metalor-shell)))
           next)
      (while (< (point) end)
        (let ((from (point)) (to (line-end-position)))
          (remove-list-of-text-properties
           from (min (1+ to) (point-max)) '(metalor-role metalor-next metalor-shell syntax-table))
          (when (and (> to from) (eq (char-before to) ?\r))
            (setq to (1- to)))
          (setq next (metalor--read-line state to shell)
                state (car next)
                shell (cdr next))
          (goto-char to)
          (let ((newline (line-end-position)))
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
Statements stand at the margin, and what continues them is indented by
`metalor-indent-offset'.  The lines of a block are its text, whose margin is
the closing fence's column: only an empty one is indented, as the line before."
  (interactive)
  (let* ((state (metalor--line-state))
         (column (save-excursion (back-to-indentation) (current-column)))
         (wanted (cond ((= state 0) 0)
                       ((metalor--block-p state) (metalor--block-column))
                       ((save-excursion (back-to-indentation) (eq (char-after) ?\])) 0)
                       (t metalor-indent-offset))))
    (if (null wanted)
        'noindent
      (if (<= (current-column) column)
          (indent-line-to wanted)
        (save-excursion (indent-line-to wanted))))))

(defun metalor--block-column ()
  "The column of a line in a block; nil to leave it alone."
  (save-excursion
    (back-to-indentation)
    (cond ((not (eolp)) nil)
          ((= 0 (progn (forward-line -1) (metalor--line-state))) metalor-indent-offset)
          (t (current-indentation)))))

;;;; Index, headings, statements

(defun metalor--statement ()
  "The first word of the statement around point, and move there."
  (forward-line 0)
  (while (and (> (metalor--line-state) 0) (not (bobp)))
    (forward-line -1))
  (back-to-indentation)
  (and (eq (metalor--role) 'keyword)
       (buffer-substring-no-properties
        (point) (next-single-property-change (point) 'metalor-role nil (line-end-position)))))

(defun metalor--index ()
  "The index for imenu: stages, arguments and variables."
  (syntax-propertize (point-max))
  (save-excursion
    (goto-char (point-min))
    (let (stages arguments variables)
      (while (< (point) (point-max))
        (let ((role (get-text-property (point) 'metalor-role)) (at (point)))
          (cond
           ((and (eq role 'keyword) (looking-at "FROM\\_>") (= 0 (metalor--line-state)))
            (push (cons (metalor--stage-name) at) stages))
           ((eq role 'name)
            (let ((word (save-excursion (metalor--statement)))
                  (name (buffer-substring-no-properties
                         at (next-single-property-change at 'metalor-role nil (point-max)))))
              (cond ((equal word "ARG") (push (cons name at) arguments))
                    ((equal word "ENV") (push (cons name at) variables))))))
          (goto-char (next-single-property-change at 'metalor-role nil (point-max)))))
      (delq nil
            (list (and stages (cons "Stages" (nreverse stages)))
                  (and arguments (cons "Arguments" (nreverse arguments)))
                  (and variables (cons "Variables" (nreverse variables))))))))

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
  (setq-local tab-width 4)
  (setq-local indent-tabs-mode nil)
  (setq-local imenu-create-index-function #'metalor--index)
  (setq-local outline-regexp "FROM\\_>")
  (setq-local outline-level (lambda () 1))
  (setq-local beginning-of-defun-function #'metalor-beginning-of-stage)
  (setq-local end-of-defun-function #'metalor-end-of-stage)
  (add-hook 'flymake-diagnostic-functions #'metalor-flymake nil t))

;;;###autoload
(add-to-list 'auto-mode-alist '("\\.metalor\\'" . metalor-mode))

(with-eval-after-load 'eglot
  (add-to-list 'eglot-server-programs (list 'metalor-mode metalor-command "lsp")))

(provide 'metalor-mode)

;;; metalor-mode.el ends here
