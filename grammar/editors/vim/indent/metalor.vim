" Indentation of metalor recipes, as `metalor fmt` has it.
" Written from grammar/metalor.lark by `make grammar`; not to be changed by hand.

if exists('b:did_indent')
  finish
endif
let b:did_indent = 1

setlocal indentexpr=metalor#Indent(v:lnum)
setlocal indentkeys=!^F,o,O,0],0=END,0=ELSE
" What stays must stay as it is, tabs too: they can be a block's text.
setlocal autoindent preserveindent
let b:undo_indent = 'setlocal indentexpr< indentkeys< autoindent< preserveindent<'
