"""What a step costs, and what a cached one does."""

import itertools
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence

from tests.bench.rows import Bar, Row, faster
from tests.bench.steps import build_holding
from tests.bench.timing import beside, median, timed
from tests.bench.workload import METALOR, Bench, environment
from tests.support.ordinary import run_as_user

STEPS = 50
MANY = 1_000


def body(count: int) -> str:
    return "".join(f'RUN ["/bin/sh", "-c", "echo {number} > /file-{number}"]\n' for number in range(count))


def steps(bench: Bench) -> Iterator[Row]:
    """50 steps: run, and cached; the floor is the namespaces alone."""
    root = bench.disk / "root"
    bench.build(bench.recipe("root.metalor", ""), "-o", f"rootfs:{root}")
    command = ["unshare", "--fork", "--pid", "--mount", "--uts", "--ipc", "--", "chroot", str(root), "/bin/true"]
    recipe = bench.recipe("steps.metalor", body(STEPS))

    def floor() -> float:
        return sum(median(timed(lambda: subprocess.run(command, check=True)), 1) for _ in range(STEPS))

    one = bench.recipe("step.metalor", body(1))
    whole: list[float] = []

    def ours() -> float:
        # What a first step costs besides (the helper process, the code for running) is no cost of a step.
        start = bench.build(one, "--no-cache")
        whole.append(bench.build(recipe, "--no-cache"))
        return (whole[-1] - start) * STEPS / (STEPS - 1)

    found = beside(ours, floor, 7)
    folder = bench.dockerfile(
        "steps", "FROM busybox:12\n" + "".join(f"RUN echo {number} > /file-{number}\n" for number in range(STEPS))
    )
    cold: dict[str, float | None] = {}
    warm: dict[str, float | None] = {}
    for name, peer in bench.peers.items():
        cold[name] = warm[name] = None
        if peer is not None:
            peer.load(bench.bases / "busybox", "busybox:12")
            cold[name] = peer.build(folder)
            warm[name] = median(lambda peer=peer: peer.build(folder), 5)  # type: ignore[misc]
    yield Row(
        case=f"{STEPS} steps, no cache",
        ours=found.ours,
        floor=found.floor,
        floor_name=f"{STEPS} × unshare … chroot ROOT /bin/true",
        steady=found.steady,
        bars=(Bar(text="≤ 3 × floor", measured=found.ours / found.floor, limit=3),),
    )
    taken = statistics.median(whole)
    yield Row(
        case=f"{STEPS} steps, no cache, whole process",
        ours=taken,
        peers=cold,
        bars=faster(taken, cold, "BuildKit", "Buildah"),
    )
    cached = median(lambda: bench.build(recipe), 9)
    yield Row(
        case=f"{STEPS} steps, all cached, whole process",
        ours=cached,
        floor=median(timed(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True)), 9),
        floor_name="python -c pass",
        peers=warm,
        bars=(Bar(text="≤ 0.10 s", measured=cached, limit=0.10), *faster(cached, warm, "BuildKit", "Buildah")),
    )


def flat(bench: Bench) -> Iterator[Row]:
    """1,000 steps: the last cost what the first do."""
    recipe = bench.recipe("many.metalor", body(MANY))
    for how, kind in (("no cache", "step-finished"), ("cached", "step-cached")):
        times = [at for at, event in bench.events(recipe) if event["event"] == kind]
        first, last = _pace(times[:101]), _pace(times[-101:])
        yield Row(
            case=f"{MANY} steps, {how}: a step of the last 100",
            ours=last,
            floor=first,
            floor_name="a step of the first 100",
            bars=(Bar(text="≤ 1.2 × the first", measured=last / first, limit=1.2),),
        )


def _pace(times: Sequence[float]) -> float:
    return statistics.fmean(later - earlier for earlier, later in itertools.pairwise(times))


_TIMES = r"""
for how in "" "" "" --no-cache --no-cache --no-cache; do
    start=$EPOCHREALTIME; "$0" build "$1" $how >/dev/null || exit; end=$EPOCHREALTIME
    echo "$how $((${end/./} - ${start/./}))"
done
"""


def rootless(bench: Bench) -> Iterator[Row]:
    """An ordinary user's step beside the superuser's."""
    recipe = bench.recipe("user.metalor", body(STEPS))

    def root() -> float:
        return bench.build(recipe, "--no-cache") - median(lambda: bench.build(recipe), 3)

    def user() -> float:
        home = bench.disk / "home"
        command = ["bash", "-c", f'"$0" build "$1" >/dev/null && {_TIMES}', METALOR, bench.disk / recipe]
        done = run_as_user(command, home, env={"METALOR_STORE": str(home / "store")})
        if done.returncode:
            raise RuntimeError(f"as an ordinary user: {done.stderr[-2000:]}")
        rows = [row.split() for row in done.stdout.splitlines()]
        cached = statistics.median(int(row[-1]) for row in rows if len(row) == 1)
        return (statistics.median(int(row[-1]) for row in rows if len(row) == 2) - cached) / 1e6

    bench.build(recipe)
    found = beside(user, root, 2)
    yield Row(
        case=f"{STEPS} steps of an ordinary user",
        ours=found.ours,
        floor=found.floor,
        floor_name="the same as root",
        steady=found.steady,
        bars=(Bar(text="≤ 1.2 × root", measured=found.ours / found.floor, limit=1.2),),
    )


HELD = 100


def large(bench: Bench) -> Iterator[Row]:
    """A step of a builder with much memory beside one of a small builder."""
    one, many = bench.recipe("held-one.metalor", body(1)), bench.recipe("held.metalor", body(STEPS))
    env = environment(bench.store)

    def a_step(megabytes: int) -> float:
        first = build_holding(megabytes, one, env, bench.disk)
        return (build_holding(megabytes, many, env, bench.disk) - first) / (STEPS - 1)

    found = beside(lambda: a_step(HELD), lambda: a_step(0), 5)
    yield Row(
        case=f"a step of a builder that holds {HELD} MB",
        ours=found.ours,
        floor=found.floor,
        floor_name="the same of a small one",
        steady=found.steady,
        bars=(Bar(text="≤ 1.1 × a small builder's", measured=found.ours / found.floor, limit=1.1),),
    )


def stages(bench: Bench) -> Iterator[Row]:
    """Four independent stages at once."""
    body = "".join(f"FROM base AS s{n}\nSH sleep 1 && echo {n}\n" for n in range(4))
    last = "FROM base\n" + "".join(f"COPY --from=s{n} /etc/passwd /p{n}\n" for n in range(4))
    recipe = bench.recipe("parallel.metalor", body + last)
    ours = median(lambda: bench.build(recipe, "--jobs", "4", "--no-cache"), 3)
    yield Row(
        case="four independent stages of `sleep 1`",
        ours=ours,
        floor=1.0,
        floor_name="sleep 1",
        bars=(Bar(text="≤ 1.15 s", measured=ours, limit=1.15),),
    )
