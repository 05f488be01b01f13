"""States, epochs, platforms, and what only the base can settle."""

from dataclasses import replace

import pytest

from metalor_lang.checker.program import Platform
from metalor_lang.errors import MachineError, MetalorError
from metalor_lang.plan.evaluator import DEFAULT_EPOCH, evaluate
from metalor_lang.plan.graph import (
    BaseInfo,
    CacheMount,
    CopyFiles,
    CopySource,
    Exec,
    ImageState,
    InputError,
    TmpfsMount,
    WriteFile,
)
from tests.support.recipes import AMD64, FakeInputs, base_info, plan_of, program_of, shown

FULL = base_info(
    "full",
    env=(("PATH", "/bin"), ("LANG", "C"), ("EMPTY", "")),
    user="app",
    workdir="/srv",
    entrypoint=("/e",),
    cmd=("c",),
    labels=(("l", "1"),),
    exposed=("80/tcp",),
    volumes=("/v",),
    stop_signal="SIGINT",
)


def final(lines: str) -> ImageState:
    return plan_of(f"FROM full:1\n{lines}\n", FakeInputs(bases={"full:1": FULL})).stages[0].final


STATES: dict[str, tuple[str, dict[str, object]]] = {
    "nothing": ("SH true", {}),
    "env at the end": ("ENV A=1", {"env": (("PATH", "/bin"), ("LANG", "C"), ("EMPTY", ""), ("A", "1"))}),
    "env keeps its place": ("ENV LANG=D A=1", {"env": (("PATH", "/bin"), ("LANG", "D"), ("EMPTY", ""), ("A", "1"))}),
    "env from base": ("ENV LANG=${LANG}.UTF-8", {"env": (("PATH", "/bin"), ("LANG", "C.UTF-8"), ("EMPTY", ""))}),
    "env from an empty one": ("ENV LANG=<${EMPTY}>", {"env": (("PATH", "/bin"), ("LANG", "<>"), ("EMPTY", ""))}),
    "env sees the state before": (
        "ENV LANG=D COPY=${LANG}",
        {"env": (("PATH", "/bin"), ("LANG", "D"), ("EMPTY", ""), ("COPY", "C"))},
    ),
    "env is expanded once": (
        "ENV A='${LANG}'\nENV B=${A}",
        {"env": (("PATH", "/bin"), ("LANG", "C"), ("EMPTY", ""), ("A", "${LANG}"), ("B", "${LANG}"))},
    ),
    "unset env": ("UNSET ENV LANG", {"env": (("PATH", "/bin"), ("EMPTY", ""))}),
    "label": ("LABEL l=2 m=3", {"labels": (("l", "2"), ("m", "3"))}),
    "unset label": ("UNSET LABEL l", {"labels": ()}),
    "annotate": ("ANNOTATE a=1", {"annotations": (("a", "1"),)}),
    "workdir": ("WORKDIR /a//b/./c/", {"workdir": "/a/b/c"}),
    "unset workdir": ("UNSET WORKDIR", {"workdir": "/"}),
    "user": ("USER 0:0", {"user": "0:0"}),
    "unset user": ("UNSET USER", {"user": ""}),
    "expose": ("EXPOSE 80 81-82/udp", {"exposed": ("80/tcp", "81/udp", "82/udp")}),
    "unset expose": ("UNSET EXPOSE 80", {"exposed": ()}),
    "volume": ("VOLUME /w /v/", {"volumes": ("/v", "/w")}),
    "unset volume": ("UNSET VOLUME /v", {"volumes": ()}),
    "stop signal": ("STOPSIGNAL 9", {"stop_signal": "9"}),
    "unset stop signal": ("UNSET STOPSIGNAL", {"stop_signal": ""}),
    "shell": ('SHELL ["/bin/bash", "-c"]', {"shell": ("/bin/bash", "-c")}),
    "cmd": ('CMD ["d"]', {"cmd": ("d",)}),
    "unset cmd": ("UNSET CMD", {"cmd": None}),
    "unset entrypoint": ("UNSET ENTRYPOINT", {"entrypoint": None}),
    "entrypoint drops an inherited cmd": ('ENTRYPOINT ["f"]', {"entrypoint": ("f",), "cmd": None}),
    "cmd then entrypoint": ('CMD ["d"]\nENTRYPOINT ["f"]', {"entrypoint": ("f",), "cmd": ("d",)}),
    "entrypoint then cmd": ('ENTRYPOINT ["f"]\nCMD ["d"]', {"entrypoint": ("f",), "cmd": ("d",)}),
}


@pytest.mark.parametrize("case", STATES)
def test_state(case: str) -> None:
    lines, changes = STATES[case]
    assert final(lines) == replace(FULL.state, **changes)  # type: ignore[arg-type]


