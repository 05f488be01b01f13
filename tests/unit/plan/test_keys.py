"""What changes a key and what does not."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalor_lang.plan.graph import Plan
from tests.support.recipes import FakeInputs, base_info, plan_of

STEP = "FROM debian:12\nENV MODE=a\nUSER root\nWORKDIR /w\n"


def keys(plan: Plan) -> list[str]:
    return [step.key for index in sorted(plan.stages) for step in plan.stages[index].steps]


def last(text: str, **options: object) -> str:
    inputs = options.pop("inputs", None)
    return keys(plan_of(text, inputs, **options))[-1]  # type: ignore[arg-type]


DIFFERENT = {
    "argv": ('RUN ["a"]', 'RUN ["b"]'),
    "argv is not joined": ('RUN ["a b"]', 'RUN ["a", "b"]'),
    "shell text": ("SH a", "SH b"),
    "run or sh": ('RUN ["/bin/sh", "-eu", "-c", "a"]', "SH a"),
    "step or test": ("SH --network=none a", "TEST SH a"),
    "network": ("SH a", "SH --network=none a"),
    "user": ("SH a", "SH --user=nobody a"),
    "workdir": ("SH a", "SH --workdir=/ a"),
    "tmpfs": ("SH a", "SH --tmpfs=/t a"),
    "cache id": ("SH --cache=/c a", "SH --cache=/c,id=d a"),
    "cache sharing": ("SH --cache=/c a", "SH --cache=/c,sharing=private a"),
    "secret place": ("SH --secret=token a", "SH --secret=token:/t a"),
    "bind source": ("SH --bind=site:/s a", "SH --bind=src:/s a"),
    "bind place": ("SH --bind=site:/s a", "SH --bind=site:/t a"),
    "shell": ("SH a", 'SHELL ["/bin/sh", "-eu", "-c"]\nSH a'),
    "environment": ("SH a", "ENV MODE=b\nSH a"),
    "unset environment": ("SH a", "UNSET ENV MODE\nSH a"),
    "user before": ("SH a", "USER nobody\nSH a"),
    "workdir before": ("SH a", "WORKDIR /v\nSH a"),
    "step before": ("SH a", "SH b\nSH a"),
    "file before": ("SH a", "FILE /x '''\n'''\nSH a"),
    "copy sources": ("COPY site /x/", "COPY src /x/"),
    "copy order": ("COPY site src /x/", "COPY src site /x/"),
    "copy glob": ("COPY --optional *.md /x/", 'COPY --optional "*.md" /x/'),
    "copy destination": ("COPY site /x/", "COPY site /x"),
    "copy workdir": ("COPY site ./", "WORKDIR /v\nCOPY site ./"),
    "copy chown": ("COPY site /x", "COPY --chown=1 site /x"),
    "copy chmod": ("COPY site /x", "COPY --chmod=700 site /x"),
    "copy exclude": ("COPY site /x", "COPY --exclude=o site /x"),
    "file content": ("FILE /x '''\na\n'''", "FILE /x '''\nb\n'''"),
    "file path": ("FILE /x '''\n'''", "FILE /y '''\n'''"),
    "file chmod": ("FILE /x '''\n'''", "FILE --chmod=755 /x '''\n'''"),
    "env value": ("ENV A=1", "ENV A=2"),
    "env or label": ("ENV A=1", "LABEL A=1"),
    "cmd or entrypoint": ('CMD ["a"]', 'ENTRYPOINT ["a"]'),
    "unset": ("UNSET USER", "UNSET WORKDIR"),
    "workdir path": ("WORKDIR /a", "WORKDIR /b"),
    "fetch hash": (f"FETCH --sha256={'a' * 64} http://x/ /x", f"FETCH --sha256={'b' * 64} http://x/ /x"),
    "git commit": (f"GIT --commit={'a' * 40} http://x/ /x", f"GIT --commit={'b' * 40} http://x/ /x"),
    "layer": ('LAYER "a"', 'LAYER "b"'),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_a_change_changes_the_key(case: str) -> None:
    one, other = DIFFERENT[case]
    assert last(STEP + one + "\n") != last(STEP + other + "\n")


SAME = {
    "timeout": ("SH a", "SH --timeout=9s a"),
    "fresh": ("SH a", "SH --fresh=9d a"),
    "white space": ('RUN ["a", "b"]', 'RUN [\n    "a",\n    # why\n    "b"\n]'),
    "quotes": ("COPY site /x", "COPY site '/x'"),
    "order of flags": ("SH --user=a --network=none a", "SH --network=none --user=a a"),
    "label before": ("SH a", "LABEL x=1\nSH a"),
    "annotation before": ("SH a", "ANNOTATE x=1\nSH a"),
    "cmd before": ("SH a", 'CMD ["x"]\nSH a'),
    "entrypoint before": ("SH a", 'ENTRYPOINT ["x"]\nSH a'),
    "expose before": ("SH a", "EXPOSE 80\nSH a"),
    "volume before": ("SH a", "VOLUME /v\nSH a"),
    "signal before": ("SH a", "STOPSIGNAL 9\nSH a"),
    "test before": ("SH a", "TEST SH true\nSH a"),
    "layer before": ("SH a", 'LAYER "x"\nSH a'),
    "order of environment": ("ENV A=1 B=2\nSH a", "ENV B=2 A=1\nSH a"),
    "shell before exec": ('RUN ["a"]', 'SHELL ["/bin/x"]\nRUN ["a"]'),
    "spelled out shell text": ("SH a", "SH '''\na\n'''"),
    "a stage nobody needs": ("SH a", "SH a"),
}


@pytest.mark.parametrize("case", SAME)
def test_what_must_not_matter_does_not(case: str) -> None:
    one, other = SAME[case]
    extra = "FROM scratch AS nobody\nFILE /x '''\n'''\n" if case == "a stage nobody needs" else ""
    assert stripped(STEP + one + "\n") == stripped(extra + STEP + other + "\n")


def stripped(text: str) -> str:
    """The last key, where a block's last line end does not count."""
    plan = plan_of(text)
    step = plan.stages[plan.target].steps[-1]
    argv = step.parts.get("argv")
    if not isinstance(argv, list):
        return step.key
    return repr({**step.parts, "argv": [item.rstrip("\n") for item in argv]})


