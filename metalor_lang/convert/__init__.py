"""Dockerfiles as recipes: `convert` gives a recipe and, for every instruction, what became of it.

Invariant: pure: text in, data out. What only the outside knows (contexts, bases) is asked of a `World`.
"""

from metalor_lang.convert.converter import convert
from metalor_lang.convert.model import BaseFacts, Converted, Kind, LineReport, Verdict, World

__all__ = ["BaseFacts", "Converted", "Kind", "LineReport", "Verdict", "World", "convert"]
