"""Build the plans of one recipe for several platforms at the same time.

Invariant: a stage that is the same in two plans runs once.
"""

from collections.abc import Mapping, Sequence

from metalor_lang.build.builder import Builder
from metalor_lang.build.model import BuildResult, StageResult
from metalor_lang.build.several import twins
from metalor_lang.build.walk import Aside, walk


def build_together(builders: Sequence[Builder]) -> tuple[BuildResult, ...]:
    """Build several plans of one recipe at the same time, as `Builder.build` does one; a stage that is the same in two
    is built for both.

    Args:
        builders: one for each platform, with the same options.

    Raises:
        as `Builder.build`.

    """
    plans = [builder.plan for builder in builders]
    same = twins(plans)
    width = 1 + max(index for plan in plans for index in plan.stages)
    nodes = {which * width + index: (which, index) for which, plan in enumerate(plans) for index in plan.stages}

    aside = Aside()

    def work(node: int, done: Mapping[int, StageResult]) -> StageResult:
        which, index = nodes[node]
        stage = plans[which].stages[index]
        if (which, index) in same:
            first = done[same[which, index] * width + index]
            return StageResult(stage=stage, start=first.start, after=first.after)
        mine = {nodes[each][1]: result for each, result in done.items() if nodes[each][0] == which}
        return builders[which].stage(index, mine, aside)

    needs: dict[int, tuple[int, ...]] = {}
    for node, (which, index) in nodes.items():
        if (which, index) in same:
            needs[node] = (same[which, index] * width + index,)
        else:
            stage = plans[which].stages[index]
            needs[node] = tuple(which * width + need for need in stage.needs if need in plans[which].stages)

    def stop() -> None:
        for builder in builders:
            builder.stop()

    first = builders[0]
    own = tuple(plans[which].stages[index] for which, index in nodes.values() if (which, index) not in same)
    first.announce(tuple(str(plan.program.platform) for plan in plans), own)
    everything = [builder.look_up() for builder in builders]
    if all(everything):
        results: dict[int, StageResult] = {}
        for node in sorted(needs):  # a stage needs earlier ones only
            results[node] = work(node, results)
    else:
        for builder in builders:
            builder.ready()
        results = walk(needs, work, jobs=first.jobs, stop=stop, aside=aside)
    return tuple(
        builder.result({index: results[which * width + index] for index in plans[which].stages})
        for which, builder in enumerate(builders)
    )
