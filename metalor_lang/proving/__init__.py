"""Two images, made by two builders, held against each other."""
