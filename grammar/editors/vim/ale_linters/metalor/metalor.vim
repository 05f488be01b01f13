" metalor recipes in ALE (https://github.com/dense-analysis/ale): diagnostics, completion, hover, definitions, renaming
" and code actions, all from `metalor lsp`.

call ale#Set('metalor_executable', 'metalor')

call ale#linter#Define('metalor', {
\   'name': 'metalor',
\   'lsp': 'stdio',
\   'executable': {buffer -> ale#Var(buffer, 'metalor_executable')},
\   'command': '%e lsp',
\   'project_root': {buffer -> fnamemodify(bufname(buffer), ':p:h')},
\})
