"""One input of a recipe is changed: why names it, and nothing else, for every step that then runs."""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from metalor_lang.build.accounts.filechanges import FileChanges
from metalor_lang.build.contexts import LocalContexts
from metalor_lang.build.listings import Listings
from metalor_lang.checker.program import Platform
from metalor_lang.plan.evaluator import evaluate
from metalor_lang.plan.graph import BaseInfo, BindMount, CopyFiles, Plan
from metalor_lang.plan.why.account import Account, account_of, from_json, to_json
from metalor_lang.plan.why.causes import Cause, Change, Code
from metalor_lang.plan.why.compare import explain
from metalor_lang.plan.why.words import few_words, whole
from metalor_lang.store.store import Store
from tests.support.reasons import missing
from tests.support.recipes import FakeInputs, base_info, program_of

FILES = {
    "a.txt": "a", "b.txt": "b", "site/index.html": "i", "site/app.js": "j", "site/img/logo": "l", "src/main.c": "m",
}  # fmt: skip
PLAIN = {name: (text, 0o644) for name, text in FILES.items()}
KINDS = (
    "content", "mode", "new", "gone", "rename", "ignore", "argument", "base", "edit", "remove", "insert", "swap",
    "epoch", "platform", "fetched",
)  # fmt: skip
AMD64, ARM64 = Platform(os="linux", arch="amd64"), Platform(os="linux", arch="arm64")
SOURCES = ("a.txt", "b.txt", "site", "site/", "site/img", "src/main.c", "*.txt", ".")


