"""Blocks at the prompt: each is one entry, carried out, kept, refused and taken back as a whole."""

import pytest

from metalor_lang.repl.outcome import Failure, Interruption, Refusal, Table
from metalor_lang.repl.render import render
from metalor_lang.store.store import Store
from tests.support.sessions import scripted

GROUP = "DEFINE note text times=1\n    SH note $text ${times}\n    ENV NOTED=${text}\nEND"
START = f"ARG MODE=fast\n{GROUP}\nFROM scratch AS one\n"


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def session(store, tmp_path):
    made, performer = scripted(store, tmp_path)
    made.performer = performer
    with made:
        made.feed(START)
        performer.asked.clear()
        yield made


def last(outcome):
    return outcome.results[-1]


def kinds(session):
    return [entry.kind for entry in session.entries]


def test_a_block_is_one_entry_and_its_parts_are_carried_out(session):
    outcome = session.feed("FOR V IN 1 2\n    USE note text=n${V}\nEND\nSH behind")
    assert outcome.ok and [each.number for each in outcome.results] == [4, 5]
    assert kinds(session) == ["arg", "define", "from", "for", "sh"]
    assert session.performer.asked == ["SH note $text ${times}"] * 2 + ["SH behind"]
    entry = session.entries[3]
    assert [part.kind for part in entry.parts] == ["sh", "config", "sh", "config"]
    assert entry.state.env == (("NOTED", "n2"),) and len(entry.chain) == 2
    assert session.view.position == 5 and session.view.undo == 5


def test_one_step_back_takes_the_whole_of_it(session):
    before = session.view
    session.feed("FOR V IN 1 2\n    USE note text=${V}\nEND")
    session.feed(":undo")
    assert (session.view.chain, session.view.state, session.view.position) == (
        before.chain,
        before.state,
        before.position,
    )
    session.feed(":redo")
    assert session.entries[-1].kind == "for" and session.view.state.env == (("NOTED", "2"),)
    assert len(session.performer.asked) == 2, "nothing ran again"


@pytest.mark.parametrize("how", ["fail", "interrupt"])
def test_what_goes_wrong_inside_leaves_nothing_of_it(session, how):
    before = session.view
    getattr(session.performer, how).add("SH second")
    outcome = session.feed("IF ${MODE} == fast\n    SH first\n    SH second\n    SH third\nEND\nSH behind")
    found = last(outcome)
    assert isinstance(found, Failure if how == "fail" else Interruption)
    assert session.view == before and outcome.unrun == "SH behind"
    if how == "fail":
        assert found.source.slice(found.diagnostic.span) == "SH second"
        session.performer.fail.clear()
        assert session.feed(":retry").ok and len(session.entries[-1].parts) == 3


def test_what_a_condition_leaves_out_is_not_carried_out(session):
    assert session.feed("IF ${MODE} == slow\n    SH slow\nELSE IF ${MODE} == none\n    SH none\nEND").ok
    entry = session.entries[-1]
    assert (entry.parts, entry.key, entry.cached, entry.chain) == ((), "", False, session.entries[2].chain)
    assert session.performer.asked == []
    session.feed(":set MODE=slow")
    assert session.performer.asked == ["SH slow"]
    assert [part.statement for part in session.entries[-1].parts] == ["SH slow"]
    session.feed(":undo")
    assert session.entries[-1] is entry or session.entries[-1].parts == ()


def test_a_group_is_remembered_and_taken_back(session):
    session.feed("DEFINE later\n    SH later\nEND\nUSE later")
    assert session.performer.asked == ["SH later"]
    session.feed(":undo 2")
    found = last(session.feed("USE later"))
    assert isinstance(found, Refusal) and found.source.slice(found.diagnostics[0].span) == "later"
    assert isinstance(last(session.feed(GROUP)), Refusal), "it is there already"


