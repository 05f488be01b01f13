" Which lines of a metalor recipe belong together, for folding and indentation.
" @WRITTEN@

let s:cpo = &cpo
set cpo&vim

" What is open where each line starts, and behind the last one: a list of '' (nothing), 'continued' (behind a backslash),
" 'array', or the fence that closes a block; then of how many IF, FOR and DEFINE are open; and where the statement at hand
" belongs, in steps from the margin. After a change only lines are read that it can matter to.
function! s:States() abort
  if get(b:, 'metalor_tick', -1) == b:changedtick
    return b:metalor_states
  endif
  let [old, known] = [get(b:, 'metalor_text', []), get(b:, 'metalor_states', [['', 0, 0]])]
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
  while b:metalor_first >= 0 && (states[b:metalor_first][0] !=# '' || states[b:metalor_first][1])
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
function! s:After(before, line) abort
  let [state, inside, own] = a:before
  let word = state ==# '' ? matchstr(a:line, '^[ \t]*\zs[A-Z]\+\>') : ''
  if word !=# ''
    let own = s:Own(inside, word)
    let inside = own + (word =~# '^\%(IF\|ELSE\|FOR\|DEFINE\)$')
  endif
  return [s:Goes(state, a:line), inside, own]
endfunction

" How many steps from the margin a statement belongs.
function! s:Own(inside, word) abort
  return max([a:inside - (a:word ==# 'ELSE' || a:word ==# 'END'), 0])
endfunction

" What of a statement is open behind a line.
function! s:Goes(state, line) abort
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
  if (a:state ==# 'array' || bare =~# '^[ \t]*\%(TEST[ \t]\+\)\=@ARRAYS@\>.*\[') && bare !~# '\]'
    return 'array'
  endif
  return a:line =~# '\\\@1<!\%(\\\\\)*\\\s*$' ? 'continued' : ''
endfunction

" Whether a line goes on with what the one before it began.
function! s:Inside(state, line) abort
  return a:state !=# '' && (a:state !=# 'continued' || a:line =~# '\S')
endfunction

" Whether the letter at the cursor stands in a line that goes on with a statement: what is a word there opens no block and
" ends none. Brackets are what they are everywhere.
function! metalor#NoWord() abort
  return getline('.')[col('.') - 1] =~# '\u' && s:Inside(s:States()[line('.') - 1][0], getline('.'))
endfunction

" Stages are folds, in them the branches of blocks, and every statement of several lines.
function! metalor#Fold(number) abort
  let states = s:States()
  let [state, inside, own] = states[a:number - 1]
  let line = getline(a:number)
  let level = inside + (b:metalor_first >= 0 && b:metalor_first < a:number)
  if s:Inside(state, line)
    " The further lines of an opener are in its fold already.
    return level + (own == inside)
  elseif line =~# '^[ \t]*FROM\>' && !inside
    return '>1'
  elseif line =~# '^[ \t]*\%(IF\|FOR\|DEFINE\)\>'
    return '>' .. (level + 1)
  elseif line =~# '^[ \t]*ELSE\>' && inside
    return '>' .. level
  endif
  return s:Inside(states[a:number][0], getline(a:number + 1)) && a:number < line('$') ? '>' .. (level + 1) : level
endfunction

" Statements stand at the margin, and a step further in for each block that they stand in; what continues them one step
" more. The lines of a block of text stay, and so does the fence that closes it, from whose column the text counts.
function! metalor#Indent(number) abort
  let [states, line] = [s:States(), getline(a:number)]
  let [state, inside, own] = states[a:number - 1]
  if state =~# '["'']'
    if line =~# '\S'
      return -1
    endif
    return states[a:number - 2][0] ==# state ? indent(prevnonblank(a:number - 1)) : (own + 1) * shiftwidth()
  elseif state !=# ''
    return (own + (line !~# '^[ \t]*\]')) * shiftwidth()
  endif
  let below = line =~# '^[ \t]*#' ? s:Below(a:number) : a:number
  let steps = s:Own(inside, matchstr(getline(below), '^[ \t]*\zs[A-Z]\+\>'))
  " A comment above an ELSE or END that stands further in is about what is before it.
  return (below != a:number && indent(a:number) > indent(below) ? inside : steps) * shiftwidth()
endfunction

" The statement below a comment; the comment's own line where there is none.
function! s:Below(number) abort
  let at = a:number
  while at < line('$')
    let at += 1
    if getline(at) !~# '^[ \t]*\%(#\|$\)'
      return at
    endif
  endwhile
  return a:number
endfunction

let &cpo = s:cpo
unlet s:cpo
