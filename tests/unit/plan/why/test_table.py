"""What is said of each kind of change: the recipe before, the recipe now, and why each step runs that does."""

import pytest

from metalor_lang.plan.why.account import account_of
from metalor_lang.plan.why.compare import Miss, Missing, explain
from tests.support.reasons import NoFiles, lines, reasons
from tests.support.recipes import FakeInputs, base_info, plan_of

TWO = "FROM alpine:3 AS one\nSH x\nFROM alpine:3 AS two\nSH y\n"
B = "FROM debian:12 AS build\n"

TABLE: dict[str, tuple[str, str, list[str]]] = {
    "nothing": (B + "SH a\nSH b\n", B + "SH a\nSH b\n", []),
    "layout of the text": (B + 'RUN ["a"]\n', B + '\n# new\nRUN [ "a" ]\n', []),
    "a statement": (
        B + "SH a\nSH make all\nSH c\n",
        B + "SH a\nSH make most\nSH c\n",
        ["build.2: the statement changed was: SH make all now: SH make most", "build.3: step 2 changed"],
    ),
    "two statements": (
        B + "SH a\nSH b\nSH c\n",
        B + "SH a1\nSH b1\nSH c\n",
        [
            "build.1: the statement changed was: SH a now: SH a1",
            "build.2: the statement changed was: SH b now: SH b1",
            "build.3: step 1 changed",
        ],
    ),
    "a new statement": (
        B + "SH a\nSH c\n",
        B + "SH a\nSH b\nSH c\n",
        ["build.2: new statement", "build.3: step 2 changed"],
    ),
    "a new statement at the end": (B + "SH a\n", B + "SH a\nSH b\n", ["build.2: new statement"]),
    "a new statement at the start": (
        B + "SH a\n",
        B + "SH b\nSH a\n",
        ["build.1: new statement", "build.2: step 1 changed"],
    ),
    "a removed statement": (
        B + "SH a\nSH b\nSH c\nSH d\n",
        B + "SH a\nSH c\nSH d\n",
        ["build.2: a statement above was removed: SH b", "build.3: step 2 changed"],
    ),
    "the last statement removed": (B + "SH a\nSH b\n", B + "SH a\n", []),
    "two removed": (
        B + "SH a\nFILE /x '''\n'''\nSH c\n",
        B + "SH c\n",
        ["build.1: a statement above was removed: SH a; a statement above was removed: FILE /x …"],
    ),
    "moved": (
        B + "SH a\nFILE /x '''\n'''\nSH c\n",
        B + "FILE /x '''\n'''\nSH a\nSH c\n",
        [
            "build.1: statements changed their order: FILE /x …",
            "build.2: step 1 changed",
            "build.3: step 1 changed",
        ],
    ),
    "another word": (
        B + "SH a\nSH c\n",
        B + 'RUN ["a"]\nSH c\n',
        ["build.1: new statement", "build.2: step 1 changed"],
    ),
    "an argument": (
        "ARG V=1\n" + B + "SH a\nSH echo $V\nSH c\n",
        "ARG V=2\n" + B + "SH a\nSH echo $V\nSH c\n",
        ["build.2: argument V: 1 → 2", "build.3: step 2 changed"],
    ),
    "an argument in several": (
        "ARG V=1\n" + B + 'RUN ["a", "${V}"]\nSH b\nFILE /x """\n${V}\n"""\nSH c\n',
        "ARG V=2\n" + B + 'RUN ["a", "${V}"]\nSH b\nFILE /x """\n${V}\n"""\nSH c\n',
        [
            "build.1: argument V: 1 → 2",
            "build.2: step 1 changed",
            "build.3: argument V: 1 → 2",
            "build.4: step 1 changed",
        ],
    ),
    "an argument in a source": (
        "ARG V=a\n" + B + "COPY ${V}.txt /x\nSH c\n",
        "ARG V=b\n" + B + "COPY ${V}.txt /x\nSH c\n",
        ["build.1: argument V: a → b", "build.2: step 1 changed"],
    ),
    "an argument of a flag": (
        "ARG V=a\n" + B + "SH --user=${V} x\n",
        "ARG V=b\n" + B + "SH --user=${V} x\n",
        ["build.1: argument V: a → b"],
    ),
    "an argument declared where a text names it": (
        B + "SH echo $V\n",
        "ARG V=1\n" + B + "SH echo $V\n",
        ["build.1: argument V: not set → 1"],
    ),
    "an argument through ENV": (
        "ARG V=1\n" + B + "ENV X=v${V}\nSH a\n",
        "ARG V=2\n" + B + "ENV X=v${V}\nSH a\n",
        ["build.2: argument V: 1 → 2 through line 3: ENV X=v${V}"],
    ),
    "an argument through two ENV": (
        "ARG V=1\n" + B + "ENV X=v${V}\nENV Y=${X}\nSH a\n",
        "ARG V=2\n" + B + "ENV X=v${V}\nENV Y=${X}\nSH a\n",
        ["build.3: argument V: 1 → 2 through line 3: ENV X=v${V}"],
    ),
    "an argument of FROM": (
        "ARG V=11\nFROM debian:${V} AS build\nSH a\nSH b\n",
        "ARG V=12\nFROM debian:${V} AS build\nSH a\nSH b\n",
        ["build.1: argument V 11 → 12", "build.2: argument V 11 → 12"],
    ),
    "an environment variable": (
        B + "ENV X=1\nSH a\nSH b\n",
        B + "ENV X=2\nSH a\nSH b\n",
        [
            "build.2: environment variable X: 1 → 2 through line 2: ENV X=2",
            "build.3: environment variable X: 1 → 2 through line 2: ENV X=2",
        ],
    ),
    "a variable in a word": (
        B + "ENV X=1\nCOPY a.txt /x/${X}\n",
        B + "ENV X=2\nCOPY a.txt /x/${X}\n",
        ["build.2: environment variable X: 1 → 2 through line 2: ENV X=2"],
    ),
    "a new variable": (
        B + "SH a\n",
        B + "ENV X=2\nSH a\n",
        ["build.2: environment variable X: not set → 2 through line 2: ENV X=2"],
    ),
    "a variable gone": (
        B + "ENV X=2\nSH a\n",
        B + "SH a\n",
        ["build.1: environment variable X: 2 → not set by a statement that is gone: ENV X=2"],
    ),
    "a variable unset": (
        B + "ENV X=2\nSH a\n",
        B + "ENV X=2\nUNSET ENV X\nSH a\n",
        ["build.3: environment variable X: 2 → not set through line 3: UNSET ENV X"],
    ),
    "a user": (
        B + "USER 1\nSH a\n",
        B + "USER 2\nSH a\n",
        ["build.1: the statement changed was: USER 1 now: USER 2", "build.2: step 1 changed"],
    ),
    "a new user": (
        B + "SH a\n",
        B + "USER 2\nSH a\n",
        ["build.1: new statement", "build.2: step 1 changed"],
    ),
    "a user gone": (
        B + "USER 2\nSH a\n",
        B + "SH a\n",
        ['build.1: user: 2 → "" by a statement that is gone: USER 2'],
    ),
    "a user's flag": (
        B + "USER 2\nSH --user=1 a\n",
        B + "USER 2\nSH --user=3 a\n",
        ["build.2: the statement changed was: SH --user=1 a now: SH --user=3 a"],
    ),
    "a working directory": (
        B + "WORKDIR /a\nSH a\nSH b\n",
        B + "WORKDIR /b\nSH a\nSH b\n",
        [
            "build.1: the statement changed was: WORKDIR /a now: WORKDIR /b",
            "build.2: step 1 changed",
            "build.3: step 1 changed",
        ],
    ),
    "a shell": (
        B + 'SHELL ["/bin/a", "-c"]\nSH a\nRUN ["b"]\n',
        B + 'SHELL ["/bin/b", "-c"]\nSH a\nRUN ["b"]\n',
        [
            'build.2: SHELL: ["/bin/a","-c"] → ["/bin/b","-c"] through line 2: SHELL ["/bin/b", "-c"]',
            "build.3: step 2 changed",
        ],
    ),
    "another stage's": (
        B + "SH a\nFROM alpine:3 AS web\nCOPY --from=build /x /x\nSH c\n",
        B + "SH b\nFROM alpine:3 AS web\nCOPY --from=build /x /x\nSH c\n",
        [
            "build.1: the statement changed was: SH a now: SH b",
            "web.1: step 1 of build changed",
            "web.2: step 1 of build changed",
        ],
    ),
    "the stage below": (
        B + "SH a\nSH b\nFROM build AS web\nSH c\n",
        B + "SH a\nFROM build AS web\nSH c\n",
        ["web.1: a statement above was removed: SH b"],
    ),
    "a stage renamed": (
        B + "SH a\nFROM alpine:3 AS web\nCOPY --from=build /x /x\nSH c\n",
        "FROM debian:12 AS make\nSH b\nFROM alpine:3 AS web\nCOPY --from=make /x /x\nSH c\n",
        [
            "make.1: the statement changed was: SH a now: SH b",
            "web.1: step 1 of make changed",
            "web.2: step 1 of make changed",
        ],
    ),
    "stages renamed and nothing else": (
        B + "SH a\nFROM alpine:3\nCOPY --from=build /x /x\nSH c\n",
        "FROM debian:12 AS make\nSH a\nFROM alpine:3 AS web\nCOPY --from=make /x /x\nSH c\n",
        [],
    ),
    "a new stage": (
        B + "SH a\n",
        "FROM alpine:3 AS one\nSH x\n" + B + "COPY --from=one /x /x\nSH a\n",
        ["one.1: never built", "build.1: new statement", "build.2: step 1 changed"],
    ),
    "from another stage": (
        "FROM alpine:3 AS one\nSH x\nFROM alpine:3 AS two\nSH y\n"
        + B
        + "COPY --from=one /x /x\nCOPY --from=two /y /y\n",
        "FROM alpine:3 AS one\nSH x\nFROM alpine:3 AS two\nSH y\n"
        + B
        + "COPY --from=two /x /x\nCOPY --from=two /y /y\n",
        [
            "build.1: the statement changed was: COPY --from=one /x /x now: COPY --from=two /x /x",
            "build.2: step 1 changed",
        ],
    ),
    "a base": (
        "FROM debian:11 AS build\nSH a\nSH b\n",
        B + "SH a\nSH b\n",
        ["build.1: the base debian:12 changed", "build.2: the base debian:12 changed"],
    ),
    "a bind's place": (
        B + "SH --bind=site:/s a\n",
        B + "SH --bind=site:/t a\n",
        ["build.1: the statement changed was: SH --bind=site:/s a now: SH --bind=site:/t a"],
    ),
    "a test": (
        B + "SH a\nTEST SH b\nSH c\n",
        B + "SH a\nTEST SH d\nSH c\n",
        ["build.2: the statement changed was: TEST SH b now: TEST SH d"],
    ),
    "what does not matter": (B + "SH --timeout=1s a\n", B + 'SH --timeout=2s a\nCMD ["a"]\n', []),
    "the lines of a file": (
        B + "FILE /x '''\n  a\n  b\n  '''\nSH c\n",
        B + "FILE /x '''\n  a\n  d\n  '''\nSH c\n",
        ["build.1: the statement changed was: b now: d", "build.2: step 1 changed"],
    ),
    "a variable in a file": (
        B + 'ENV X=1\nFILE /x """\n${X}\n"""\n',
        B + 'ENV X=2\nFILE /x """\n${X}\n"""\n',
        ["build.2: environment variable X: 1 → 2 through line 2: ENV X=2"],
    ),
    "line of a block": (
        B + "SH '''\n  a\n  b\n  '''\n",
        B + "SH '''\n  a\n  c\n  '''\n",
        ["build.1: the statement changed was: b now: c"],
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_why(name: str) -> None:
    before, now, expected = TABLE[name]
    then, today = plan_of(before), plan_of(now)
    assert lines(today, reasons(then, today)) == expected


def test_a_base_that_moved() -> None:
    text = B + "SH a\nSH b\nFROM build AS web\nSH c\n"
    then = plan_of(text, FakeInputs(bases={"debian:12": base_info("old")}))
    today = plan_of(text, FakeInputs(bases={"debian:12": base_info("new")}))
    found = reasons(then, today)
    assert {reason.root for reason in found.values()} == {(0, 0)}
    (cause,) = found[1, 1].first
    assert (cause.code, cause.name, cause.old, cause.new) == (
        "base", "debian:12", base_info("old").digest, base_info("new").digest,
    )  # fmt: skip


def test_values_of_secret_names_are_hidden() -> None:
    """A base may set such a name, where no recipe could."""
    inputs = FakeInputs(bases={"debian:12": base_info("one", env=(("PATH", "/bin"), ("API_TOKEN", "hunter2")))})
    then, today = plan_of(B + "SH a\n", inputs), plan_of(B + "UNSET ENV API_TOKEN\nSH a\n", inputs)
    assert lines(today, reasons(then, today)) == [
        "build.2: environment variable API_TOKEN: (hidden) → not set through line 2: UNSET ENV API_TOKEN"
    ]


def test_nothing_was_ever_built() -> None:
    plan = plan_of(B + "SH a\nENV X=1\nTEST SH b\n")
    assert lines(plan, reasons(None, plan)) == ["build.1: never built", "build.3: never built"]


LOST: dict[str, tuple[dict[tuple[int, int], Miss], list[str]]] = {
    "a record": (
        {(0, 1): Miss(why=Missing.GONE), (0, 2): Miss(why=Missing.ELSEWHERE), (1, 1): Miss(why=Missing.ELSEWHERE)},
        ["build.1: its result is gone from the store", "build.2: step 1 ran again", "web.1: step 1 of build ran again"],
    ),
    "all records": (
        {(0, 1): Miss(why=Missing.GONE), (0, 2): Miss(why=Missing.GONE)},
        ["build.1: its result is gone from the store", "build.2: its result is gone from the store"],
    ),
    "an age": (
        {(0, 2): Miss(why=Missing.EXPIRED, age=93_600, limit=86_400), (1, 1): Miss(why=Missing.ELSEWHERE)},
        ["build.2: its result is 1d2h old, and --fresh=1d allows no more", "web.1: step 2 of build ran again"],
    ),
    "snapshots": (
        {(0, 2): Miss(why=Missing.SNAPSHOTS)},
        ["build.2: files of its result are gone from the store"],
    ),
    "a damaged record": ({(0, 2): Miss(why=Missing.DAMAGED)}, ["build.2: its result was damaged"]),
    "a base": (
        {(0, 0): Miss(why=Missing.NO_BASE), (0, 1): Miss(why=Missing.ELSEWHERE), (1, 1): Miss(why=Missing.ELSEWHERE)},
        [
            "build.1: the base debian:12 is not unpacked in this store",
            "web.1: the base debian:12 is not unpacked in this store",
        ],
    ),
    "nothing that is missing": (
        {(0, 2): Miss(why=Missing.ELSEWHERE)},
        ["build.2: what it stands on was made anew"],
    ),
}


@pytest.mark.parametrize("name", LOST)
def test_results_that_cannot_be_used(name: str) -> None:
    misses, expected = LOST[name]
    plan = plan_of(B + "SH a\nSH --fresh=24h b\nFROM alpine:3 AS web\nCOPY --from=build /x /x\n")
    assert lines(plan, reasons(plan, plan, misses)) == expected


def test_what_the_last_build_did_not_finish() -> None:
    plan = plan_of(B + "SH a\nSH b\n")
    before = account_of(plan, recipe="test.metalor", done=frozenset({(0, 1)}))
    found = explain(before, account_of(plan, recipe="test.metalor"), {(0, 2): Miss(why=Missing.GONE)}, NoFiles())
    assert lines(plan, found) == ["build.2: the last build has no result of it"]


@pytest.mark.parametrize(
    ("then", "today", "said"),
    [
        ("", "a", "there is a lock now"),
        ("a", "b", "the lock changed"),
        ("a", "", "there is no lock any more"),
        ("a", "a", ""),
    ],
)
def test_a_lock_that_changed_what_comes(then: str, today: str, said: str) -> None:
    text = B + "FETCH --unpinned https://example.org/x /x\n"
    sides = []
    for seed, lock in (("one", then), ("two", today)):
        plan = plan_of(text, FakeInputs(bases={"debian:12": base_info("same")}, seed=seed))
        sides.append((plan, account_of(plan, recipe="test.metalor", lock=lock)))
    found = explain(sides[0][1], sides[1][1], {(0, 1): Miss(why=Missing.GONE)}, NoFiles())
    (cause,) = found[0, 1].causes
    assert (cause.code, cause.name, cause.via) == ("fetched", "https://example.org/x", said)
