"""`metalor lsp`: the language server, for editors.

Invariant: nothing of the protocol's libraries is imported by any other command.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path

from metalor_lang.errors import MachineError


def run(arguments: argparse.Namespace) -> int:
    """Serve the client at standard input and output until it leaves."""
    if find_spec("pygls") is None:
        raise MachineError(
            "the language server needs the package pygls", help="install it with: pip install 'metalor-lang[lsp]'"
        )
    from metalor_lang.lsp.run import serve

    return serve(Path(arguments.log) if arguments.log else None)
