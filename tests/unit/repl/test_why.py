"""Why statements run at the prompt: the words of `metalor why`, for what one went back over, changed or has anew."""

import pytest

from metalor_lang.repl.render import render
from metalor_lang.repl.telling import told
from metalor_lang.store.store import Store
from tests.support.sessions import Answering, scripted


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "folder"
    made.mkdir()
    return made


@pytest.fixture
def session(store, folder):
    made, performer = scripted(store, folder)
    made.performer = performer
    with made:
        yield made


def why(session, number=""):
    """What `:why` says of a statement, without the times and the key."""
    lines = render(session.feed(f":why {number}".strip()).results[-1]).splitlines()
    return [line.replace("0.0s", "TIME") for line in lines if "key sha256" not in line]


def shown(outcome):
    """What the terminal shows of results."""
    texts = (told(each, painted=False, width=60) for each in outcome.results)
    return [line.replace("0.0s", "TIME") for text in texts for line in text.splitlines()]


def reasons(session):
    return [entry.why for entry in session.entries]


def test_what_is_typed_for_the_first_time_is_no_news(session):
    session.feed("FROM scratch\nENV A=1\nSH make")
    assert reasons(session) == ["", "", ""]
    assert why(session) == ["3: SH make", "it ran, in TIME:", "  never built"]
    assert why(session, 2) == ["2: ENV A=1", "only changes the configuration: it never runs"]
    session.feed("SH more")
    assert why(session)[2] == "  never built"


def test_after_undo_a_statement_is_compared_with_what_was_there(session):
    session.feed("FROM scratch\nENV A=1\nSH make\nSH install")
    session.feed(":undo 3")
    session.feed("ENV A=2")
    session.feed("SH make")
    session.feed("SH install")
    assert reasons(session) == ["", "", "variable A 1 → 2", "variable A 1 → 2"]
    assert why(session, 3)[2:] == ["  environment variable A: 1 → 2", "    through line 2: ENV A=2"]
    session.feed("SH new")
    assert reasons(session)[-1] == "" and why(session)[2] == "  never built", "all that was there is there again"


def test_after_goto_what_waits_stands_on_what_came_between(session):
    session.feed("FROM scratch\nSH one\nSH two")
    session.feed(":goto 2")
    session.feed("SH between")
    outcome = session.feed(":continue")
    assert reasons(session) == ["", "", "", "statement 3 changed"]
    assert why(session)[2:] == ["  because statement 3 (SH between) changed:", "    new statement"]
    assert "4  SH two  statement 3 changed" in shown(outcome)[0]


def test_a_file_that_changed_is_the_reason_of_a_replay(session, folder):
    (folder / "src").mkdir()
    (folder / "src/a").write_text("one")
    session.feed("FROM scratch\nCOPY src/ /src/\nFOR N IN x y\n    SH make $N\nEND")
    (folder / "src/a").write_text("two")
    (folder / "src/b").write_text("new")
    session.feed(":replay")
    assert reasons(session) == ["", "src/a changed, and 1 more", "statement 2 changed"]
    assert [line.partition(": sha256")[0] for line in why(session, 2)[2:]] == ["  src/a changed", "  src/b is new"]
    said = why(session, 3)
    assert said[1] == "  SH make $N  with N=x" and said[6] == "  SH make $N  with N=y"
    assert said[8:] == ["      because statement 2 (COPY src/ /src/) changed, as said above"]
    assert said[3] == "      because statement 2 (COPY src/ /src/) changed:"
    session.feed(":undo")
    assert reasons(session) == ["", "", ""], "each version has the reasons of its own"


def test_an_argument_an_edit_and_what_is_asked_for(store, folder):
    session, _ = scripted(store, folder, person=Answering(edits=["SH made $V"]))
    with session:
        session.feed("ARG V=1\nFROM scratch\nSH make $V")
        session.feed(":set V=2")
        assert reasons(session)[-1] == "argument V 1 → 2"
        session.feed(":edit 3")
        assert reasons(session)[-1] == "", "it was he who changed it"
        assert why(session)[2:] == ["  the statement changed", "    was: SH make $V", "    now: SH made $V"]
        session.feed(":retry")
        assert reasons(session)[-1] == ""
        assert why(session)[2:] == ["  as was asked for: nothing was taken from the store"]


def test_what_the_store_has_did_not_run(session):
    session.feed("FROM scratch\nSH make")
    session.feed(":undo")
    session.feed("SH make")
    assert why(session)[1:] == ["its result was in the store: it did not run"]


def test_what_is_carried_out_without_being_typed_says_what_it_is(session):
    session.feed("FROM scratch")
    assert "SH one" not in shown(session.feed("SH one"))[0]
    lines = shown(session.feed("SH two\nTEST SH look\nFOR N IN x\n    TEST SH see $N\nEND"))
    assert "3  SH two" in lines[0]
    assert lines[1].endswith(": TEST SH look")
    assert lines[2].endswith(": TEST SH see $N  with N=x"), "a round says its values"
    assert "5  FOR N IN x" in lines[3]


def test_what_is_there_again_did_not_run_just_now(session):
    session.feed("FROM scratch\nSH one\nTEST SH look\nSH two")
    session.feed(":goto 1")
    assert shown(session.feed(":continue")) == [
        "= 2  SH one  as before",
        "passed before: TEST SH look",
        "= 4  SH two  as before",
    ]


def test_a_stage_on_a_stage_does_not_show_what_that_one_wrote(session, store):
    session.feed("FROM scratch AS one\nSH one")
    log = store.logs_path(session.entries[-1].key)
    log.parent.mkdir(exist_ok=True)
    log.write_text("written by one\n")
    assert shown(session.feed("FROM one AS two")) == ["= 3  cached"]
    session.feed(":undo 2")
    assert shown(session.feed("SH one")) == ["written by one", "= 2  cached"]


def test_what_has_not_run_is_offered_without_an_empty_line(session):
    session.performer.fail.add("SH bad")
    assert session.feed("FROM scratch\nSH bad\n\nSH never\n").unrun == "SH never"
