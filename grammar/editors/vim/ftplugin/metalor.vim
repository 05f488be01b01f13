" Settings for metalor recipes: comments, folds by stage, what % goes to, :make, the base of a completion.
" Written from grammar/metalor.lark by `make grammar`; not to be changed by hand.
"
" let g:metalor_folding = 0  leaves folding alone.

if exists('b:did_ftplugin')
  finish
endif
let b:did_ftplugin = 1
let s:cpo = &cpo
set cpo&vim

setlocal comments=:# commentstring=#\ %s
setlocal formatoptions-=t formatoptions+=croql
setlocal expandtab shiftwidth=4 softtabstop=4
setlocal suffixesadd=.metalor
let b:undo_ftplugin = 'setlocal comments< commentstring< formatoptions< expandtab< shiftwidth< softtabstop<'
      \ .. ' suffixesadd<'

if !exists('b:current_compiler')
  compiler metalor
  let b:undo_ftplugin ..= ' makeprg< errorformat< | unlet! b:current_compiler'
endif

" With matchit, % goes from an IF, FOR or DEFINE by its ELSEs to its END, and from there back.
let s:first = '\%(^[ \t]*\)\@<=\%('
let b:match_words = s:first .. 'IF\|FOR\|DEFINE\)\>:' .. s:first .. 'ELSE\)\>:' .. s:first .. 'END\)\>'
let b:match_skip = 'metalor#NoWord()'
let b:match_ignorecase = 0
unlet s:first
let b:undo_ftplugin ..= ' | unlet! b:match_words b:match_skip b:match_ignorecase'

if get(g:, 'metalor_folding', 1) && has('folding')
  setlocal foldmethod=expr foldexpr=metalor#Fold(v:lnum)
  let b:undo_ftplugin ..= ' | setlocal foldmethod< foldexpr<'
  if &foldlevelstart < 0
    " Folds are there, and open.
    setlocal foldlevel=99
    let b:undo_ftplugin ..= ' foldlevel<'
  endif
endif

let &cpo = s:cpo
unlet s:cpo
