" Vim syntax file of metalor recipes, for Vim and Neovim.
" @WRITTEN@
"
" The automaton of the language's own parser, as matches that name what may follow them. A state's group is
" metalor{Role}{State}. Where nothing may follow, everything up to the end of the line is metalorError.

if exists('b:current_syntax')
  finish
endif
let s:cpo = &cpo
set cpo&vim

" What ends a shell construct that began on an earlier line of a statement continued by backslashes; the shell's own
" rules, which come later, win.
syntax match metalorShellWord /\<\%(do\|done\|elif\|else\|esac\|fi\|in\|then\)\>/ contained

" The shell, with the words that it could have for errors: a statement's lines are looked at one by one, and what looks
" left open or too much there is neither.
let b:is_bash = 1
let s:folds = get(g:, 'sh_fold_enabled', 0)
let g:sh_fold_enabled = 0
syntax include @metalorShell syntax/sh.vim
let g:sh_fold_enabled = s:folds
unlet! b:current_syntax b:is_bash
syntax cluster metalorShell add=metalorShellWord
syntax cluster metalorShell remove=shDoError,shIfError,shInError,shCaseError,shEsacError,shCurlyError,shParenError
syntax cluster metalorShell remove=shTestError,shDTestError,shCondError

" Blocks may be of any length, and what a line means depends on where its block begins. From the start of the file it is
" exact, and 2,000 lines take a fifth of a second, once. For the same reason lines are read to their ends.
syntax sync clear
syntax sync fromstart
setlocal synmaxcol=0
syntax case match
syntax spell notoplevel

" No recipe may hold these characters, wherever they stand.
syntax match metalorErrorCharacter /@BAD@/ contained containedin=sh.*

" Whatever no state knows: the first of the line's matches, so that every other one wins.
syntax match metalorError /.\{-1,}\ze\r\=$/ contained
syntax match metalorError /^[ \t]*\zs\%(\r$\)\@![^ \t].\{-}\ze\r\=$/

let s:roles = @ROLES@

let s:patterns = [
@PATTERNS@
      \ ]

" Of each state: the state in which the next line starts (0: nothing goes on), and [pattern, role, next state] in the
" order of trying.
let s:states = [
@STATES@
      \ ]

function! s:Group(state, role) abort
  return 'metalor' .. s:roles[a:role] .. a:state
endfunction

" The groups of each state: what may follow where one leads there.
let s:follow = []
for s:from in range(len(s:states))
  let s:names = map(copy(s:states[s:from][1]), 's:Group(s:from, v:val[1])')
  if s:states[s:from][0]
    let s:names += ['metalorSpace' .. s:from]
  endif
  call uniq(sort(s:names))
  for s:name in s:names
    execute 'highlight default link' s:name substitute(s:name, '\d\+$', '', '')
  endfor
  let s:follow += [join(s:names + ['metalorError'], ',')]
endfor

" What may follow on the same line, and on the next one. Empty lines in between change nothing: a state that goes on over
" a line's end goes on over the next one's into itself.
function! s:Then(state) abort
  return ' nextgroup=' .. s:follow[a:state]
endfunction
function! s:NextLine(state) abort
  return s:Then(a:state) .. ' skipnl' .. (s:states[a:state][0] ? ' skipempty' : '')
endfunction

for s:from in range(1, len(s:states) - 1)
  let [s:newline, s:moves] = s:states[s:from]
  if s:newline
    " The CR of a line's end, where only some lines have one.
    execute 'syntax match metalorSpace' .. s:from '/\r$/ contained' s:NextLine(s:newline)
  endif
  " Of several that match, Vim takes the last.
  for [s:pattern, s:role, s:to] in reverse(copy(s:moves))
    let s:name = s:Group(s:from, s:role)
    let s:options = ' contained contains=metalorErrorCharacter'
    if s:roles[s:role] ==# 'Shell'
      if s:states[s:to] == [s:from, []] && s:newline == s:from
        " The lines of a block, all in one, up to the fence that closes it, or a CR that ends no line.
        let [s:fence, s:closing, s:end] = s:moves[0]
        execute 'syntax region' s:name 'matchgroup=NONE start=/^[^\r]/rs=s'
              \ 'matchgroup=' .. s:Group(s:from, s:closing) 'end=/^' .. s:patterns[s:fence] .. '/'
              \ 'matchgroup=metalorError end=/\r.\{-1,}\ze\r\=$/'
              \ 'keepend' s:options .. ',@metalorShell' .. s:Then(s:end)
        continue
      endif
      let s:options ..= ',@metalorShell keepend'
    endif
    execute 'syntax match' s:name '/' .. s:patterns[s:pattern] .. '/' .. s:options .. s:Then(s:to)
    if s:states[s:to][0]
      execute 'syntax match' s:name '/\%(' .. s:patterns[s:pattern] .. '\)$/' .. s:options
            \ .. s:NextLine(s:states[s:to][0])
    endif
  endfor
endfor

" Between statements, at the start of a line.
for [s:pattern, s:role, s:to] in reverse(copy(s:states[0][1]))
  if s:to
    execute 'syntax match' s:Group(0, s:role) '/^[ \t]*\zs\%(' .. s:patterns[s:pattern] .. '\)/'
          \ 'contains=metalorErrorCharacter' s:Then(s:to)
  endif
endfor

@LINKS@
highlight default link metalorErrorCharacter metalorError
highlight default link metalorShellWord Statement

let b:current_syntax = 'metalor'
let &cpo = s:cpo
unlet s:cpo