def test_stages_may_begin_in_a_block(session):
    session.feed("FOR V IN 2 3\n    FROM scratch\n    SH in ${V}\nEND\nCOPY --from=one / /x/")
    assert session.stages() == ("one", "stage 2", "stage 3")
    rows = {row[1]: row[2] for row in last(session.feed(":stages")).rows}
    assert rows == {"one": "1", "stage 2": "2", "stage 3": "3"}
    assert session.view.stage == "stage 3"


@pytest.mark.parametrize(
    "text,code,marked",
    [
        ("IF ${MODE} == fast\nSH a", "E0801", "IF"),
        ("END", "E0802", "END"),
        ("ELSE", "E0803", "ELSE"),
        ("FOR V IN 1\n    ENV A=${NOPE}\nEND", "E0301", "${NOPE}"),
        ("IF ${MODE} = fast\nSH a\nEND", "", "="),
        ("USE note", "", "note"),
    ],
)
def test_what_is_wrong_is_shown_where_it_was_typed(session, text, code, marked):
    before = session.view
    found = last(session.feed(text))
    assert isinstance(found, Refusal) and found.source.text == text
    assert len(found.diagnostics) == 1, "one mistake, one error"
    assert found.source.slice(found.diagnostics[0].span) == marked
    assert not code or found.diagnostics[0].code == code
    assert session.check(text)[0].span == found.diagnostics[0].span
    assert session.view == before and session.performer.asked == []


def test_an_error_in_a_group_shows_both_places(session):
    session.feed("DEFINE port number\n    EXPOSE ${number}\nEND")
    text = "SH a\nUSE port number=many"
    outcome = session.feed(text)
    shown = render(last(outcome))
    assert "EXPOSE ${number}" in shown and "USE port number=many" in shown
    (live,) = session.check("USE port number=many")
    assert "USE port number=many"[live.span.start : live.span.end] == "USE port"


def test_what_waits_and_what_is_edited_are_blocks_too(session):
    session.feed("FOR V IN 1 2\n    SH a ${V}\nEND\nSH b")
    session.feed(":goto 3")
    assert session.view.waiting == 2
    session.feed("SH between")
    session.performer.asked.clear()
    assert session.feed(":continue").ok
    assert session.performer.asked == ["SH a ${V}", "SH a ${V}", "SH b"]


def test_a_recipe_is_saved_as_it_was_typed(session, tmp_path):
    session.feed("FOR V IN 1 2\nUSE note \\\n text=${V}\n# about the end\nEND")
    path = tmp_path / "saved.metalor"
    assert session.feed(f":save {path}").ok
    assert path.read_text() == (f"{START}FOR V IN 1 2\n    USE note \\\n        text=${{V}}\n# about the end\nEND\n")


def test_lists_show_a_block_as_one(session):
    session.feed("FOR V IN 1 2\n    SH a ${V}\nEND")
    found = last(session.feed(":list"))
    assert isinstance(found, Table) and found.rows[-1][-1].startswith("FOR V IN 1 2")
    assert found.rows[-1][2] == "ran"
    shown = render(last(session.feed(":why")))
    assert shown.count("SH a ${V}") == 2


def test_an_imported_file_that_changes_is_told_and_taken_by_replay(session, tmp_path):
    shared = tmp_path / "shared.metalor"
    shared.write_text("DEFINE note text\n    SH note $text\nEND\n")
    path = tmp_path / "saved.metalor"
    session.feed(":undo 3\nIMPORT shared.metalor AS shared\nFROM scratch\nUSE shared.note text=a")
    assert session.performer.asked == ["SH note $text"]
    assert "has changed" not in render(last(session.feed(f":save {path}")))
    kept = session.core.store.steps.get(session.entries[-1].parts[0].key)
    shared.write_text("DEFINE note text\n    SH note more $text\nEND\n")
    said = render(last(session.feed(f":save {path}")))
    assert "has changed since statement 3" in said and ":replay" in said
    assert session.core.store.steps.get(session.entries[-1].parts[0].key) == kept
    session.feed(":replay")
    assert session.performer.asked[-1] == "SH note more $text"
    assert "has changed" not in render(last(session.feed(f":save {path}")))
