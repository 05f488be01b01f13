"""The server: pygls' protocol, our documents, and the table of features between them.

Invariant: a request that fails answers an error and leaves the server as it was; nothing but the protocol is written to
standard output.
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from lsprotocol import converters, types
from pygls.exceptions import JsonRpcInternalError, JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol

from metalor_lang import __version__
from metalor_lang.lsp.checking import Checking, without_collections
from metalor_lang.lsp.client import Client, client_of
from metalor_lang.lsp.documents import Document, path_of
from metalor_lang.lsp.features import FEATURES, ITEMS, Feature
from metalor_lang.lsp.positions import Encoding
from metalor_lang.lsp.searching import Recipes
from metalor_lang.lsp.settings import SECTION, Settings, read_settings


class Protocol(LanguageServerProtocol):
    """pygls' own, which leaves the texts of documents to us and answers requests that it cannot read."""

    # Without these pygls would keep every text a second time, with lines that the protocol does not have.
    lsp_text_document__did_open = None  # type: ignore[assignment]
    lsp_text_document__did_change = None  # type: ignore[assignment]
    lsp_text_document__did_close = None  # type: ignore[assignment]

    def structure_message(self, data: dict[str, Any]) -> Any:
        """The message of a JSON object; a request that is none gets its error."""
        try:
            return super().structure_message(data)
        except (JsonRpcInvalidParams, JsonRpcInternalError) as error:
            if "id" in data and "method" in data:
                self._send_response(data["id"], error=error.to_response_error())
            raise

    @property
    def ended_well(self) -> bool:
        """Whether the client said that it would go."""
        return self._shutdown


class Server(LanguageServer):
    """A language server for recipes."""

    protocol: Protocol

    def __init__(self) -> None:
        super().__init__("metalor", __version__, protocol_cls=Protocol, converter_factory=converters.get_converter)
        self.documents: dict[str, Document] = {}
        self.settings = Settings()
        self.complaints: tuple[str, ...] = ()
        self.client = Client()
        self.checking = Checking(self._publish, lambda: self.client, self.say)
        self.recipes = Recipes()
        _register(self)

    def _publish(self, document: Document, found: list[types.Diagnostic]) -> None:
        version = document.version if self.client.versions else None
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri=document.uri, diagnostics=found, version=version)
        )

    def say(self, text: str) -> None:
        """Show the user a sentence."""
        self.window_show_message(types.ShowMessageParams(type=types.MessageType.Warning, message=f"metalor: {text}"))

    def take(self, value: object) -> None:
        """Take settings over from the client."""
        self.settings, wrong = read_settings(value)
        for sentence in wrong:
            self.say(sentence)
        for document in self.documents.values():
            document.set_up(self.settings)
            self.checking.opened(document)

    @property
    def roots(self) -> list[Path]:
        """The workspace folders; of a client that has none the one that it names."""
        named = list(self.workspace.folders) or [self.workspace.root_uri or ""]
        return [found for name in named if (found := path_of(name)) is not None]

    def root_of(self, uri: str) -> Path | None:
        """The workspace folder that a document lies in."""
        path = path_of(uri)
        holding = [root for root in self.roots if path is not None and path.is_relative_to(root)]
        return max(holding, key=lambda root: len(root.parts), default=None)


def _register(server: Server) -> None:
    @server.feature(types.WORKSPACE_SYMBOL)
    async def search(params: types.WorkspaceSymbolParams) -> list[types.WorkspaceSymbol]:
        return await server.recipes.search(params.query, server.roots, server.documents, server.client.encoding)

    for row in FEATURES:
        server.feature(row.method, row.options)(_asked(server, row))
    for method, answer in ITEMS.items():
        server.feature(method)(lambda params, answer=answer: answer(server.client, params))
    for method, hear in _LIFE.items():
        server.feature(method)(lambda params, hear=hear: hear(server, params))


