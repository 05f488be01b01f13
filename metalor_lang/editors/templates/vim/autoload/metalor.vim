" Which lines of a metalor recipe belong together, for folding and indentation.
" @WRITTEN@

let s:cpo = &cpo
set cpo&vim

" What each line is: '' (a statement starts, or nothing does), 'stage' (FROM starts), 'continued' (behind a backslash),
" 'array', 'block'. Known until the text changes.
function! metalor#Lines() abort
  if get(b:, 'metalor_tick', -1) != b:changedtick
    let b:metalor_lines = s:Read(getline(1, '$'))
    let b:metalor_first = index(b:metalor_lines, 'stage')
    let b:metalor_tick = b:changedtick
  endif
  return b:metalor_lines
endfunction

function! s:Read(lines) abort
  let kinds = []
  let [inside, fence] = ['', '']
  for line in a:lines
    if inside ==# 'block'
      call add(kinds, inside)
      if line =~# '^[ \t]*' .. fence
        let inside = ''
      endif
      continue
    endif
    call add(kinds, inside !=# '' ? inside : line =~# '^[ \t]*FROM\>' ? 'stage' : '')
    if line =~# '^[ \t]*\%(#\|$\)'
      " A comment; a blank line ends what a backslash continued.
      if inside ==# 'continued' && line !~# '#'
        let [inside, kinds[-1]] = ['', '']
      endif
      continue
    endif
    let fence = matchstr(line, '\%(^\|[ \t]\)\zs\%(''''''\|"""\)\ze\s*$')
    if fence !=# ''
      let inside = 'block'
    else
      let bare = substitute(substitute(line, '"\%(\\.\|[^"\\]\)*"', '', 'g'), '[ \t]#.*', '', '')
      let opens = inside ==# 'array' || bare =~# '^[ \t]*\%(TEST[ \t]\+\)\=@ARRAYS@\>.*\['
      let inside = opens && bare !~# '\]' ? 'array' : line =~# '\\\@1<!\%(\\\\\)*\\\s*$' ? 'continued' : ''
    endif
  endfor
  return kinds
endfunction

" Stages are folds, and in them every statement of several lines.
function! metalor#Fold(number) abort
  let kinds = metalor#Lines()
  let kind = kinds[a:number - 1]
  if kind ==# 'stage'
    return '>1'
  endif
  let outer = b:metalor_first >= 0 && b:metalor_first < a:number
  if kind !=# ''
    return outer + 1
  endif
  let next = get(kinds, a:number, '')
  return next !=# '' && next !=# 'stage' ? '>' .. (outer + 1) : outer
endfunction

" Statements stand at the margin, what continues them one step in; the lines of a block are its text and stay.
function! metalor#Indent(number) abort
  let kind = metalor#Lines()[a:number - 1]
  let line = getline(a:number)
  if kind ==# 'block'
    if line =~# '^[ \t]*\%(''''''\|"""\)[ \t]*$'
      return shiftwidth()
    elseif line =~# '\S'
      return -1
    endif
    let before = metalor#Lines()[a:number - 2]
    return before ==# 'block' ? indent(prevnonblank(a:number - 1)) : shiftwidth()
  endif
  return kind =~# '^\%(continued\|array\)$' && line !~# '^[ \t]*\]' ? shiftwidth() : 0
endfunction

let &cpo = s:cpo
unlet s:cpo
