"""`metalor shell`: a shell in a throw-away copy of an image.

Invariant: the exit status is the shell's own; ENTRYPOINT plays no part.
"""

import argparse
import os

from metalor_lang.cli.launching import run_image
from metalor_lang.hints import Final

PLAIN: Final = ("/bin/sh",)
# For a person the image's bash where it has one: Debian's sh edits no lines.
COMFORTABLE: Final = ("/bin/sh", "-c", "if command -v bash >/dev/null; then exec bash; else exec /bin/sh; fi")


def run(arguments: argparse.Namespace) -> int:
    """Run a shell, or the words after `--`."""
    shell = COMFORTABLE if os.isatty(0) and os.isatty(1) else PLAIN
    return run_image(arguments, lambda state: tuple(arguments.rest) or shell)
