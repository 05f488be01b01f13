;;; The role of every character of many texts, in Emacs without a screen.  -*- lexical-binding: t -*-
;; Files are as in vim.vim.

(require 'json)
(add-to-list 'load-path (getenv "METALOR_FILES"))
(require 'metalor-mode)

(defun work (name)
  "The file NAME of the folder we work in."
  (expand-file-name name (getenv "METALOR_WORK")))

(defun contents (name)
  "The text of a file NAME."
  (with-temp-buffer
    (let ((coding-system-for-read 'utf-8-unix))
      (insert-file-contents (work name)))
    (buffer-string)))

(defvar letters
  (let ((json-key-type 'string) (json-object-type 'alist))
    (json-read-from-string (contents "letters"))))

(defun letter-of (face)
  "The letter of a face of ours, or nil."
  (let ((name (symbol-name face)))
    (and (string-match "\\`metalor-\\([a-z]+\\)-face\\'" name)
         (cdr (assoc (match-string 1 name) letters)))))

(defun letter (faces)
  "The letter of what a `face' property holds."
  (let (found)
    (dolist (face (if (listp faces) faces (list faces)) (or found " "))
      (setq found (or (letter-of face) found)))))

(defun roles ()
  "The letters of the buffer, line ends as they are."
  (let ((at (point-min)) parts)
    (while (< at (point-max))
      (let* ((to (next-single-property-change at 'face nil (point-max)))
             (char (string-to-char (letter (get-text-property at 'face)))))
        (push (make-string (- to at) char) parts)
        (setq at to)))
    (let ((text (apply #'concat (nreverse parts))))
      (goto-char (point-min))
      (while (search-forward "\n" nil t)
        (aset text (- (match-beginning 0) (point-min)) ?\n))
      text)))

(let ((lines (split-string (contents "texts") "\n"))
      (counts (mapcar #'string-to-number (split-string (contents "counts") "\n" t)))
      (coding-system-for-write 'utf-8-unix)
      out)
  (with-temp-buffer
    (metalor-mode)
    (dolist (count counts)
      (erase-buffer)
      (insert (mapconcat #'identity (seq-take lines count) "\n"))
      (setq lines (nthcdr count lines))
      (font-lock-ensure)
      (push (roles) out)))
  (with-temp-file (work "roles")
    (insert (mapconcat #'identity (nreverse out) "\n"))))
