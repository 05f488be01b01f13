"""The language server: a thin layer of the protocol over what the tooling knows of a recipe."""
