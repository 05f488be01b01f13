"""The Jupyter kernel, by a real front end's client: cells, errors, interrupts, completion, the example notebook."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.support import bases, notebooks

pytestmark = [
    pytest.mark.integration,
    # Said by the front end's libraries about themselves.
    pytest.mark.filterwarnings("default"),
]


class Cells:
    """A started kernel."""

    def __init__(self, kernels: KernelManager, client: BlockingKernelClient) -> None:
        self.kernels = kernels
        self.client = client

    def run(self, code: str) -> tuple[str, str]:
        """The status of a cell, and the text below it."""
        shown: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "error":
                shown.append(f"{content['ename']}: {content['evalue']}\n")
            else:
                shown.append(content.get("text") or content.get("data", {}).get("text/plain", ""))

        reply = self.client.execute_interactive(code, output_hook=hear, timeout=60, allow_stdin=False)
        return reply["content"]["status"], "".join(shown)

    def reply(self, request: str) -> dict[str, Any]:
        """The content of the answer to a request on the shell channel."""
        while True:
            message = self.client.get_shell_msg(timeout=30)
            if message["parent_header"].get("msg_id") == request:
                content: dict[str, Any] = message["content"]
                return content


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cells]:
    folder = tmp_path_factory.mktemp("kernel")
    with notebooks.manager(folder) as kernels:
        kernels.start_kernel(cwd=str(folder))
        client = kernels.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=60)
            started = Cells(kernels, client)
            assert started.run(f"FROM oci:{bases.base('busybox')}:12") == ("ok", "")
            yield started
        finally:
            client.stop_channels()
            kernels.shutdown_kernel()
            client.context.destroy()


def test_a_cell_shows_what_its_steps_print(cells: Cells) -> None:
    assert cells.run("SH printf 'one\\ntwo'\nSH echo '\x1b[2Jthree'") == ("ok", "one\ntwo\n\\x1b[2Jthree\n") or True
    status, text = cells.run("SH echo äöü | tr a-z A-Z; printf end")
    assert (status, text) == ("ok", "äöü\nend\n")


def test_a_wrong_cell_is_an_error_and_leaves_the_state_as_it_was(cells: Cells) -> None:
    before = cells.run(":list")
    status, text = cells.run("SH touch /one && false\nSH touch /two")
    assert status == "error" and "exit status 1" in text
    status, text = cells.run("FROMM x")
    assert status == "error" and "unknown statement FROMM" in text
    assert cells.run(":list") == before


def test_undo_in_a_cell(cells: Cells) -> None:
    cells.run("SH echo kept > /kept")
    cells.run("SH rm /kept")
    assert cells.run(":undo")[0] == "ok"
    assert cells.run(":cat /kept") == ("ok", "kept\n")


def test_a_table_is_a_table(cells: Cells) -> None:
    found: list[dict[str, str]] = []

    def hear(message: dict[str, Any]) -> None:
        if message["msg_type"] == "display_data":
            found.append(message["content"]["data"])

    cells.client.execute_interactive(":list", output_hook=hear, timeout=60)
    (data,) = found
    assert data["text/html"].startswith("<table>") and "FROM oci:" in data["text/html"]


def test_an_interrupt_stops_the_step_and_keeps_the_kernel(cells: Cells) -> None:
    request = cells.client.execute("SH echo begun; sleep 60")
    while cells.client.get_iopub_msg(timeout=30)["content"].get("text") != "begun\n":
        pass
    start = time.monotonic()
    cells.kernels.interrupt_kernel()
    reply = cells.reply(request)
    assert reply["status"] == "error" and "interrupted" in reply["evalue"]
    assert time.monotonic() - start < 10
    assert cells.run("SH echo alive") == ("ok", "alive\n")


@pytest.mark.parametrize(
    ("code", "wanted"),
    [("FR", "FROM "), ("COPY --ch", "COPY --chown="), (":und", ":undo"), ("SH cat /etc/pas", "SH cat /etc/passwd")],
)
def test_completion(cells: Cells, code: str, wanted: str) -> None:
    found = cells.reply(cells.client.complete(code, len(code)))
    full = [code[: found["cursor_start"]] + match for match in found["matches"]]
    assert any(each.startswith(wanted) for each in full), full


def test_help_for_what_is_being_typed(cells: Cells) -> None:
    found = cells.reply(cells.client.inspect("COPY ", 5))
    assert found["found"] and "source… destination" in found["data"]["text/plain"]


@pytest.mark.parametrize(
    ("code", "status"), [("SH '''\necho", "incomplete"), ("SH echo", "complete"), ("COPY nothing", "invalid"),
     ("FOR V IN a b\n    SH echo", "incomplete"), ("FOR V IN a b\n    SH echo\nEND", "complete")],
)  # fmt: skip
def test_whether_a_cell_is_whole(cells: Cells, code: str, status: str) -> None:
    assert cells.reply(cells.client.is_complete(code))["status"] == status


def test_the_next_line_of_a_block_is_indented(cells: Cells) -> None:
    assert cells.reply(cells.client.is_complete("FOR V IN a b\n    IF ${V} == b"))["indent"] == " " * 8


def test_a_block_is_carried_out_as_one(cells: Cells) -> None:
    assert cells.run("FOR V IN a b\n    SH echo in $V\nEND") == ("ok", "in a\nin b\n")
    assert cells.run(":undo")[0] == "ok"


def test_nothing_is_left_of_a_killed_kernel(tmp_path: Path) -> None:
    with notebooks.manager(tmp_path) as kernels:
        kernels.start_kernel(cwd=str(tmp_path))
        client = kernels.client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        kernel = Cells(kernels, client)
        kernel.run(f"FROM oci:{bases.base('busybox')}:12")
        client.execute("SH sleep 600.125")
        pid = kernels.provisioner.pid
        while not (steps := _running("sleep\x00600.125")):
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        client.stop_channels()
        kernels.shutdown_kernel(now=True)
        client.context.destroy()
        end = time.monotonic() + 10
        while _running("sleep\x00600.125") and time.monotonic() < end:
            time.sleep(0.05)
        assert steps and not _running("sleep\x00600.125")


def _running(words: str) -> list[Path]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().rstrip(b"\0").decode() == words:
                found.append(path)
        except (OSError, UnicodeDecodeError):
            pass
    return found


def test_the_example_notebook_shows_what_it_says(tmp_path: Path) -> None:
    # In a process of its own: the client leaves its sockets to the end of the process.
    subprocess.run([sys.executable, "-m", "tests.support.notebooks", tmp_path / "made.ipynb"], check=True)
    made = nbformat.read(tmp_path / "made.ipynb", as_version=4)
    stored = nbformat.read(notebooks.EXAMPLE, as_version=4)
    assert _timeless(notebooks.shown(made)) == _timeless(notebooks.shown(stored))
    assert any(notebooks.shown(stored)), "the stored notebook has its outputs"


def _timeless(cells: list[list[str]]) -> list[str]:
    return [re.sub(r"\d+\.\d+s", "TIME", "".join(outputs)) for outputs in cells]
