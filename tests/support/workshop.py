"""A folder in which the command itself is run."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.bases import reference

METALOR = (sys.executable, "-m", "metalor_lang")
PROJECT = Path(__file__).parents[2]


class Workshop:
    """A folder with recipes and a store of its own."""

    def __init__(self, path, base="busybox"):
        self.path = path
        self.base = reference(base)
        self.path_variable = os.environ.get("PATH", os.defpath)

    def environment(self, store="store"):
        return {
            **os.environ,
            "METALOR_STORE": str(self.path / store),
            "PYTHONPATH": str(PROJECT),
            "COLUMNS": "100",
            "PATH": self.path_variable,
        }

    def recipe(self, text, name="app"):
        (self.path / f"{name}.metalor").write_text(text.replace("BASE", self.base))

    def run(self, *words, store="store", status=0, input=""):
        done = subprocess.run(
            [*METALOR, *words], cwd=self.path, env=self.environment(store), capture_output=True, text=True, input=input
        )
        assert done.returncode == status, f"{words}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *words, store="store"):
        return subprocess.Popen(
            [*METALOR, *words],
            cwd=self.path,
            env=self.environment(store),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def events(self, *words, store="store", status=0):
        done = self.run("build", *words, "--progress", "json", store=store, status=status)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def leftovers(self, store="store"):
        return [path.name for folder in ("tmp", "leases") for path in (self.path / store / folder).iterdir()]
