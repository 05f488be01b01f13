" :make for metalor recipes: `metalor check`.
" Written from grammar/metalor.lark by `make grammar`; not to be changed by hand.

if exists('b:current_compiler') || exists('g:current_compiler')
  finish
endif
let b:current_compiler = 'metalor'
let s:cpo = &cpo
set cpo&vim

CompilerSet makeprg=metalor\ check\ --format\ short\ %:S
" A line an error; or the form for people, whose help line goes with the message and whose frame does not.
let s:formats = [
      \ '%E%f:%l:%c: error[E%n]: %m',
      \ '%I%f:%l:%c: note[E%n]: %m',
      \ '%C%\s%#= %m',
      \ '%-C%[0-9 ]%#|%.%#',
      \ '%-G%.%#',
      \ ]
execute 'CompilerSet errorformat=' .. escape(join(s:formats, ','), '\ |"')

let &cpo = s:cpo
unlet s:cpo
