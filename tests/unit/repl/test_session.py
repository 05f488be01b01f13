"""The session's laws with a performer that writes nothing: what is kept, what is not, and what runs."""

import pytest

from metalor_lang.repl.outcome import Done, Failure, Interruption, Mistake, Moved, Refusal, Said
from metalor_lang.store.store import Store
from tests.support.sessions import Answering, Performer, scripted


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def session(store, tmp_path):
    made, performer = scripted(store, tmp_path)
    made.performer = performer
    with made:
        yield made


def last(outcome):
    return outcome.results[-1]


def typed(session):
    return [entry.statement for entry in session.entries]


def test_a_statement_becomes_part_of_the_recipe(session):
    assert not session.feed("ARG A=1").results[0].entry.key
    outcome = session.feed("FROM scratch AS one\nENV B=${A}\nSH touch /a")
    assert outcome.ok and [each.number for each in outcome.results] == [2, 3, 4]
    assert session.recipe == "ARG A=1\nFROM scratch AS one\nENV B=${A}\nSH touch /a\n"
    view = session.view
    assert (view.stage, view.position, view.undo, view.unsaved, len(view.chain)) == ("one", 4, 4, 4, 1)
    assert view.state.env == (("B", "1"),)
    assert session.performer.asked == ["SH touch /a"]


def test_what_is_refused_leaves_nothing(session):
    session.feed("FROM scratch\nENV A=1")
    before = session.view
    for text, code, column in (
        ("COPPY a b", "E0201", 0),
        ("SH", "E0245", 2),
        ("ENV B=${NOPE}", "E0301", 6),
        ('RUN ["a" "b"]', "E0213", 9),
        ("COPY nothing /x", "E0401", 5),
        ("FROM nope", "E0320", 5),
    ):
        outcome = session.feed(text)
        assert isinstance(last(outcome), Refusal), text
        diagnostic = last(outcome).diagnostics[0]
        assert last(outcome).source.text == text
        assert (diagnostic.code, diagnostic.span.start) == (code, column), text
        assert session.view == before and not outcome.ok
    assert session.performer.asked == []


def test_places_lie_in_what_was_typed(session):
    session.feed("FROM scratch")
    outcome = session.feed("# twice\nENV A=1\n\nENV B=${C}\nENV D=1")
    assert isinstance(outcome.results[0], Done) and isinstance(last(outcome), Refusal)
    found = last(outcome)
    assert found.source.slice(found.diagnostics[0].span) == "${C}"
    assert outcome.unrun == "ENV D=1"
    # One that needs an earlier line to be understood is shown in the whole recipe.
    session.feed('CMD ["a"]')
    found = last(session.feed('CMD ["b"]'))
    assert found.source.text == session.recipe + 'CMD ["b"]\n'
    assert found.source.slice(found.diagnostics[0].labels[0].span).startswith("CMD")


def test_what_fails_leaves_nothing(session):
    session.performer.fail.add("SH bad")
    outcome = session.feed("FROM scratch\nSH good\nSH bad\nSH never")
    assert [type(each) for each in outcome.results] == [Done, Done, Failure]
    failure = last(outcome)
    assert failure.source.slice(failure.diagnostic.span) == "SH bad" and failure.source.text.count("\n") == 3
    assert failure.status == 2 and failure.tail == (b"x",) and outcome.unrun == "SH never"
    assert typed(session) == ["FROM scratch", "SH good"] and outcome.status == 1


def test_what_is_interrupted_leaves_nothing(session):
    session.performer.interrupt.add("SH long")
    outcome = session.feed("FROM scratch\nSH long")
    assert isinstance(last(outcome), Interruption) and typed(session) == ["FROM scratch"]
    assert not session.interrupt()


def test_statements_before_a_stage(session):
    assert last(session.feed("SH a")).diagnostics[0].code == "E0312"
    assert session.feed("RECIPE 1\n# a comment\nARG A=1").ok
    assert last(session.feed("ENV A=1")).diagnostics[0].code == "E0312"
    assert session.view.stage == "" and session.view.position == 2


def test_undo_and_redo_run_nothing(session):
    session.feed("FROM scratch\nSH a\nENV A=1\nSH b")
    there = session.view
    asked = list(session.performer.asked)
    moved = last(session.feed(":undo 2"))
    assert (
        isinstance(moved, Moved)
        and moved.position == 2
        and moved.notes == ("not taken back: what a step did to the network",)
    )
    assert session.view.state.env == () and len(session.view.chain) == 1
    assert last(session.feed(":undo")).notes == ()
    session.feed(":redo 3")
    assert (session.view.chain, session.view.state, session.view.position) == (there.chain, there.state, 4)
    assert session.performer.asked == asked
    assert isinstance(last(session.feed(":redo")), Mistake)
    assert last(session.feed(":undo 99")).entry is None
    assert isinstance(last(session.feed(":undo")), Mistake)


def test_what_is_typed_after_undo_takes_its_place(session):
    session.feed("FROM scratch\nSH a\nSH b\n:undo\nSH c")
    assert typed(session) == ["FROM scratch", "SH a", "SH c"] and session.view.redo == 0
    session.feed(":undo")
    assert session.feed("SH b").ok
    assert session.performer.asked == ["SH a", "SH b", "SH c"]  # b was in the store