@dataclass
class World:
    """All inputs of a plan."""

    stages: list[list[str]]
    arguments: dict[str, str] = field(default_factory=lambda: {"V": "1", "W": "1"})
    bases: dict[int, str] = field(default_factory=dict)
    files: dict[str, tuple[str, int]] = field(default_factory=lambda: dict(PLAIN))
    below: frozenset[int] = frozenset()
    """The stages that stand on the one before them."""
    fetched: str = ""
    ignored: tuple[str, ...] = ()
    epoch: int | None = None
    platform: Platform = AMD64

    @property
    def text(self) -> str:
        lines = [f"ARG {name}={value}" for name, value in self.arguments.items()]
        for index, stage in enumerate(self.stages):
            base = f"s{index - 1}" if index and index in self.below else f"base{index}:1"
            above = f"s{index - 1}" if index else "other"
            lines += [f"FROM {base} AS s{index}", *(each.replace("ABOVE", above) for each in stage)]
        last = len(self.stages) - 1
        lines.insert(len(self.arguments), "FROM base8:1 AS other\nSH other")
        lines += [
            "FROM base9:1 AS last",
            "COPY --from=other /o /o",
            *(f"COPY --from=s{index} /x /x{index}" for index in range(last + 1)),
        ]
        return "\n".join(lines) + "\n"

    def write(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, (text, mode) in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(mode)
        (folder / ".metalorignore").write_text("".join(f"{line}\n" for line in self.ignored))


class RealContents(FakeInputs):
    """Bases out of a mapping, contents of a folder."""

    def __init__(self, contexts: LocalContexts, bases: dict[str, BaseInfo]) -> None:
        super().__init__(bases=bases)
        self.contexts = contexts

    def content(self, files: CopyFiles, epoch: int) -> str:
        return self.contexts.content(files)

    def bound(self, mount: BindMount) -> str:
        return self.contexts.bound(mount)


@contextmanager
def planned(world: World, folder: Path) -> Iterator[tuple[Plan, LocalContexts]]:
    world.write(folder)
    with LocalContexts(folder / "test.metalor") as contexts:
        program = program_of(world.text, contexts=contexts, platform=world.platform, source_date_epoch=world.epoch)
        bases = {
            f"base{index}:1": base_info(f"{world.bases.get(index, index)} {world.platform}", env=ENVIRONMENT)
            for index in range(10)
        }
        inputs = RealContents(contexts, bases)
        inputs.seed = world.fetched
        plan, wrong = evaluate(program, inputs)
        assert plan is not None, wrong
        yield plan, contexts


ENVIRONMENT = (("PATH", "/bin"), ("A", "a"), ("B", "b"))
words = st.sampled_from(["one", "two", "three", "${V}", "x${W}", "${A}", "${B}y"])
flags = st.sampled_from(["", "--user=7 ", "--workdir=/w ", "--tmpfs=/t ", "--bind=site:/s ", "--bind=a.txt:/s "])
statements = st.one_of(
    st.builds(lambda flag, word: f'RUN {flag}["do", "{word}"]', flags, words),
    st.builds(lambda flag, word: f"SH {flag}do {word}", flags, st.sampled_from(["one", "two", "$V", "${W}"])),
    st.builds(lambda word: f"TEST SH check {word}", st.sampled_from(["one", "two", "$V"])),
    st.builds(
        lambda flag, source, place: f"COPY {flag}{source} /{place}/",
        st.sampled_from(["", "--exclude=*.js ", "--chmod=700 ", "--chown=7 "]),
        st.sampled_from(SOURCES),
        st.sampled_from(["x", "y", "${V}"]),
    ),
    st.builds(lambda word: f'FILE /f """\n{word}\nlast\n"""', words),
    st.builds(lambda name, word: f"ENV {name}={word}", st.sampled_from("AB"), words),
    st.builds(lambda path: f"WORKDIR /{path}", st.sampled_from(["p", "q", "${V}"])),
    st.builds(lambda user: f"USER {user}", st.sampled_from(["7", "8"])),
    st.builds(lambda word: f"LABEL l={word}", words),
    st.just("COPY --from=ABOVE /y /y"),
    st.just("SH --bind=ABOVE:/y:/s do bound"),
    st.builds(lambda name: f"FETCH --unpinned https://example.org/{name} /f/", st.sampled_from(["one", "two"])),
    st.builds(lambda shell: f'SHELL ["/bin/{shell}", "-c"]', st.sampled_from(["sh", "ash"])),
)
worlds = st.builds(
    World,
    stages=st.lists(st.lists(statements, min_size=1, max_size=6), min_size=1, max_size=3),
    below=st.frozensets(st.integers(1, 2)),
)

Named = Callable[[Cause], bool]


def is_(code: Code, name: str = "", change: Change | None = None) -> Named:
    """Whether a cause is this one."""
    return lambda cause: (cause.code, cause.name, cause.change) == (code, name, change)


def either(*each: Named) -> Named:
    return lambda cause: any(one(cause) for one in each)


def about(*texts: str) -> Named:
    """Whether a cause speaks of one of these statements."""
    first = {text.split("\n")[0] for text in texts}

    def named(cause: Cause) -> bool:
        held = (cause.name, cause.via, cause.old or "", cause.new or "")
        return any(_flat(text) in {_flat(each) for each in first} for text in held)

    return named


def _flat(text: str) -> str:
    """The first line of a statement, with no stage named."""
    line = re.sub(r"(--from=|--bind=)(ABOVE|other|s[0-9])\b", r"\1", text.split("\n")[0])
    return line.removesuffix(' """').rstrip()


@st.composite
def changes(draw: st.DrawFn) -> tuple[World, World, Named]:
    """A world, the same with one input changed, and what tells a cause that names this input."""
    world = draw(worlds)
    other = deepcopy(world)
    kind = draw(st.sampled_from(KINDS))
    name = draw(st.sampled_from(sorted(FILES)))
    stage = draw(st.integers(0, len(world.stages) - 1))
    at = draw(st.integers(0, len(world.stages[stage]) - 1))
    match kind:
        case "content":
            other.files[name] = ("changed", 0o644)
            named = is_(Code.FILE, name, Change.CONTENT)
        case "mode":
            other.files[name] = (FILES[name], 0o755)
            named = is_(Code.FILE, name, Change.MODE)
        case "new":
            other.files["site/new"] = ("new", 0o644)
            named = is_(Code.FILE, "site/new", Change.NEW)
        case "gone":
            del other.files["site/app.js"]
            named = is_(Code.FILE, "site/app.js", Change.GONE)
        case "rename":
            other.files["site/app.mjs"] = other.files.pop("site/app.js")
            named = either(is_(Code.FILE, "site/app.js", Change.GONE), is_(Code.FILE, "site/app.mjs", Change.NEW))
        case "ignore":
            other.ignored = ("app.js",)
            named = is_(Code.FILE, "site/app.js", Change.IGNORED)
        case "argument":
            other.arguments["V"] = "2"
            named = is_(Code.ARGUMENT, "V")
        case "base":
            other.bases[stage] = "moved"
            named = is_(Code.BASE, f"base{stage}:1")
        case "epoch":
            other.epoch = 1_600_000_000
            named = is_(Code.EPOCH)
        case "platform":
            other.platform = ARM64
            named = is_(Code.PLATFORM)
        case "fetched":
            other.fetched = "other"
            named = either(*(is_(Code.FETCHED, f"https://example.org/{each}") for each in ("one", "two")))
        case "edit":
            new = draw(statements)
            old = world.stages[stage][at]
            assume(new != old and new.split()[:2][0] == old.split()[:2][0])
            other.stages[stage][at] = new
            named = about(old, new)
        case "remove":
            named = about(other.stages[stage].pop(at))
        case "insert":
            new = draw(statements)
            other.stages[stage].insert(at, new)
            named = about(new)
        case _:
            assume(at > 0)
            pair = other.stages[stage][at - 1 : at + 1]
            other.stages[stage][at - 1 : at + 1] = pair[::-1]
            named = about(*pair)
    return world, other, named


@settings(
    max_examples=int(os.environ.get("METALOR_WHY", "200")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(changes())
def test_why_names_the_input_that_changed(change: tuple[World, World, Named]) -> None:
    world, other, named = change
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "context"
        with Store.open(Path(root) / "store") as store:
            listings = Listings(store)
            with planned(world, folder) as (before, contexts):
                then = kept(before, contexts, listings)
            with planned(other, folder) as (now, contexts):
                misses = missing(before, now)
                found = explain(
                    then,
                    account_of(now, recipe="test.metalor"),
                    misses,
                    FileChanges(now, contexts, listings, then.ignores),
                )
                assert found.keys() == misses.keys()
                for place, reason in found.items():
                    said = few_words(reason, place)
                    assert reason.first, place
                    assert all(named(cause) for cause in reason.first), (place, said, reason.first)
                    assert said and all(whole(cause) for cause in reason.first)
                    if not reason.causes:
                        assert reason.root < place or reason.root[0] < place[0]


def kept(plan: Plan, contexts: LocalContexts, listings: Listings) -> Account:
    """The account of a plan, with its listings, as a build keeps them."""
    for stage in plan.stages.values():
        for step in stage.steps:
            if isinstance(step.action, CopyFiles) and step.action.stage is None:
                listings.keep(contexts.listing(step.action).kept)
            for mount in getattr(step.action, "mounts", ()):
                if isinstance(mount, BindMount) and mount.stage is None:
                    listings.keep(contexts.bound_listing(mount).kept)
    account = account_of(plan, recipe="test.metalor", ignores={"": contexts.rules("")})
    assert from_json(to_json(account)) == account
    return account
