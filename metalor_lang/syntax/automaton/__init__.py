"""The parser's table as a deterministic automaton over terminals: what reads statements quickly, and what highlighters
are compiled from.

`derive` walks Lark's own table and gives the automaton; `table` is that automaton as data, written by `make grammar`;
`machine` reads text with it. The grammar stays the only place where the language is defined.
"""
