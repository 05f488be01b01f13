" The role of every character of many texts, in Vim or Neovim, without a screen.
" In the folder $METALOR_WORK: `texts`, one behind the other; `counts`, how many lines each has; `letters`, one for each
" role; to be written: `roles`, a letter for each character of `texts`, line ends as they are. $METALOR_FILES is the
" folder of our own files.

execute 'set runtimepath^=' .. fnameescape($METALOR_FILES)
set encoding=utf-8 nomodeline noswapfile undolevels=-1
syntax on
set syntax=metalor
let s:letters = json_decode(readfile($METALOR_WORK .. '/letters')[0])
let s:known = {}

" What a group of ours says; nothing for the shell's groups, which stand inside of ours.
function! s:Letter(id) abort
  if !has_key(s:known, a:id)
    let role = matchstr(synIDattr(a:id, 'name'), '^metalor\zs\u\l\+')
    let s:known[a:id] = get(s:letters, tolower(role), '')
  endif
  return s:known[a:id]
endfunction

function! s:Line(number) abort
  let out = ''
  let at = 1
  for char in split(getline(a:number), '\zs')
    let letter = ''
    for id in reverse(synstack(a:number, at))
      let letter = s:Letter(id)
      if letter !=# ''
        break
      endif
    endfor
    let out ..= repeat(letter ==# '' ? ' ' : letter, strchars(char))
    let at += strlen(char)
  endfor
  return out
endfunction

function! s:Text(lines) abort
  silent %delete _
  call setline(1, a:lines)
  " Without a screen nothing tells the highlighter that the text is another one; with this it forgets what it knew.
  syntax sync fromstart
  return map(range(1, len(a:lines)), 's:Line(v:val)')
endfunction

let s:lines = readfile($METALOR_WORK .. '/texts', 'b')
let s:out = []
let s:at = 0
for s:count in readfile($METALOR_WORK .. '/counts')
  let s:out += s:Text(s:lines[s:at : s:at + s:count - 1])
  let s:at += s:count
endfor
call writefile(s:out, $METALOR_WORK .. '/roles')
qall!
