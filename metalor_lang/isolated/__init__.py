"""The reference's runtime as a library: images into roots, a command for a private re-exec, and the run inside it."""
