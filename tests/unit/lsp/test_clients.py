"""Clients of three kinds at the real server: each gets what it can show. pytest-lsp checks every answer against what
the client said that it can, and a warning of it is an error here."""

import sys

import pytest
import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities, make_test_lsp_client

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINIMAL = types.ClientCapabilities()
PROFILES = {
    "vscode": lambda: client_capabilities("visual_studio_code"),
    "neovim": lambda: client_capabilities("neovim@v0.11.0"),
    "minimal": lambda: MINIMAL,
}

TEXT = """\
# 語 and 😀
ARG NAME=語😀
FROM scratch AS build
ENV COLOUR=red
RUN make 😀 all
SH echo "😀" $COLOUR ${NAME}
COPY --from=biuld /x /y
FROM build
LABEL title="😀 ${NAME}"
"""


def make_client() -> LanguageClient:
    """A client that also hears which files the server wants to be told of."""
    made = make_test_lsp_client()

    @made.feature(types.CLIENT_REGISTER_CAPABILITY)
    def register(params: types.RegistrationParams) -> None:
        made.registered = [each.method for each in params.registrations]

    return made


@pytest_lsp.fixture(
    scope="module",
    loop_scope="module",
    params=list(PROFILES),
    config=ClientServerConfig(server_command=[sys.executable, "-m", "metalor_lang", "lsp"], client_factory=make_client),
)
async def client(request: pytest.FixtureRequest, lsp_client: LanguageClient, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    lsp_client.profile = request.param
    lsp_client.folder = tmp_path_factory.mktemp(request.param)
    lsp_client.opened = 0
    lsp_client.capabilities = PROFILES[request.param]()
    folder = types.WorkspaceFolder(uri=lsp_client.folder.as_uri(), name="work")
    await lsp_client.initialize_session(
        types.InitializeParams(capabilities=lsp_client.capabilities, workspace_folders=[folder], root_uri=folder.uri)
    )
    yield
    await lsp_client.shutdown_session()


async def opened(client: LanguageClient, text: str = TEXT) -> list[types.Diagnostic]:
    client.opened += 1
    client.uri = (client.folder / f"app-{client.opened}.metalor").as_uri()
    item = types.TextDocumentItem(uri=client.uri, language_id="metalor", version=1, text=text)
    client.text_document_did_open(types.DidOpenTextDocumentParams(text_document=item))
    await client.wait_for_notification("textDocument/publishDiagnostics")
    return list(client.diagnostics[client.uri])


def units(client: LanguageClient, text: str) -> int:
    """The length of a text as the client counts it."""
    general = client.capabilities.general
    encodings = general.position_encodings if general is not None else None
    encoding = encodings[0] if encodings else "utf-16"
    return {
        "utf-8": len(text.encode()),
        "utf-16": len(text.encode("utf-16-le")) // 2,
        "utf-32": len(text),
    }[getattr(encoding, "value", encoding)]


def at(client: LanguageClient, line: int, before: str) -> types.Position:
    return types.Position(line=line, character=units(client, before))


def place(client: LanguageClient) -> types.TextDocumentIdentifier:
    return types.TextDocumentIdentifier(uri=client.uri)


async def test_errors_come_go_and_are_where_the_client_counts_them(client: LanguageClient) -> None:
    first, second = await opened(client)
    assert (first.code, second.code) == ("E0210", "E0317")
    assert first.range == types.Range(start=at(client, 4, "RUN "), end=at(client, 4, "RUN make 😀 all"))
    change = types.TextDocumentContentChangePartial(
        range=types.Range(start=at(client, 4, ""), end=at(client, 4, "RUN make 😀")), text="SH true"
    )
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            text_document=types.VersionedTextDocumentIdentifier(uri=client.uri, version=2), content_changes=[change]
        )
    )
    await client.wait_for_notification("textDocument/publishDiagnostics")
    assert [each.code for each in client.diagnostics[client.uri]] == ["E0317"]


