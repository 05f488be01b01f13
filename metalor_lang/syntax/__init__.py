"""Text to tree: lines, grammar, values, AST, printer."""
