"""What roles look like at the prompt.

Invariant: every role has a row; the sixteen colours that every terminal has, so that its own theme decides.
"""

from metalor_lang.hints import Final

STYLE: Final = {
    "keyword": "bold ansiblue",
    "space": "",
    "comment": "ansibrightblack",
    "continuation": "ansibrightblack",
    "flag": "ansicyan",
    "operator": "",
    "number": "ansimagenta",
    "name": "ansiyellow",
    "key": "ansiyellow",
    "word": "",
    "string": "ansigreen",
    "escape": "bold ansigreen",
    "variable": "ansimagenta",
    "expansion": "ansimagenta",
    "fence": "ansicyan",
    "shell": "",
    "block": "ansigreen",
    "error": "ansired underline",
    "command": "bold ansimagenta",
    # beside the text
    "wrong": "ansired underline",
    "prompt": "bold ansigreen",
    "prompt.more": "ansibrightblack",
    "bottom-toolbar": "noreverse",
    "bottom-toolbar.text": "",
    "bar": "bg:ansibrightblack ansiwhite",
    "bar.stage": "bold",
    "bar.waiting": "bold ansiyellow",
    "hint": "ansibrightblack",
    "hint.active": "bold underline",
    "hint.problem": "ansired",
    "auto-suggestion": "ansibrightblack",
    "completion-menu": "bg:ansibrightblack ansiwhite",
    "completion-menu.completion": "",
    "completion-menu.completion.current": "bg:ansiblue ansiwhite bold",
    "completion-menu.meta.completion": "bg:ansibrightblack ansiwhite",
    "completion-menu.meta.completion.current": "bg:ansiblue ansiwhite",
}
"""prompt-toolkit's style strings, by the class of a fragment."""
