"""The server on the standard streams.

Invariant: standard output carries the protocol alone: whatever else is printed goes to standard error.
"""

import asyncio
import logging
import os
import sys
import threading
from pathlib import Path
from typing import Final

from pygls.io_ import StdoutWriter, run_async

from metalor_lang.lsp.naming import Refused
from metalor_lang.lsp.server import Server

_PIECE: Final = 1 << 16
_LONGEST_HEADER: Final = 1 << 16


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
    server.protocol.set_writer(StdoutWriter(out))
    try:
        asyncio.run(_serve(server, sys.stdin.fileno()))
    except (KeyboardInterrupt, SystemExit, BrokenPipeError):
        pass
    return 0 if server.protocol.ended_well else 1


async def _serve(server: Server, source: int) -> None:
    """Handle what comes in from a file descriptor, until it ends or the client says so."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LONGEST_HEADER)

    def read() -> bool:
        """Take over what is there; false at the end."""
        data = os.read(source, _PIECE)
        if data:
            reader.feed_data(data)
        else:
            reader.feed_eof()
        return bool(data)

    def ready() -> None:
        if not read():
            loop.remove_reader(source)

    try:
        loop.add_reader(source, ready)
    except PermissionError:  # a file: it is always ready, and cannot be waited for
        while read():
            pass
    try:
        await run_async(
            stop_event=threading.Event(),
            reader=reader,
            protocol=server.protocol,
            error_handler=server.report_server_error,
        )
    except asyncio.IncompleteReadError:
        pass  # the client died in the middle of a message