def test_a_stage_on_a_stage_goes_on_where_it_ends() -> None:
    text = "FROM full:1 AS a\nENV A=1\nCMD [\"a\"]\nFILE /x '''\n'''\nFROM a\nENTRYPOINT [\"${A}\"]\n"
    plan = plan_of(text, FakeInputs(bases={"full:1": FULL}))
    one, two = plan.stages[0], plan.stages[1]
    assert two.base_key == one.key == one.steps[-1].key
    assert two.base_info.state == one.final
    assert two.final.entrypoint == ("1",) and two.final.cmd is None
    assert (two.epoch, two.platform, two.needs) == (one.epoch, one.platform, (0,))


def test_usual_path_where_nothing_sets_one() -> None:
    plan = plan_of("FROM scratch\nENV PATH=/x:${PATH}\n")
    assert dict(plan.stages[0].final.env)["PATH"].startswith("/x:/usr/local/sbin:")


def test_shell_text_is_never_expanded() -> None:
    plan = plan_of("ARG A=1\nFROM scratch\nSH echo \"${A}\" '$A'\n")
    action = plan.stages[0].steps[0].action
    assert isinstance(action, Exec)
    assert action.argv == ("/bin/sh", "-eu", "-c", "echo \"${A}\" '$A'") and action.default_shell


def test_own_shell() -> None:
    action = plan_of('FROM scratch\nSHELL ["/b", "-c"]\nSH x\n').stages[0].steps[1].action
    assert isinstance(action, Exec) and action.argv == ("/b", "-c", "x") and not action.default_shell


def test_step_flags() -> None:
    flags = "--tmpfs=/t --cache=/c --timeout=1m30s --fresh=1d --user=1 --workdir=/w --network=none"
    action = plan_of(f"FROM scratch\nSH {flags} x\n").stages[0].steps[0].action
    assert isinstance(action, Exec)
    assert action.mounts == (TmpfsMount(path="/t"), CacheMount(path="/c", id="/c"))
    assert (action.timeout, action.fresh, action.user, action.workdir, action.network) == (90, 86400, "1", "/w", "none")


def test_tests_have_no_network_unless_they_say_so() -> None:
    steps = plan_of("FROM scratch\nTEST SH a\nTEST SH --network=host a\nSH a\n").stages[0].steps
    assert [step.action.network for step in steps] == ["none", "host", "host"]  # type: ignore[union-attr]


def test_copy_and_file() -> None:
    text = (
        'ARG N="a*"\nFROM scratch AS one\nFROM scratch\nWORKDIR /w\nUSER 5\n'
        'COPY --from=one ${N}[b] "*" *.c /x/\nFILE y """\n$${N} ${N}\n"""\n'
    )
    copy, file = (step.action for step in plan_of(text).stages[1].steps[2:])
    assert isinstance(copy, CopyFiles) and isinstance(file, WriteFile)
    assert copy.stage == 0 and copy.workdir == "/w" and copy.user == "5"
    assert copy.sources == (
        CopySource(path="a\\*[b]", glob=True),
        CopySource(path="*", glob=False),
        CopySource(path="*.c", glob=True),
    )
    assert file.content == b"${N} a*\n" and file.destination == "y"


EPOCHS = [
    ("FROM scratch\n", {}, None, DEFAULT_EPOCH),
    ("FROM scratch\n", {"source_date_epoch": 5}, None, 5),
    ("FROM scratch\n", {"source_date_epoch": 0}, None, 0),
    ("FROM x:1\n", {}, 1234, 1234),
    ("FROM x:1\n", {}, 0, 0),
    ("FROM x:1\n", {}, -1, DEFAULT_EPOCH),
    ("FROM x:1\n", {}, None, DEFAULT_EPOCH),
    ("FROM x:1\n", {"source_date_epoch": 5}, 1234, 5),
    ("FROM x:1 AS a\nFROM a\n", {}, 1234, 1234),
]


@pytest.mark.parametrize(("text", "options", "created", "epoch"), EPOCHS)
def test_epoch(text: str, options: dict[str, object], created: int | None, epoch: int) -> None:
    inputs = FakeInputs(bases={"x:1": BaseInfo(digest="d", created=created)})
    plan = plan_of(text + "ENV E=${SOURCE_DATE_EPOCH}\n", inputs, **options)
    stage = plan.stages[plan.target]
    assert stage.epoch == epoch and dict(stage.final.env)["E"] == str(epoch)


