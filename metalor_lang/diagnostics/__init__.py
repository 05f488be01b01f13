"""Diagnostics: errors as data, their stable codes, and how they are shown."""