def test_base_and_contents_and_platform_and_epoch_change_keys() -> None:
    text = STEP + "COPY site /x\nSH a\n"
    start = keys(plan_of(text))
    others = {
        "base": plan_of(text, FakeInputs(bases={"debian:12": base_info("other")})),
        "created": plan_of(text, FakeInputs(bases={"debian:12": replace(base_info("debian:12"), created=5)})),
        "epoch": plan_of(text, source_date_epoch=7),
    }
    for name, plan in others.items():
        assert not set(start) & set(keys(plan)), name
    changed = keys(plan_of(text, FakeInputs(seed="other")))
    assert [one == other for one, other in zip(start, changed, strict=True)] == [True, True, True, False, False]
    foreign = plan_of(text.replace("FROM", "FROM --platform=linux/arm64"))
    assert not set(start) & set(keys(foreign))


def test_a_changed_stage_changes_what_copies_from_it() -> None:
    def both(content: str) -> list[str]:
        text = f"FROM scratch AS a\nFILE /x '''\n{content}\n'''\nLABEL a=1\nFROM scratch\nSH b\nCOPY --from=a /x /y\n"
        return keys(plan_of(text))

    one, other = both("1"), both("2")
    assert [a == b for a, b in zip(one, other, strict=True)] == [False, False, True, False]


def test_the_name_of_a_context_is_no_part() -> None:
    from tests.support.recipes import FakeContexts

    contexts = FakeContexts(named=frozenset({"one", "two"}))
    found = {last(f"FROM scratch\nCOPY --from={name} site /x\n", contexts=contexts) for name in ("one", "two")}
    assert len(found) == 1


# --- arguments ----------------------------------------------------------------------------------------------------

NAMING = {
    "exec array": ('RUN ["a", "${A}"]', True),
    "exec array with a bare dollar": ('RUN ["a", "$A"]', False),
    "dollar in shell": ("SH echo $A", True),
    "braces in shell": ("SH echo ${A}", True),
    "default in shell": ("SH echo ${A:-x}", True),
    "length in shell": ("SH echo ${#A}", True),
    "single quotes in shell": ("SH echo '$A'", True),
    "longer name in shell": ("SH echo $AB ${ABC} $A_", False),
    "plain word in shell": ("SH echo A", False),
    "flag": ('RUN --arg=A ["a"]', True),
    "flag of shell": ("SH --arg=A true", True),
    "word": ("COPY site /${A}", True),
    "raw block": ("FILE /x '''\n${A}\n'''", False),
    "expanding block": ('FILE /x """\n${A}\n"""', True),
    "single-quoted value": ("ENV B='${A}'", False),
    "value": ("ENV B=${A}", True),
    "flag value": ("COPY --chown=${A} site /x", True),
    "test": ("TEST SH test $A", True),
}