async def test_a_fix_is_offered_where_the_client_takes_edits(client: LanguageClient) -> None:
    found = await opened(client)
    actions = await client.text_document_code_action_async(
        types.CodeActionParams(
            text_document=place(client), range=found[0].range, context=types.CodeActionContext(diagnostics=found[:1])
        )
    )
    if client.profile == "minimal":
        assert list(actions) == []
        return
    (action,) = actions
    assert action.kind == "quickfix" and action.diagnostics[0].code == "E0210"
    edit = action.edit
    changes = edit.document_changes[0].edits if edit.document_changes else edit.changes[client.uri]
    assert [(each.range.start.line, each.new_text) for each in changes] == [(4, "SH")]


async def test_completion_is_exact_and_described(client: LanguageClient) -> None:
    await opened(client, TEXT + "CO")
    found = await client.text_document_completion_async(
        types.CompletionParams(text_document=place(client), position=at(client, 9, "CO"))
    )
    labels = [item.label for item in found.items]
    assert labels[0] == "COPY" and ("COPY source destination" in labels) is (client.profile != "minimal")
    resolved = await client.completion_item_resolve_async(found.items[0])
    assert "--from" in resolved.documentation.value
    assert (resolved.documentation.kind == types.MarkupKind.Markdown) is (client.profile != "minimal")


async def test_symbols_are_a_tree_or_a_list(client: LanguageClient) -> None:
    await opened(client)
    found = await client.text_document_document_symbol_async(types.DocumentSymbolParams(text_document=place(client)))
    if client.profile == "minimal":
        assert [(each.name, each.container_name) for each in found[:3]] == [
            ("NAME", None),
            ("build", None),
            ("ENV COLOUR=red", "build"),
        ]
    else:
        assert [each.name for each in found] == ["NAME", "build", "stage 2"]
        assert [each.name.split()[0] for each in found[1].children] == ["ENV", "SH", "COPY"]


async def test_names_are_found_and_renamed(client: LanguageClient) -> None:
    await opened(client)
    here = at(client, 8, 'LABEL title="😀 ${NA')
    found = await client.text_document_references_async(
        types.ReferenceParams(
            text_document=place(client), position=here, context=types.ReferenceContext(include_declaration=True)
        )
    )
    assert [each.range.start.line for each in found] == [1, 5, 8]
    assert found[1].range.start == at(client, 5, 'SH echo "😀" $COLOUR ${')
    edit = await client.text_document_rename_async(
        types.RenameParams(text_document=place(client), position=here, new_name="TITLE")
    )
    changes = edit.document_changes[0].edits if edit.document_changes else edit.changes[client.uri]
    assert [each.new_text for each in changes] == ["TITLE"] * 3


async def test_shell_text_is_never_renamed_unseen(client: LanguageClient) -> None:
    await opened(client)
    edit = await client.text_document_rename_async(
        types.RenameParams(text_document=place(client), position=at(client, 3, "ENV C"), new_name="TONE")
    )
    changes = edit.document_changes[0].edits if edit.document_changes else edit.changes[client.uri]
    sure = [each for each in changes if not hasattr(each, "annotation_id")]
    asked = [each for each in changes if hasattr(each, "annotation_id")]
    assert [each.range.start.line for each in sure] == [3]
    if asked:
        assert [each.range.start.line for each in asked] == [5]
        assert edit.change_annotations[asked[0].annotation_id].needs_confirmation
    else:
        assert [each.message for each in client.messages] == [
            "metalor: `COLOUR` stands in shell text too, and was left there: line 6"
        ]


async def test_hover_speaks_what_the_client_reads(client: LanguageClient) -> None:
    await opened(client)
    found = await client.text_document_hover_async(
        types.HoverParams(text_document=place(client), position=at(client, 8, 'LABEL title="😀 ${NA'))
    )
    assert "語😀" in found.contents.value
    assert ("`" in found.contents.value) is (client.profile != "minimal")
