"""A client of the language server that writes and reads messages itself: nothing between the test and the bytes."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class Editor:
    """A running `metalor lsp`; use as a context.

    Args:
        folder: where it runs.
        words: more words of the command line.
        environment: variables besides ours.
        command: what to run in place of `metalor lsp`.

    """

    def __init__(
        self,
        folder: Path,
        *words: str,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = (sys.executable, "-m", "metalor_lang", "lsp"),
    ) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self.process = subprocess.Popen(
            [*command, *words],
            cwd=folder,
            env={**kept, "METALOR_STORE": str(folder / "no-store"), **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self._to, self._from = self.process.stdin, self.process.stdout
        self._number = 0
        self.heard: list[dict[str, Any]] = []
        """Messages that were read and that nobody asked for."""
        self.said: dict[str, Any] = {}
        """What the server said of itself."""

    def __enter__(self) -> "Editor":
        return self

    def __exit__(self, *_: object) -> None:
        self._to.close()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self.process.wait()
            self._from.close()
            if self.process.stderr is not None:
                self.process.stderr.close()

    def write(self, message: Mapping[str, object]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._to.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._to.flush()

    def read(self) -> dict[str, Any]:
        """The next message."""
        size = 0
        while line := self._from.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                size = int(value)
        if not size:
            raise EOFError("the server has gone")
        message: dict[str, Any] = json.loads(self._from.read(size))
        return message

    def notify(self, method: str, params: object) -> None:
        self.write({"method": method, "params": params})

    def send(self, method: str, params: object) -> int:
        """Send a request; its number."""
        self._number += 1
        self.write({"id": self._number, "method": method, "params": params})
        return self._number

    def answer(self, number: int) -> dict[str, Any]:
        """The response to a request; what comes before it is kept."""
        for at, message in enumerate(self.heard):
            if message.get("id") == number and "method" not in message:
                return self.heard.pop(at)
        while True:
            message = self.read()
            if message.get("id") == number and "method" not in message:
                return message
            self.heard.append(message)

    def ask(self, method: str, params: object) -> Any:
        """The result of a request."""
        answer = self.answer(self.send(method, params))
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def wait_for(self, method: str) -> Any:
        """The parameters of the next notification of a method, heard already or not."""
        for at, message in enumerate(self.heard):
            if message.get("method") == method:
                return self.heard.pop(at)["params"]
        while True:
            message = self.read()
            if message.get("method") == method:
                return message["params"]
            self.heard.append(message)

    def initialize(
        self, capabilities: object = None, options: object = None, root: Path | None = None
    ) -> dict[str, Any]:
        """Begin; what the server says of itself."""
        folders = None if root is None else [{"uri": root.as_uri(), "name": root.name}]
        self.said = self.ask(
            "initialize",
            {
                "processId": None,
                "rootUri": None if root is None else root.as_uri(),
                "capabilities": capabilities or {},
                "initializationOptions": options,
                "workspaceFolders": folders,
            },
        )
        self.notify("initialized", {})
        return self.said

    def open(self, uri: str, text: str, version: int = 1) -> list[dict[str, Any]]:
        """Open a document; its diagnostics."""
        document = {"uri": uri, "languageId": "metalor", "version": version, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})
        return self.diagnostics(uri)

    def change(self, uri: str, version: int, *changes: Mapping[str, object]) -> None:
        self.notify(
            "textDocument/didChange",
            {"textDocument": {"uri": uri, "version": version}, "contentChanges": list(changes)},
        )

    def diagnostics(self, uri: str) -> list[dict[str, Any]]:
        """The next diagnostics of a document."""
        while True:
            found = self.wait_for("textDocument/publishDiagnostics")
            if found["uri"] == uri:
                diagnostics: list[dict[str, Any]] = found["diagnostics"]
                return diagnostics

    def leave(self) -> int:
        """Shut down and exit; the exit status."""
        self.ask("shutdown", None)
        self.notify("exit", None)
        return self.process.wait(10)
