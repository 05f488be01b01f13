;;; metalor-mode.el --- Major mode for metalor build recipes -*- lexical-binding: t; coding: utf-8 -*-

;; Version: 1.0
;; Package-Requires: ((emacs "27.1"))
;; Keywords: languages, tools
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; @WRITTEN@
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

@FACES@

;;;; The automaton

(defconst metalor--roles
  @ROLES@
  "The face of each role.")

(defconst metalor--patterns
  (vector
@PATTERNS@)
  "What may stand in a state: a group for each of its moves.")

(defconst metalor--states
  [
@STATES@]
  "States: pattern, state in which the next line starts, moves.
A move is a role and the state behind it.  State 0 is between statements; a next
line in it continues nothing.")

(defconst metalor--bad
  @BAD@
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
