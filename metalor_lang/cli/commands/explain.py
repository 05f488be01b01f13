"""`metalor explain`: what an error code means.

Invariant: prints what the table of codes says and nothing else.
"""

import argparse
from difflib import get_close_matches

from metalor_lang.diagnostics.codes import CODES
from metalor_lang.diagnostics.render.page import page
from metalor_lang.errors import Exit, UsageError


def run(arguments: argparse.Namespace) -> int:
    """Print one code, or the list of all."""
    if arguments.code is None:
        for code in sorted(CODES.values(), key=lambda code: code.id):
            print(f"{code.id}  {code.title}")
        return Exit.DONE
    wanted = arguments.code.upper()
    found = CODES.get(wanted)
    if found is None:
        close = get_close_matches(wanted, CODES, 1)
        raise UsageError(
            f"there is no error code {arguments.code!r}",
            help=f"did you mean {close[0]}?" if close else "`metalor explain` lists all codes",
        )
    print(page(found), end="")
    return Exit.DONE