@pytest.mark.parametrize("case", NAMING)
def test_an_argument_reaches_a_step_by_being_named(case: str) -> None:
    statement, named = NAMING[case]
    text = f"ARG A\nARG OTHER=o\nFROM debian:12\nSH before\n{statement}\n"
    one, other = plan_of(text, args={"A": "1"}), plan_of(text, args={"A": "2"})
    first, step = one.stages[0].steps
    assert (step.key != other.stages[0].steps[1].key) is named
    assert first.key == other.stages[0].steps[0].key
    assert step.parts["arguments"] == ({"A": "1"} if named else {})
    assert keys(plan_of(text, args={"A": "1", "OTHER": "p"})) == keys(one)


def test_an_argument_is_not_seen_above_its_line() -> None:
    plan = plan_of("FROM debian:12\nSH echo $A\nARG A=1\nSH echo $A\n")
    assert [step.parts["arguments"] for step in plan.stages[0].steps] == [{}, {"A": "1"}]


def test_environment_of_steps() -> None:
    text = (
        "ARG A=1\nARG B=2\nARG PAGER=arg\nFROM debian:12\nENV C=3\n"
        'SH echo $A $PAGER\nRUN --arg=B ["x", "${A}"]\nRUN ["x"]\n'
    )
    inputs = FakeInputs(bases={"debian:12": base_info("d", env=(("PATH", "/bin"), ("PAGER", "base")))})
    steps = plan_of(text, inputs).stages[0].steps[1:]
    assert [dict(step.action.environment) for step in steps] == [  # type: ignore[union-attr]
        {"A": "1", "C": "3", "PATH": "/bin", "PAGER": "arg"},
        {"B": "2", "C": "3", "PATH": "/bin", "PAGER": "base"},
        {"C": "3", "PATH": "/bin", "PAGER": "base"},
    ]
    assert steps[1].action.argv == ("x", "1")  # type: ignore[union-attr]


def test_proxies_reach_steps_and_enter_no_key() -> None:
    text = "FROM debian:12\nSH a\nTEST SH b\nCOPY site /x\n"
    with_proxy = plan_of(text, args={"http_proxy": "http://p", "NO_PROXY": "x"})
    assert keys(with_proxy) == keys(plan_of(text))
    assert with_proxy.stages[0].steps[0].action.proxies == (  # type: ignore[union-attr]
        ("NO_PROXY", "x"),
        ("http_proxy", "http://p"),
    )
    assert "http://p" not in repr([step.parts for step in with_proxy.stages[0].steps])


def test_a_declared_proxy_is_an_argument_like_any() -> None:
    plan = plan_of("ARG http_proxy=d\nFROM debian:12\nSH echo $http_proxy\n", args={"http_proxy": "p"})
    action = plan.stages[0].steps[0].action
    assert action.proxies == () and dict(action.environment)["http_proxy"] == "p"  # type: ignore[union-attr]


@given(value=st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=20))
def test_values_of_arguments_are_never_read_again(value: str) -> None:
    plan = plan_of('ARG A\nFROM debian:12\nRUN ["x", "<${A}>"]\n', args={"A": value})
    assert plan.stages[0].steps[0].action.argv == ("x", f"<{value}>")  # type: ignore[union-attr]


@given(
    one=st.dictionaries(st.sampled_from("ABC"), st.sampled_from("12")),
    other=st.dictionaries(st.sampled_from("ABC"), st.sampled_from("12")),
)
def test_keys_are_equal_exactly_when_what_is_named_is(one: dict[str, str], other: dict[str, str]) -> None:
    text = "ARG A=0\nARG B=0\nARG C=0\nFROM debian:12\nSH echo $B\n"
    equal = one.get("B", "0") == other.get("B", "0")
    assert (last(text, args=one) == last(text, args=other)) is equal
