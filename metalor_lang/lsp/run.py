"""The server on the standard streams.

Invariant: standard output carries the protocol alone: whatever else is printed goes to standard error.
"""

import logging
import os
import sys
from pathlib import Path

from metalor_lang.lsp.naming import Refused
from metalor_lang.lsp.server import Server


def _worth_saying(record: logging.LogRecord) -> bool:
    """Whether a line of the log is news: that a request was refused, its client was told."""
    return record.exc_info is None or not isinstance(record.exc_info[1], Refused)


def serve(log: Path | None = None) -> int:
    """Serve one client until it leaves.

    Args:
        log: a file for all that is sent and received; without one only what goes wrong is said, on standard error.

    Returns:
        0 after a `shutdown`, else 1, as the protocol asks for.

    """
    if log is None:
        logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="metalor lsp: %(message)s")
    else:
        logging.basicConfig(level=logging.DEBUG, filename=log, format="%(asctime)s %(name)s %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(_worth_saying)
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    server = Server()
    server.start_io(sys.stdin.buffer, out)
    return 0 if server.protocol.ended_well else 1
