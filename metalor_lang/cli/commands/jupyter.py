"""`metalor jupyter`: notebooks whose cells are statements.

Invariant: nothing of Jupyter is imported by any other command.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path

from metalor_lang.cli.common import limits_of, open_store, recipe_options
from metalor_lang.errors import MachineError, UsageError

UNNAMED = "notebook.metalor"


def run(arguments: argparse.Namespace) -> int:
    """Install the kernel's description, or be the kernel."""
    if find_spec("ipykernel") is None:
        raise MachineError(
            "notebooks need the package ipykernel", help="install it with: pip install 'metalor-lang[jupyter]'"
        )
    if arguments.action == "install":
        from metalor_lang.notebook.spec import install

        print(f"the kernel is described in {install(prefix=arguments.prefix)}; start it with `jupyter lab`")
        return 0
    if not arguments.connection:
        raise UsageError("a kernel needs the connection file of a front end", help="`jupyter lab` starts it by itself")
    return _serve(arguments)


def _serve(arguments: argparse.Namespace) -> int:
    from metalor_lang.notebook.kernel import Listener, serve
    from metalor_lang.repl.opening import open_session

    listener = Listener()
    with (
        open_store(arguments, listener) as (store, world),
        open_session(
            Path.cwd() / UNNAMED,
            recipe_options(arguments),
            store=store,
            world=world,
            events=listener,
            person=listener,
            hear=listener.hear,
            limits=limits_of(arguments),
            unpacker=arguments.unpacker,
        ) as session,
    ):
        serve(arguments.connection, session, listener)
    return 0
