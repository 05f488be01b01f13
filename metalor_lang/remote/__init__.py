"""What comes over a network: files by HTTP, commits by git, both kept in the store under what was asked for."""