def test_goto_keeps_what_lies_behind(session):
    session.feed("FROM scratch AS one\nSH a\nFROM scratch AS two\nSH b\nSH c")
    whole = session.view
    moved = last(session.feed(":goto one"))
    assert (moved.position, moved.waiting) == (2, 3) and session.view.stage == "one"
    session.feed(":continue")
    assert session.view.chain == whole.chain and session.performer.asked == ["SH a", "SH b", "SH c"]
    session.feed(":goto 2\nSH between\n:continue")
    assert typed(session) == ["FROM scratch AS one", "SH a", "SH between", "FROM scratch AS two", "SH b", "SH c"]
    assert session.performer.asked == ["SH a", "SH b", "SH c", "SH between"]
    session.feed(":goto 3")
    session.feed(":goto 6")
    assert session.view.position == 6 and session.view.waiting == 0
    assert isinstance(last(session.feed(":goto 7")), Mistake)
    session.feed(":goto 0")
    assert session.view.position == 0 and session.view.waiting == 6
    session.feed(":undo")
    assert session.view.position == 6


def test_set_runs_what_depends_on_it(session):
    session.feed("ARG A=1\nFROM scratch AS one\nSH plain\nFROM scratch AS two\nSH echo $A\nSH after")
    assert session.feed(":set A=2").ok
    assert session.performer.asked == ["SH plain", "SH echo $A", "SH after", "SH echo $A", "SH after"]
    session.feed(":undo\n:set A=1")
    assert len(session.performer.asked) == 5
    assert last(session.feed(":set")).lines == ("A=1",)
    assert isinstance(last(session.feed(":set A")), Mistake)
    # Given before it is declared.
    refused = last(session.feed("ARG LATER"))
    assert refused.diagnostics[0].code == "E0307" and ":set LATER=VALUE" in refused.diagnostics[0].help
    assert session.feed(":set LATER=x\nARG LATER").ok


def test_edit_runs_from_the_first_change(store, tmp_path):
    person = Answering(edits=["SH two", None, "FROM scratch\nSH a\n", "SH bad"])
    session, performer = scripted(store, tmp_path, person=person)
    with session:
        session.feed("FROM scratch\nSH a\nSH b\nSH c")
        session.feed(":edit 3")
        assert typed(session) == ["FROM scratch", "SH a", "SH two", "SH c"]
        assert performer.asked == ["SH a", "SH b", "SH c", "SH two", "SH c"]
        session.feed(":undo")
        assert typed(session)[2] == "SH b"
        assert last(session.feed(":edit")).lines == ("nothing was changed",)
        session.feed(":edit")
        assert typed(session) == ["FROM scratch", "SH a"] and person.asked[-1] == "FROM scratch\nSH a\nSH b\nSH c\n"
        session.feed(":undo")
        performer.fail.add("SH bad")
        assert isinstance(last(session.feed(":edit 3")), Failure)
        # It stands before the one that failed; nothing of it is kept, and the rest waits.
        assert session.view.position == 2 and session.view.waiting == 2
        performer.fail.clear()
        assert session.feed(":retry\n:continue").ok
        assert typed(session) == ["FROM scratch", "SH a", "SH bad", "SH c"]


def test_retry(session):
    session.performer.fail.add("SH bad")
    session.feed("FROM scratch\nSH a\nSH bad")
    session.performer.fail.clear()
    assert session.feed(":retry").ok and typed(session)[-1] == "SH bad"
    chain = session.view.chain
    session.feed(":retry")
    assert session.performer.asked[-1] == "SH bad" and session.view.chain != chain and session.view.position == 3
    session.performer.fail.add("SH bad")
    there = session.view
    assert isinstance(last(session.feed(":retry")), Failure) and session.view.chain == there.chain


def test_load_next_break_and_continue(session, tmp_path):
    recipe = tmp_path / "app.metalor"
    recipe.write_text("# the base\nFROM scratch\nSH a\n\n# b\nSH b\nSH c\n# the end\n")
    session.feed("FROM scratch\nSH old")
    assert "4 statements" in last(session.feed(f":load {recipe}")).lines[0]
    assert session.view.position == 0 and session.view.waiting == 4 and session.view.unsaved == 0
    session.feed(":next")
    assert session.view.position == 1
    assert last(session.feed(":break 6")).lines == (":continue stops before 3: SH b",)
    assert last(session.feed(":break")).lines == ("line 6: SH b",)
    assert last(session.feed(":continue")).lines == ("stopped before 3: SH b",)
    session.performer.fail.add("SH c")
    outcome = session.feed(":continue")
    failure = last(outcome)
    assert isinstance(failure, Failure) and failure.source.position(failure.diagnostic.span.start).line == 7
    assert session.view.position == 3 and session.view.waiting == 1
    session.feed("SH fix\n:undo\n:undo")
    assert session.view.position == 2
    session.feed(":redo\n:redo")
    session.performer.fail.clear()
    session.feed(":continue")
    assert session.recipe == "# the base\nFROM scratch\nSH a\n\n# b\nSH b\nSH fix\nSH c\n# the end\n"
    assert session.view.unsaved == 1
    assert isinstance(last(session.feed(":continue")), Mistake)


