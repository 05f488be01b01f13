"""What the prompt knows of a text while it is typed."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metalor_lang.repl.reading import Reader
from metalor_lang.store.store import Store
from tests.support.sessions import scripted


@pytest.fixture
def session(tmp_path):
    (tmp_path / "work" / "src").mkdir(parents=True)
    (tmp_path / "work" / "src" / "main.c").write_text("")
    with Store.open(tmp_path / "store") as store, scripted(store, tmp_path / "work")[0] as made:
        made.feed("ARG VERSION=1\nFROM scratch AS one\nENV A=1\nFROM scratch AS two")
        yield made


def problem(session, text, cursor=None):
    found = Reader(session).read(text, len(text) if cursor is None else cursor).problem
    return found and (found.code, text[found.span.start : found.span.end])


@pytest.mark.parametrize(
    "text",
    [
        "", "W", "COPY", "COPY --fr", "COPY --", "RUN -", "COPY src", "COPY nothing", "FROM deb", "ENV A=${VERS",
        "RUN [", 'RUN ["a", ',
        "SH '''", "SH '''\n  a", "FILE /x \"\"\"\n ${VERSION}", "LABEL a", "ENV X=1 \\\n", "# a comment", ":undo",
        "FOR V IN a", "FOR V IN a b\n", "IF ${VERSION} == 1\n    SH a\nEL",
        "IF ${VERSION} == 1\n    SH a\nELSE\n    EN",
        "DEFINE a\n    USE", "IF ${VERSION} ", "IF ${VERSION} =", "FOR V I", "USE ", "FOR V IN a\n    SH $V ${V}",
        "USER ", "TEST R", "FILE /x ''", "FROM scratch A", "COPY 'my f", "ENV X=1\nWORKD", "SH echo hello",
    ],
)  # fmt: skip
def test_what_may_become_right_is_not_called_wrong(session, text):
    assert problem(session, text) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("COPPY a", ("E0201", "COPPY")),
        ("COPY nothing /x", ("E0401", "nothing")),
        ("COPY --from=three a /b", ("E0317", "three")),
        ("ENV B=${NOPE} ", ("E0301", "${NOPE}")),
        ("ENV B=${NOPE} C=", ("E0301", "${NOPE}")),
        ("COPY nothing /x\nSH '''", ("E0401", "nothing")),
        ("USER x\nENV VERSION=2 ", ("E0303", "VERSION")),
        ("FROM debian ", ("E0320", "debian")),
        ("FOR V IN a\n    ENV B=${NOPE} ", ("E0301", "${NOPE}")),
        ("FOR V IN a\n    ARG B=1\n    SH ", ("E0806", "ARG")),
        ("IF ${NOPE} == 1\n    SH ", ("E0301", "${NOPE}")),
        ("END ", ("E0802", "END")),
        ("USE nothing ", ("E0821", "nothing")),
    ],
)
def test_what_is_wrong_is_said_while_typing(session, text, found):
    assert problem(session, text) == found


def test_behind_the_word_it_is_wrong_at_the_word_not_yet(session):
    assert problem(session, "ENV B=${NOPE") is None
    assert problem(session, "ENV B=${NOPE}") == ("E0301", "${NOPE}")
    assert problem(session, "COPY nothing") is None
    assert problem(session, "ENV B=${NOPE}", cursor=0) == ("E0301", "${NOPE}")


def test_problems_are_everything_that_would_be_refused(session):
    reader = Reader(session)
    assert [each.code for each in reader.problems("COPY nothing /x\nENV B=${NOPE}")] == ["E0401", "E0301"]
    assert reader.problems("ENV B=${VERSION}\nWORKDIR /x") == ()


def marked(session, text):
    """The text with wrong parts in brackets, and the roles in order."""
    reading = Reader(session).read(text, len(text))
    shown, at = "", 0
    for colour in reading.colours:
        piece = text[colour.start : colour.end]
        shown += text[at : colour.start] + (f"[{piece}]" if colour.wrong else piece)
        at = colour.end
    return shown + text[at:], [colour.role for colour in reading.colours if colour.role != "space"]


def test_wrong_parts_keep_their_colour_and_are_marked(session):
    assert marked(session, "COPY nothing /x") == ("COPY [nothing] /x", ["keyword", "word", "word"])


def test_a_command_has_a_colour_of_its_own(session):
    assert marked(session, ":goto 3") == (":goto 3", ["command", "word"])
    assert marked(session, "USER x\n:undo\n# end") == (
        "USER x\n:undo\n# end",
        ["keyword", "word", "command", "comment"],
    )


def inserted(session, text):
    return [item.insert for item in Reader(session).items(text, len(text))]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("COPY s", ["src/"]),
        ("COPY --from=", ["one", "${", '"']),
        ("USER x\nCOPY src/", ["main.c"]),
        ("ENV X=${V", ["VERSION}"]),
        ("ENV X=${A", []),
        (":go", [":goto "]),
        (":goto o", ["one"]),
        (":goto 1", ["1"]),
        (":save sr", ["src/"]),
        (":export oci:sr", ["src/"]),
        (":export t", ["tar:"]),
        (":help UNS", ["UNSET"]),
        (":help :undo", [":undo"]),
        (":set V", ["VERSION="]),
        (":explain E0201", ["E0201"]),
        (":explain E099", []),
    ],
)
def test_menus(session, text, found, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path / "work")
    assert inserted(session, text) == found


def test_an_empty_prompt_lists_statements_and_commands(session):
    found = inserted(session, "")
    assert "COPY " in found and ":undo " in found and "RECIPE " not in found


def test_signatures_of_statements_and_commands(session):
    def form(text):
        found = Reader(session).read(text, len(text)).signature
        return found and found.form

    assert form("USER x\nCOPY a ") == "COPY [flags] source… destination"
    assert form(":goto ") == ":goto STEP"
    assert form(":goto 1\nUSER ") == "USER name-or-id[:group-or-id]"


_SCRAPS = [
    "FROM ", "SH ", "SH '''\n", "'''", "COPY ", "--from=", "one", ":undo", ":goto ", "\n", " ", "\\\n", '"', "'", "[",
    "]", ",", "${", "}", "#", "VERSION", "ENV A=", "src/", "/", "日", "\x00", "\t", "\r\n",
    "FILE /a \"\"\"\n", "LABEL ", "=",
]  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.sampled_from(_SCRAPS), max_size=12), cut=st.integers(0, 30))
def test_every_text_can_be_read_at_every_place(session, texts, cut):
    text = "".join(texts)
    cursor = max(len(text) - cut, 0)
    reader = Reader(session)
    reading = reader.read(text, cursor)
    at = 0
    for colour in reading.colours:
        assert at <= colour.start < colour.end <= len(text)
        at = colour.end
    if reading.problem is not None:
        assert 0 <= reading.problem.span.start <= reading.problem.span.end <= len(text)
    if reading.signature is not None:
        assert reading.signature.active.end <= len(reading.signature.form)
    for each in reader.problems(text):
        assert 0 <= each.span.start <= each.span.end <= len(text)
