"""A session behind a Jupyter notebook; needs the extra `metalor-lang[jupyter]`."""