def test_a_wrong_recipe_is_not_loaded(session, tmp_path):
    recipe = tmp_path / "app.metalor"
    recipe.write_text("FROM scratch\nCOPPY a\nENV A=${B}\n")
    session.feed("FROM scratch")
    found = last(session.feed(f":load {recipe}"))
    assert [each.code for each in found.diagnostics] == ["E0201", "E0301"] and session.view.position == 1
    found = last(session.feed(f":run {recipe}"))
    assert isinstance(found, Refusal) and found.source.path == str(recipe) and session.view.position == 2
    assert isinstance(last(session.feed(":load nowhere.metalor")), Mistake)


def test_a_block_costs_one_plan(session, monkeypatch):
    import metalor_lang.repl.carry as carry

    count = 0
    real = carry.plan_recipe

    def counted(*words, **named):
        nonlocal count
        count += 1
        return real(*words, **named)

    monkeypatch.setattr(carry, "plan_recipe", counted)
    session.feed("FROM scratch\n" + "".join(f"SH echo {number}\n" for number in range(50)))
    assert count == 1 and session.view.position == 51
    outcome = session.feed("".join(f"SH more {number}\n" for number in range(20)) + "ENV A=${B}\nSH x\n")
    assert count == 5 and len(outcome.results) == 21 and outcome.unrun == "SH x"


def test_check_places_errors_in_the_text(session):
    session.feed("ARG A=1\nFROM scratch")
    assert session.check("ENV B=${A}") == () and session.check(":nope") == ()
    text = ":undo\n# c\nENV C=${NOPE}\nSH x"
    (found,) = session.check(text)
    assert text[found.span.start : found.span.end] == "${NOPE}"


def test_a_changed_file_changes_nothing_until_replay(session, tmp_path):
    (tmp_path / "a").write_text("old")
    session.feed("FROM scratch\nCOPY a /a\nSH b")
    before = session.entries
    (tmp_path / "a").write_text("new one")
    assert session.feed("SH c").ok and session.entries[:3] == before
    (tmp_path / "a").unlink()
    assert session.feed("SH d").ok and session.entries[:3] == before
    assert isinstance(last(session.feed("COPY a /b")), Refusal)
    (tmp_path / "a").write_text("new one")
    assert session.feed(":undo\n:replay").ok
    assert session.performer.asked[-3:] == ["COPY a /a", "SH b", "SH c"]
    assert session.entries[1].key != before[1].key
    session.feed(":replay")
    assert session.performer.asked[-3:] == ["COPY a /a", "SH b", "SH c"]
    session.feed(":replay all")
    assert session.performer.asked[-3:] == ["COPY a /a", "SH b", "SH c"] and len(session.performer.asked) == 10


def test_near_misses(session):
    assert last(session.feed(":undoo")).help == "did you mean :undo?"
    assert last(session.feed(":zzz")).help == "see :help"
    assert "no colon" in last(session.feed(":from x")).help
    assert "did you mean one" in last(session.feed("FROM scratch AS one\n:goto oen")).help


def test_history_and_help(session):
    session.feed("FROM scratch")
    session.feed(":list")
    assert last(session.feed(":history")).lines == ("FROM scratch", ":list")
    assert isinstance(last(session.feed(":help")), Said)
    assert "FROM" in last(session.feed(":help from")).lines[0]
    assert last(session.feed(":help undo")).lines[0].startswith(":undo")
    assert "E0601" in last(session.feed(":explain e0601")).lines[0]


def test_the_store_belongs_to_both(store, tmp_path):
    """Two sessions on one store at once: what one has run the other takes, and neither sees the other's steps."""
    (one, first), (two, second) = scripted(store, tmp_path), scripted(store, tmp_path, performer=Performer(store))
    with one, two:
        one.feed("FROM scratch\nSH a")
        two.feed("FROM scratch\nSH a\nSH b")
        assert first.asked == ["SH a"] and second.asked == ["SH b"]
        assert one.view.position == 2 and one.view.chain == two.view.chain[:1]


def test_what_waits_is_not_taken_out_of_a_file_unasked(store, tmp_path):
    """Standing in the middle of a loaded recipe, Enter leaves the file as it is."""
    person = Answering()
    session, _ = scripted(store, tmp_path, person=person)
    path = tmp_path / "app.metalor"
    path.write_text("FROM scratch\nSH one\nSH two\n")
    with session:
        session.feed(f":load {path}\n:continue\n:goto 2\n")
        assert isinstance(last(session.feed(":save")), Mistake)
        assert person.asked[-1].default == "no"
        assert "1 more waits and is not in it" in person.asked[-1].text
        assert path.read_text().endswith("SH two\n")
        session.feed(":continue\nSH three")
        assert session.feed(":save").ok and path.read_text().endswith("SH two\nSH three\n")
