"""What tells Jupyter how the kernel is started."""

import json
import sys
import tempfile
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager

from metalor_lang.hints import Final

NAME: Final = "metalor"


def install(*, prefix: str | None) -> Path:
    """Write the kernel's description to where Jupyter looks; gives the folder.

    Args:
        prefix: root of the environment, such as a virtual environment's folder; None for the user's own folder.

    """
    spec = {
        "argv": [sys.executable, "-m", "metalor_lang", "jupyter", "kernel", "{connection_file}"],
        "display_name": "metalor",
        "language": "metalor",
        # The signal reaches the step that runs; a message would wait until it is over.
        "interrupt_mode": "signal",
    }
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "kernel.json").write_text(json.dumps(spec, indent=2) + "\n")
        found = KernelSpecManager().install_kernel_spec(folder, NAME, user=prefix is None, prefix=prefix)
    return Path(found)
