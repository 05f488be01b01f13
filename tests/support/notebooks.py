"""Notebooks run by a kernel of our own, with a store of one's own.

python -m tests.support.notebooks [FILE]     executes the example and writes it, over itself or to a file
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

from metalor_lang.notebook.spec import NAME, install
from tests.support import bases
from tests.support.cache import PROJECT

EXAMPLE = PROJECT / "examples" / "notebook" / "first-steps.ipynb"
_BASE = "oci:../../.cache/bases/"


@contextmanager
def manager(folder: Path) -> Iterator[KernelManager]:
    """A manager that finds our kernel as `metalor jupyter install --prefix` leaves it."""
    found = install(prefix=str(folder / "environment"))
    specs = KernelSpecManager(kernel_dirs=[str(found.parent)])
    before = os.environ.get("METALOR_STORE")
    os.environ["METALOR_STORE"] = str(folder / "store")
    try:
        yield KernelManager(kernel_name=NAME, kernel_spec_manager=specs)
    finally:
        if before is None:
            del os.environ["METALOR_STORE"]
        else:
            os.environ["METALOR_STORE"] = before


def executed(path: Path, folder: Path) -> Any:
    """A notebook with the outputs that its cells give now; raises CellExecutionError when one goes wrong."""
    notebook = nbformat.read(path, as_version=4)
    own = f"oci:{bases.directory()}/"
    for cell in notebook.cells:
        cell.source = cell.source.replace(_BASE, own)
    with manager(folder) as kernels:
        client = NotebookClient(notebook, km=kernels, timeout=120, resources={"metadata": {"path": str(path.parent)}})
        client.execute()
    return nbformat.reads(nbformat.writes(notebook).replace(own, _BASE), as_version=4)


def shown(notebook: Any) -> list[list[str]]:
    """The plain text that each cell shows."""
    return [
        [
            output["text"] if output["output_type"] == "stream" else output.get("data", {}).get("text/plain", "")
            for output in cell.get("outputs", [])
        ]
        for cell in notebook.cells
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        made = executed(EXAMPLE, Path(place))
    for each in made.cells:
        each.get("metadata", {}).pop("execution", None)  # times
    nbformat.write(made, sys.argv[1] if len(sys.argv) > 1 else EXAMPLE)
