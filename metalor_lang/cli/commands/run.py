"""`metalor run`: an image's command in a throw-away copy.

Invariant: the exit status is the command's own.
"""

import argparse

from metalor_lang.build.launch import command_of
from metalor_lang.cli.launching import run_image


def run(arguments: argparse.Namespace) -> int:
    """Run ENTRYPOINT with CMD, or with the words after `--`."""
    return run_image(arguments, lambda state: command_of(state, arguments.rest))
