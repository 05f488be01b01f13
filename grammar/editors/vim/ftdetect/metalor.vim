" Which files are metalor recipes.
" Written from grammar/metalor.lark by `make grammar`; not to be changed by hand.

autocmd BufNewFile,BufRead *.metalor setfiletype metalor