def test_platforms() -> None:
    arm = Platform(os="linux", arch="arm64", variant="v8")
    inputs = FakeInputs(bases={"x:1": BaseInfo(digest="d", platform=arm)})
    text = "FROM --platform=linux/arm64 x:1 AS a\nFROM a AS b\nFROM debian:12\nCOPY --from=b / /\n"
    text += "ENV T=${TARGETPLATFORM}\n"
    plan = plan_of(text, inputs)
    assert [stage.platform for stage in plan.stages.values()] == [arm, arm, AMD64]
    assert dict(plan.stages[2].final.env)["T"] == "linux/amd64"


def test_bases_are_asked_for_once_and_only_when_needed() -> None:
    inputs = FakeInputs()
    text = "FROM a:1 AS x\nFROM b:1 AS unneeded\nFROM a:1\nCOPY --from=x /a /b\n"
    plan = plan_of(text, inputs)
    assert [base.location for base, _ in inputs.asked] == ["a:1"]  # type: ignore[union-attr]
    assert plan.skipped == ("unneeded",) and sorted(plan.stages) == [0, 2]


class Failing(FakeInputs):
    """Bases and contents that cannot be had."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def content(self, files: CopyFiles, epoch: int) -> str:
        raise self.error


ARM = BaseInfo(digest="d", platform=Platform(os="linux", arch="arm64"))
REFUSED = {
    "undefined in the base": (
        "FROM debian:12\nENV A=${LNAG}\n",
        FakeInputs(bases={"debian:12": FULL}),
        [
            "2:7+7 E0301 `LNAG` is not defined: neither the recipe nor the base's environment sets it"
            " | did you mean ${LANG}?"
        ],
    ),
    "undefined twice": (
        "FROM debian:12\nENV A=${XX} B=${YY}\n",
        FakeInputs(),
        [
            f"2:{at}+5 E0301 `{name}` is not defined: neither the recipe nor the base's environment sets it"
            f" | declare it above: ARG {name}, or ENV {name}=value"
            for name, at in (("XX", 7), ("YY", 15))
        ],
    ),
    "undefined in a place of a type": (
        "FROM debian:12\nWORKDIR ${XX}\n",
        FakeInputs(),
        [
            "2:9+5 E0301 `XX` is not defined: neither the recipe nor the base's environment sets it"
            " | declare it above: ARG XX, or ENV XX=value"
        ],
    ),
    "a value out of the base": (
        "FROM debian:12\nWORKDIR ${LANG}\n",
        FakeInputs(bases={"debian:12": FULL}),
        ["2:9+7 E0340 `C` is not an absolute path | write /C"],
    ),
    "unset of what the base does not have": (
        "FROM debian:12\nUNSET LABEL l\nUNSET ENV PAHT\n",
        FakeInputs(),
        [
            "2:13+1 E0362 LABEL l is not set here | remove the line: there is nothing to take away",
            "3:11+4 E0362 ENV PAHT is not set here | did you mean UNSET ENV PATH?",
        ],
    ),
    "platform": (
        "FROM x:1\n",
        FakeInputs(bases={"x:1": ARM}),
        [
            "1:6+3 E0392 the base is for linux/arm64, not for linux/amd64"
            " | build for it: --platform linux/arm64, or write FROM --platform=linux/arm64"
        ],
    ),
    "onbuild": (
        "FROM x:1\n",
        FakeInputs(bases={"x:1": BaseInfo(digest="d", onbuild=("RUN x", "RUN y"))}),
        [
            "1:6+3 E0391 the base has ONBUILD triggers, and a recipe acts where it stands"
            " | write what it would do into the recipe; its first trigger: RUN x"
        ],
    ),
    "a failing stage is no cause of errors in those on it": (
        "FROM x:1 AS a\nFROM a AS b\nWORKDIR ${NOPE}\nFROM scratch\nCOPY --from=b /x /y\n",
        FakeInputs(bases={"x:1": ARM}),
        [
            "1:6+3 E0392 the base is for linux/arm64, not for linux/amd64"
            " | build for it: --platform linux/arm64, or write FROM --platform=linux/arm64"
        ],
    ),
    "contents": (
        "FROM scratch\nCOPY site /x\n",
        Failing(InputError("E0401", "gone", "look")),
        ["2:1+12 E0401 gone | look"],
    ),
    "contents that cannot be read": (
        "FROM scratch\nCOPY site /x\n",
        Failing(MetalorError("unreadable", help="chmod")),
        ["2:1+12 E0409 unreadable | chmod"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    text, inputs, expected = REFUSED[case]
    plan, found = evaluate(program_of(text), inputs)
    assert plan is None
    assert shown(text, found) == expected


def test_what_the_machine_cannot_do_is_no_error_of_the_recipe() -> None:
    with pytest.raises(MachineError):
        evaluate(program_of("FROM scratch\nCOPY site /x\n"), Failing(MachineError("no")))
