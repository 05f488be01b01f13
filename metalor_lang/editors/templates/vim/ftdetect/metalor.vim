" Which files are metalor recipes.
" @WRITTEN@

autocmd BufNewFile,BufRead *.metalor setfiletype metalor
