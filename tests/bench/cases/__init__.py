"""The rows of the table, a module a subject; each case is a generator of rows over a `Bench`."""
