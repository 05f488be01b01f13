"""The npm packages that tests use, in the versions of the lock file beside this module.

    python -m tests.support.node.packages          installs what is missing and prints the folder

A package is added in this folder, with
`npm install --package-lock-only --omit-lockfile-registry-resolved --save-exact NAME`.
"""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

from tests.support import cache

_HERE = Path(__file__).parent
_LISTS = ("package.json", "package-lock.json")


def modules() -> Path:
    """The folder `node_modules`; another one for each state of the lock file."""
    digest = hashlib.sha256(b"".join((_HERE / name).read_bytes() for name in _LISTS)).hexdigest()
    return cache.made(f"node-{digest[:12]}", _installed) / "node_modules"


def listed() -> dict[str, str]:
    """The version of each package."""
    found: dict[str, str] = json.loads((_HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    return found


def _installed(work: Path) -> Path:
    folder = work / "packages"
    folder.mkdir(mode=0o755)
    for name in _LISTS:
        shutil.copy(_HERE / name, folder)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder


def program(name: str) -> Path:
    """A command of one of the packages."""
    return modules() / ".bin" / name


if __name__ == "__main__":
    print(modules())
