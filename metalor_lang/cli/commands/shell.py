"""`metalor shell`: a shell in a throw-away copy of an image.

Invariant: the exit status is the shell's own; ENTRYPOINT plays no part.
"""

import argparse
from typing import Final

from metalor_lang.cli.launching import run_image

SHELL: Final = ("/bin/sh",)


def run(arguments: argparse.Namespace) -> int:
    """Run /bin/sh, or the words after `--`."""
    return run_image(arguments, lambda state: tuple(arguments.rest) or SHELL)
