"""The recipes that are open in the editor, and what is known of each at its present version.

Invariant: after any changes the text is the client's; what was worked out for a text is forgotten with it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar, cast

from lsprotocol import types
from pygls.uris import to_fs_path

from metalor_lang.checker.live import LiveRecipe
from metalor_lang.checker.program import Program
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.lsp.ground import Ground
from metalor_lang.lsp.positions import BOM, Encoding, Lines
from metalor_lang.lsp.settings import Settings
from metalor_lang.source import SourceFile
from metalor_lang.syntax.ast import Recipe
from metalor_lang.tooling.library import as_file, lacks_stage
from metalor_lang.tooling.names import Names
from metalor_lang.tooling.naming import read_names

T = TypeVar("T")

Change = types.TextDocumentContentChangeEvent


def path_of(uri: str) -> Path | None:
    """The file that a URI names; None for what is no file."""
    if not uri.startswith("file:"):
        return None
    path = to_fs_path(uri)
    return None if not path else Path(path)


class Document:
    """An open recipe.

    Args:
        uri: as the client names it.
        version: the client's number of this text.
        text: as the client has it.
        encoding: what its positions count.
        settings: of the server.
        root: the workspace folder that holds it, if any.

    """

    def __init__(
        self, uri: str, version: int, text: str, *, encoding: Encoding, settings: Settings, root: Path | None = None
    ) -> None:
        self.uri = uri
        self.version = version
        self._encoding = encoding
        self._root = root
        self._memo: dict[Callable[[Document], object], object] = {}
        self._past: list[object] = []
        self.settings = settings
        self.ground = Ground(path_of(uri), settings, root)
        self.kept: tuple[str, list[int]] | None = None
        """The semantic tokens that were sent last, with their name."""
        self._set(text)

    def _set(self, text: str) -> None:
        self._mark = text.startswith(BOM)
        name = str(self.ground.path or self.uri)
        self.live = LiveRecipe(name, text.removeprefix(BOM), self.ground, self.settings.platform, self.settings.args)
        self._moved()

    def _moved(self) -> None:
        self.lines = Lines(self.live.source, self._encoding, mark=self._mark)
        self._past.append(self._memo)
        self._memo = {}

    @property
    def encoding(self) -> Encoding:
        """What positions count."""
        return self._encoding

    @property
    def source(self) -> SourceFile:
        """The text as a recipe: without a byte order mark."""
        return self.live.source

    @property
    def text(self) -> str:
        """As `source`."""
        return self.live.source.text

    @property
    def recipe(self) -> Recipe:
        """The statements that are right."""
        return self.remember(_recipe)

    @property
    def program(self) -> Program | None:
        """The checked recipe, where it has no error."""
        return self.remember(_checked)[0]

    @property
    def names(self) -> Names:
        """Every place of a name."""
        return self.remember(_names)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Every error of the text; what bases say is not among them."""
        return self.remember(_diagnostics)

    def remember(self, ask: "Callable[[Document], T]") -> T:
        """What a function says of this text, asked once."""
        if ask not in self._memo:
            self._memo[ask] = ask(self)
        return cast(T, self._memo[ask])

    def forget(self) -> None:
        """Drop what was worked out for earlier texts: that takes as long as a tenth of a check, and can wait."""
        self._past.clear()

    def change(self, version: int, changes: Sequence[Change]) -> None:
        """Take changes over, in their order."""
        self.version = version
        for each in changes:
            if not isinstance(each, types.TextDocumentContentChangePartial):
                self._set(each.text)
            elif self._mark and each.range.start.line == 0 and each.range.start.character == 0:
                self._set(_whole_edit(BOM + self.text, each, self._encoding))
            else:
                span = self.lines.span(each.range)
                if span.start == 0 and each.text.startswith(BOM):
                    self._set(each.text + self.text[span.end :])
                else:
                    self.live.edit(span.start, span.end, each.text)
                    self._moved()

    def look_again(self) -> None:
        """Ask the disk anew from now on."""
        self.ground.look_again()
        self._memo.clear()

    def set_up(self, settings: Settings) -> None:
        """Take other settings."""
        self.ground.close()
        self.settings = settings
        self.ground = Ground(path_of(self.uri), settings, self._root)
        self._set((BOM if self._mark else "") + self.text)

    def close(self) -> None:
        """Give the folders back."""
        self.ground.close()


def _whole_edit(text: str, change: types.TextDocumentContentChangePartial, encoding: Encoding) -> str:
    span = Lines(SourceFile("", text), encoding).span(change.range)
    return text[: span.start] + change.text + text[span.end :]


def _recipe(document: Document) -> Recipe:
    return document.live.recipe


def _names(document: Document) -> Names:
    return read_names(
        document.recipe,
        args=document.settings.args,
        platform=document.settings.platform,
        contexts=document.ground.names(),
        environment=document.ground.environment,
    )


def _diagnostics(document: Document) -> tuple[Diagnostic, ...]:
    found = document.live.diagnostics()
    # Moving every statement to its place takes longer than checking them: only for a file without a stage.
    return as_file(document.recipe, found) if lacks_stage(found) else found


def _checked(document: Document) -> tuple[Program | None, tuple[Diagnostic, ...]]:
    return document.live.checked()
