"""`metalor selftest`: a version of the project's own security and robustness tests for a user's machine.

Invariant: a line for each thing that must hold; what works in another world than ours (ids, mounts) does so in a forked
process; nothing is left of it.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from metalor_lang.errors import MachineError, MetalorError
from metalor_lang.hints import Any
from metalor_lang.record import asdict, dataclass
from metalor_lang.runtime.protocol import NOT_FOUND
from metalor_lang.runtime.request import Network, StepRequest, Streams
from metalor_lang.selftest import builds, layers
from metalor_lang.selftest.checks import Examined
from metalor_lang.selftest.expected import Verdict, judge
from metalor_lang.selftest.measure import Measured, measure
from metalor_lang.selftest.place import Place, apart
from metalor_lang.selftest.race import race


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that holds, or does not."""

    name: str
    ok: bool
    detail: str


def selftest(store: Path, backend: str | None = None, *, quick: bool = False) -> Iterator[Line]:
    """Run everything, in under a minute; with `quick` in about ten seconds.

    Args:
        store: beside it a temporary store is made.
        backend: a name, or None for the best one.
        quick: fewer kills, a shorter attack.

    Raises:
        MachineError: this machine cannot run steps.

    """
    with Place(store) as place:
        yield from _machine(place.path, backend)
        for network in Network:
            yield from _steps(place.path, backend, network)
        yield from _layers(place.path, backend)
        yield from _race(place.path, 0.4 if quick else 2.0)
        yield from _builds(place.path, backend, 3 if quick else 10)


def _machine(place: Path, backend: str | None) -> Iterator[Line]:
    def trial() -> list[str]:
        with Examined(place / "store", backend) as it:
            runtime, snapshotter = it.machine()
            with snapshotter.draft(()) as draft:
                status = runtime.run(draft.for_step(), StepRequest(argv=("/none",)), Streams(output=lambda data: None))
            if status.code != NOT_FOUND:
                raise MachineError(f"no step runs here: {status.message}", help="see `metalor doctor`")
            world = it.open()
            return [str(world.backend), world.why, snapshotter.name]

    name, why, trees = apart(trial)
    yield Line(name="machine", ok=True, detail=f"steps run as {name}{f' ({why})' if why else ''}, trees by {trees}")


def _steps(place: Path, backend: str | None, network: Network) -> Iterator[Line]:
    canary = place / "canary"
    canary.write_text("the machine's")

    def measured() -> dict[str, Any]:
        with Examined(place / "store", backend) as it:
            runtime, snapshotter = it.machine()
            world = it.open()
            return asdict(measure(runtime, snapshotter, world, outside=it.outside, canary=canary, network=network))

    title = "step" if network is Network.HOST else "step without network"
    try:
        found = apart(measured)
    except MetalorError as error:
        yield Line(name=title, ok=False, detail=error.message)
        return
    verdicts = judge(Measured(**{**found, "shown": tuple(found["shown"])}))
    if network is not Network.HOST and all(verdict.ok for verdict in verdicts):
        yield Line(name=title, ok=True, detail=f"the same {len(verdicts)} facts hold, and it sees only a loopback")
    else:
        yield from _grouped(title, verdicts)


def _grouped(title: str, verdicts: Iterable[Verdict]) -> Iterator[Line]:
    """One line for a group of which all holds, else one for each that does not."""
    groups: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        groups.setdefault(verdict.group, []).append(verdict)
    for group, members in groups.items():
        wrong = [verdict for verdict in members if not verdict.ok]
        for verdict in wrong:
            yield Line(name=f"{title}: {group}: {verdict.name}", ok=False, detail=verdict.detail)
        if not wrong:
            yield Line(name=f"{title}: {group}", ok=True, detail=", ".join(verdict.name for verdict in members))


def _layers(place: Path, backend: str | None) -> Iterator[Line]:
    def unpacked() -> list[dict[str, str]]:
        with Examined(place / "store", backend) as it:
            it.open()
            assert it.store is not None
            with it.store.workspace("selftest") as folder:
                return [asdict(one) for one in layers.unpack_all(folder)]

    try:
        found = apart(unpacked)
    except MetalorError as error:
        yield Line(name="layers", ok=False, detail=error.message)
        return
    wrong = [one for one in found if one["wrong"]]
    for one in wrong:
        said = f" ({one['said']})" if one["said"] else ""
        yield Line(name=f"layers: {one['name']}", ok=False, detail=one["wrong"] + said)
    if not wrong:
        refused = sum(bool(one["said"]) for one in found)
        detail = f"{len(found)} hostile sets: {refused} refused with a reason, {len(found) - refused} did no harm"
        yield Line(name="layers", ok=True, detail=detail)


def _race(place: Path, seconds: float) -> Iterator[Line]:
    folder = place / "race"
    folder.mkdir()

    def raced() -> dict[str, Any]:
        return {name: asdict(one) for name, one in race(folder, seconds).items()}

    found = apart(raced)
    for victim, about in (("read", "reading"), ("make", "making and removing")):
        one = found[victim]
        detail = f"{one['tries']} under attack, {one['refused']} refused, {one['escapes']} escaped"
        yield Line(name=f"paths: {about}", ok=not one["escapes"] and one["refused"] > 0, detail=detail)
    control = found["control"]
    detail = f"{control['escapes']} of {control['tries']} escaped from looking first and opening then"
    if not control["escapes"]:
        detail = f"the attacker never won in {control['tries']} tries: the lines above prove nothing"
    yield Line(name="paths: control", ok=control["escapes"] > 0, detail=detail)


def _builds(place: Path, backend: str | None, kills: int) -> Iterator[Line]:
    folder = place / "project"
    folder.mkdir()
    try:
        builds.prepare(folder)
        first, second = builds.build_twice(folder, place, backend)
        killed = apart(lambda: asdict(builds.kill_builds(folder, place, kills, backend)))
    except MachineError:
        raise
    except MetalorError as error:
        yield Line(name="builds", ok=False, detail=error.message)
        return
    same = f"{first} twice" if first == second else f"{first}, then {second}"
    yield Line(name="builds: the same image", ok=first == second, detail=same)
    about = f"{kills} builds were killed"
    for field, good in (
        ("processes", "no process outlived them"), ("mounts", "no mount was left"),
        ("damage", "every object of the store is whole"), ("next_build", "the next one gave the right image"),
    ):  # fmt: skip
        yield Line(
            name=f"builds: {field.replace('_', ' ')}", ok=not killed[field], detail=killed[field] or f"{about}: {good}"
        )
    early = killed["finished"] < kills
    yield Line(name="builds: kills", ok=early, detail=f"{killed['finished']} of {kills} had ended before")
