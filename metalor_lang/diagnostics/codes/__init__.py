"""The table of all codes: one module a phase, merged here.

Invariant: a code is never reused for another meaning. E01xx text and lines, E02xx statements and values,
E03xx names, stages and flags (checker), E04xx sources and contexts, E05xx bases and images, E06xx running a build,
E07xx locks, E08xx blocks, groups and imports.
"""

from metalor_lang.diagnostics.codes.blocks import BLOCKS
from metalor_lang.diagnostics.codes.build import BUILD
from metalor_lang.diagnostics.codes.locks import LOCKS
from metalor_lang.diagnostics.codes.model import Code
from metalor_lang.diagnostics.codes.names import NAMES
from metalor_lang.diagnostics.codes.sources import SOURCES
from metalor_lang.diagnostics.codes.syntax import SYNTAX

CODES: dict[str, Code] = {code.id: code for table in (SYNTAX, NAMES, SOURCES, BUILD, LOCKS, BLOCKS) for code in table}

__all__ = ["CODES", "Code"]
