"""What is written is what comes back, wherever it was cut."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metalor_lang.errors import UsageError
from metalor_lang.repl.journal import FOLDER, Header, Journal
from metalor_lang.store.store import Store
from tests.support.sessions import scripted

HEADER = Header(path="/x/app.metalor", contexts={"a": "/b"}, platform=None, epoch=None, began=1)
TEXTS = (
    "FROM scratch AS one",
    "FROM scratch AS two",
    "SH a",
    "SH b\n",
    "ENV A=1",
    "ARG X=1",
    "SH echo $X",
    "# c\nSH '''\n  a\n  '''",
    "LABEL ü=1",
    "COPPY",
    "SH fails",
    "DEFINE g P\nSH echo $P\nEND",
    "FOR V IN 1 2\nSH echo $V\nENV B=${V}\nEND",
    "USE g P=x",
    "IF ${X} == 2\nFROM scratch AS three\nSH c\nEND",
    ":undo",
    ":undo 2",
    ":redo",
    ":goto 1",
    ":goto 2",
    ":continue",
    ":next",
    ":set X=2",
    ":retry",
)


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "store") as opened:
        yield opened


def told(session):
    """All there is to a session: every version, which one counts."""
    timeline = session.core.timeline
    found = []
    for version in timeline.versions:
        waits, queue = [], version.queue
        while queue is not None:
            waits.append((queue.serial, queue.text, queue.cell is not None))
            queue = queue.rest
        line, done = version.line, []
        while line is not None:
            done.append(line.entry)
            line = line.before
        found.append((done, waits, version.args, version.place.path))
    return found, timeline.undos


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.sampled_from(TEXTS), max_size=14))
def test_a_session_comes_back_as_it_was(store, tmp_path, texts):
    session, performer = scripted(store, tmp_path, journal=Journal.create(store.root, HEADER))
    performer.fail.add("SH fails")
    with session:
        for text in texts:
            session.feed(text)
        before, view = told(session), session.view
        session.core.close_journal(keep=True)
        if not any(version.line for version in session.core.timeline.versions):
            with pytest.raises(UsageError):
                Journal.resume(store.root)
            return
        journal, story = Journal.resume(store.root)
        assert story.header == HEADER
        again, performer = scripted(store, tmp_path, journal=journal, story=story)
        with again:
            assert told(again) == before and again.view == view and performer.asked == []
            # New statements get numbers of their own, and the journal goes on.
            again.feed("FROM scratch AS last")
            after = told(again)
            again.core.close_journal(keep=True)
            journal, story = Journal.resume(store.root)
            third, _ = scripted(store, tmp_path, journal=journal, story=story)
            with third:
                assert told(third) == after
                third.core.close_journal(keep=False)


def test_a_journal_that_was_cut_tells_what_stands_before_the_cut(store, tmp_path):
    journal = Journal.create(store.root, HEADER)
    session, _ = scripted(store, tmp_path, journal=journal)
    lengths = {}
    with session:
        for number, text in enumerate(["FROM scratch", "SH a", "SH b", ":undo", "SH c", ":goto 1"]):
            session.feed(text)
            lengths[os.fstat(journal._fd).st_size] = number
        whole = journal.path.read_bytes()
        ends = sorted(lengths)
        session.core.close_journal(keep=True)
        for cut in range(ends[0], len(whole), 7):
            journal.path.write_bytes(whole[:cut])
            resumed, story = Journal.resume(store.root)
            known = lengths[max(end for end in ends if end <= cut)]
            assert len(story.versions) == (2, 3, 4, 4, 4, 5)[known], cut
            assert story.at == (1, 2, 3, 2, 3, 4)[known]
            # What was cut is gone from the file: what comes next is not hidden by it.
            resumed.move(0)
            resumed.close(keep=True)
            resumed, again = Journal.resume(store.root)
            assert (len(again.versions), again.at) == (len(story.versions), story.at)
            resumed.close(keep=True)


def test_what_is_not_in_the_store_any_more_is_carried_out_again(store, tmp_path):
    session, _ = scripted(store, tmp_path, journal=Journal.create(store.root, HEADER))
    with session:
        session.feed("FROM scratch\nSH a\nSH b\nSH c\n:undo")
        chain = session.view.chain
        session.core.close_journal(keep=True)
    for found in list(store.steps.all()):
        if found.record.text != "SH a":
            store.steps.remove(found.record.key)
    store.close()
    store.gc()
    journal, story = Journal.resume(store.root)
    again, performer = scripted(store, tmp_path, journal=journal, story=story)
    with again:
        assert performer.asked == ["SH b"] and again.view.chain[:1] == chain[:1] and again.view.position == 3
        again.core.close_journal(keep=True)
        journal, story = Journal.resume(store.root)
        third, performer = scripted(store, tmp_path, journal=journal, story=story)
        with third:
            assert performer.asked == [] and third.view.chain == again.view.chain


def test_sessions_side_by_side_have_journals_of_their_own(store, tmp_path):
    one, _ = scripted(store, tmp_path, journal=Journal.create(store.root, HEADER))
    two, _ = scripted(store, tmp_path, journal=Journal.create(store.root, HEADER))
    with one, two:
        one.feed("FROM scratch AS a")
        two.feed("FROM scratch AS b")
        with pytest.raises(UsageError):
            Journal.resume(store.root)
        two.core.close_journal(keep=True)
        journal, story = Journal.resume(store.root)
        assert story.versions[story.at].line.entry.title == "b"
        with pytest.raises(UsageError):
            Journal.resume(store.root)
        journal.close(keep=False)


def test_a_session_that_was_saved_or_empty_leaves_no_journal(store, tmp_path):
    session, _ = scripted(store, tmp_path, journal=Journal.create(store.root, HEADER))
    session.close()
    session, _ = scripted(store, tmp_path, journal=Journal.create(store.root, HEADER))
    with session:
        session.feed(f"FROM scratch\n:save {tmp_path}/app.metalor")
    assert list((store.root / FOLDER).iterdir()) == []


def test_old_journals_go(store):
    for _ in range(30):
        Journal.create(store.root, HEADER).close(keep=True)
    assert len(list((store.root / FOLDER).iterdir())) <= 20
