" Which lines of a metalor recipe belong together, for folding and indentation.
" Written from grammar/metalor.lark by `make grammar`; not to be changed by hand.

let s:cpo = &cpo
set cpo&vim

" What is open where each line starts, and behind the last one: '' (nothing), 'continued' (behind a backslash), 'array',
" or the fence that closes a block. After a change only lines are read that it can matter to.
function! s:States() abort
  if get(b:, 'metalor_tick', -1) == b:changedtick
    return b:metalor_states
  endif
  let [old, known] = [get(b:, 'metalor_text', []), get(b:, 'metalor_states', [''])]
  let new = getline(1, '$')
  let at = s:Common(old, new, 0)
  let same = len(new) - s:Common(old[at :], new[at :], 1)
  let states = known[: at]
  while at < len(new)
    if at >= same && states[at] ==# known[at + len(old) - len(new)]
      let states += known[at + len(old) - len(new) + 1 :]
      break
    endif
    call add(states, s:After(states[at], new[at]))
    let at += 1
  endwhile
  let [b:metalor_text, b:metalor_states, b:metalor_tick] = [new, states, b:changedtick]
  let b:metalor_first = match(new, '^[ \t]*FROM\>')
  while b:metalor_first >= 0 && states[b:metalor_first] !=# ''
    let b:metalor_first = match(new, '^[ \t]*FROM\>', b:metalor_first + 1)
  endwhile
  return states
endfunction

" How many lines are the same at the start, or at the end.
function! s:Common(old, new, end) abort
  let [low, high] = [0, min([len(a:old), len(a:new)])]
  while low < high
    let middle = (low + high + 1) / 2
    let equal = a:end ? a:old[len(a:old) - middle :] ==# a:new[len(a:new) - middle :]
          \ : a:old[low : middle - 1] ==# a:new[low : middle - 1]
    let [low, high] = equal ? [middle, high] : [low, middle - 1]
  endwhile
  return low
endfunction

" What is open behind a line.
function! s:After(state, line) abort
  if a:state =~# '["'']'
    return a:line =~# '^[ \t]*' .. a:state ? '' : a:state
  elseif a:line =~# '^[ \t]*\%(#\|$\)'
    " A blank line ends what a backslash continued; a comment does not.
    return a:state ==# 'continued' && a:line !~# '#' ? '' : a:state
  endif
  let fence = matchstr(a:line, '\%(^\|[ \t]\)\zs\%(''''''\|"""\)\ze\s*$')
  if fence !=# ''
    return fence
  endif
  let bare = substitute(substitute(a:line, '"\%(\\.\|[^"\\]\)*"', '', 'g'), '[ \t]#.*', '', '')
  if (a:state ==# 'array' || bare =~# '^[ \t]*\%(TEST[ \t]\+\)\=\%(CMD\|ENTRYPOINT\|RUN\|SHELL\)\>.*\[') && bare !~# '\]'
    return 'array'
  endif
  return a:line =~# '\\\@1<!\%(\\\\\)*\\\s*$' ? 'continued' : ''
endfunction

" Whether a line goes on with what the one before it began.
function! s:Inside(state, line) abort
  return a:state !=# '' && (a:state !=# 'continued' || a:line =~# '\S')
endfunction

" Stages are folds, and in them every statement of several lines.
function! metalor#Fold(number) abort
  let states = s:States()
  let [state, after] = states[a:number - 1 : a:number]
  let stage = b:metalor_first >= 0 && b:metalor_first < a:number
  if s:Inside(state, getline(a:number))
    return stage + 1
  elseif getline(a:number) =~# '^[ \t]*FROM\>'
    return '>1'
  endif
  return s:Inside(after, getline(a:number + 1)) && a:number < line('$') ? '>' .. (stage + 1) : stage
endfunction

" Statements stand at the margin, what continues them one step in; the lines of a block are its text and stay, and so does
" the fence that closes it, from whose column the text counts.
function! metalor#Indent(number) abort
  let [states, line] = [s:States(), getline(a:number)]
  let state = states[a:number - 1]
  if state =~# '["'']'
    if line =~# '\S'
      return -1
    endif
    return states[a:number - 2] ==# state ? indent(prevnonblank(a:number - 1)) : shiftwidth()
  endif
  return state !=# '' && line !~# '^[ \t]*\]' ? shiftwidth() : 0
endfunction

let &cpo = s:cpo
unlet s:cpo
