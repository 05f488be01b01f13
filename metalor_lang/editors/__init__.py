"""Highlighters for editors, compiled from the parser's own table.

`regex` reads the patterns that terminals are written in, `model` makes of the parser's automaton one over colours, and
one module for each editor prints it. What is printed is committed under `grammar/editors/`; `make grammar` writes it.
"""
