"""What the project is built with and what it needs, as wheels: to install it where there is no network.

python -m tests.support.wheels          fetches what is missing and prints the folder
"""

import hashlib
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.support import cache


def folder() -> Path:
    """A folder for `pip install --find-links`; another one when the project's needs change."""
    project = tomllib.loads((cache.PROJECT / "pyproject.toml").read_text())
    needs = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    digest = hashlib.sha256(json.dumps([needs, sys.version_info[:2]]).encode()).hexdigest()

    def fetch(work: Path) -> Path:
        wheels = work / "wheels"
        wheels.mkdir(mode=0o755)
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(wheels), *needs]
        subprocess.run(command, check=True)
        return wheels

    return cache.made(f"wheels-{digest[:12]}", fetch)


def environment() -> dict[str, str]:
    """The environment in which pip uses nothing but these wheels."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder())}


if __name__ == "__main__":
    print(folder())