def _asked(server: Server, row: Feature) -> Callable[[Any], Any]:
    """A handler that gives the document a request is about; one that is not open has no answer."""

    def handle(params: Any) -> Any:
        document = server.documents.get(params.text_document.uri)
        if document is None:
            return None
        remark = row.remark(document, server.client, params) if row.remark is not None else ""
        result = row.answer(document, server.client, params)
        if remark:
            server.say(remark)
        return result

    async def handle_slowly(params: Any) -> Any:
        result = handle(params)
        return None if result is None else await result

    return handle_slowly if inspect.iscoroutinefunction(row.answer) else handle


# ---- the life of a server and of its documents ---------------------------------------------------------------------


def _initialize(server: Server, params: types.InitializeParams) -> None:
    server.client = client_of(params.capabilities, server.workspace.position_encoding or Encoding.UTF16)
    server.settings, server.complaints = read_settings(params.initialization_options)


def _initialized(server: Server, params: types.InitializedParams) -> None:
    for sentence in server.complaints:
        server.say(sentence)
    if server.client.watches:
        everything = types.FileSystemWatcher(glob_pattern="**/*", kind=types.WatchKind.Create | types.WatchKind.Delete)
        ignore = types.FileSystemWatcher(glob_pattern="**/.metalorignore")
        lock = types.FileSystemWatcher(glob_pattern="**/*.lock")
        options = types.DidChangeWatchedFilesRegistrationOptions(watchers=[everything, ignore, lock])
        server.client_register_capability(
            types.RegistrationParams(
                registrations=[
                    types.Registration(
                        id="files", method=types.WORKSPACE_DID_CHANGE_WATCHED_FILES, register_options=options
                    )
                ]
            )
        )
    if server.client.configuration:
        _ask_settings(server)


def _ask_settings(server: Server) -> None:
    def heard(values: Any) -> None:
        if values and values[0] is not None:
            server.take(values[0])

    server.workspace_configuration(
        types.ConfigurationParams(items=[types.ConfigurationItem(section=SECTION)]), callback=heard
    )


def _configured(server: Server, params: types.DidChangeConfigurationParams) -> None:
    if params.settings:
        server.take(params.settings)
    elif server.client.configuration:
        _ask_settings(server)


def _opened(server: Server, params: types.DidOpenTextDocumentParams) -> None:
    given = params.text_document
    if (before := server.documents.pop(given.uri, None)) is not None:
        before.close()
    document = server.documents[given.uri] = Document(
        given.uri,
        given.version,
        given.text,
        encoding=server.client.encoding,
        settings=server.settings,
        root=server.root_of(given.uri),
    )
    for name in document.ground.missing:
        server.say(f"the context `{name}` is no folder: {document.ground.folders[name]}")
    server.checking.opened(document)


def _changed(server: Server, params: types.DidChangeTextDocumentParams) -> None:
    document = server.documents.get(params.text_document.uri)
    if document is not None:
        with without_collections():
            document.change(params.text_document.version, params.content_changes)
            server.checking.changed(document)


def _saved(server: Server, params: types.DidSaveTextDocumentParams) -> None:
    document = server.documents.get(params.text_document.uri)
    if document is not None:
        server.checking.disturbed(document)


def _closed(server: Server, params: types.DidCloseTextDocumentParams) -> None:
    document = server.documents.pop(params.text_document.uri, None)
    if document is not None:
        server.checking.closed(document)
        document.close()


def _disturbed(server: Server, params: types.DidChangeWatchedFilesParams) -> None:
    for document in server.documents.values():
        server.checking.disturbed(document)


def _shut_down(server: Server, params: None) -> None:
    server.checking.end()
    for document in server.documents.values():
        document.close()


_LIFE: Final[dict[str, Callable[[Server, Any], None]]] = {
    types.INITIALIZE: _initialize,
    types.INITIALIZED: _initialized,
    types.SHUTDOWN: _shut_down,
    types.TEXT_DOCUMENT_DID_OPEN: _opened,
    types.TEXT_DOCUMENT_DID_CHANGE: _changed,
    types.TEXT_DOCUMENT_DID_SAVE: _saved,
    types.TEXT_DOCUMENT_DID_CLOSE: _closed,
    types.WORKSPACE_DID_CHANGE_CONFIGURATION: _configured,
    types.WORKSPACE_DID_CHANGE_WATCHED_FILES: _disturbed,
}
