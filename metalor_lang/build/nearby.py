"""The recipe that a person may have meant by a path at which there is none.

Invariant: a name that is given back is that of a file that is there.
"""

import errno
import os
import shlex
from difflib import get_close_matches

DOCKERFILES = ("Dockerfile", "Containerfile")


def is_dockerfile(name: str) -> bool:
    """Whether a file's name says that it is no recipe: `Dockerfile`, `Dockerfile.test`, `web.Dockerfile`."""
    parts = os.path.basename(name).split(".")
    return parts[-1] != "metalor" and any(word in (parts[0], parts[-1]) for word in DOCKERFILES)


def recipe_near(path: str, number: int | None = errno.ENOENT) -> str:
    """One line of help for a path that cannot be read: the recipe that was meant, or nothing.

    Args:
        path: as the user wrote it.
        number: the errno of reading it.

    """
    if number not in (errno.ENOENT, errno.EISDIR, errno.ENOTDIR):
        return f"see who may read it: ls -l {shlex.quote(path)}" if number == errno.EACCES else ""
    if "://" in path:
        return "a recipe is a file on this machine"
    if os.path.isfile(f"{path}.metalor"):
        return f"did you mean {path}.metalor?"
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    try:
        names = sorted(name for name in os.listdir(folder or ".") if os.path.isfile(os.path.join(folder, name)))
    except OSError:
        return f"there is no folder {folder} either" if folder and not os.path.exists(folder) else ""
    recipes = [name for name in names if name.endswith(".metalor")]
    if folder != path:
        recipes = get_close_matches(os.path.basename(path), recipes, 1)
    if recipes:
        return "did you mean " + " or ".join(_below(folder, name) for name in recipes[:3]) + "?"
    dockerfile = next((name for name in names if is_dockerfile(name)), None)
    if dockerfile is not None and folder == path:
        return f"turn its Dockerfile into a recipe: metalor convert {_below(folder, dockerfile)} -o app.metalor"
    return ""


def _below(folder: str, name: str) -> str:
    return os.path.normpath(os.path.join(folder, name))
