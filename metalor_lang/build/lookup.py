"""Which record of the store is a step's, and which stages a step reads.

Invariant: a record counts on the very snapshots that it was made from.
"""

from metalor_lang.plan.graph import BindMount, CopyFiles, Exec, Step
from metalor_lang.store.records import StepRecord

Chain = tuple[str, ...]
"""Snapshots of a tree, lowest first."""


def usable(record: StepRecord | None, step: Step, chain: Chain, inputs: Chain, now: int) -> StepRecord | None:
    """The record if it was made on these very snapshots and is not too old, else None."""
    if record is None or record.parent != chain or record.inputs != inputs:
        return None
    fresh = step.action.fresh if isinstance(step.action, Exec) else None
    return None if fresh is not None and record.created + fresh < now else record


def read_stages(step: Step) -> tuple[int, ...]:
    """The stages a step reads files from, in order of their use."""
    match step.action:
        case CopyFiles(stage=int(index)):
            return (index,)
        case Exec(mounts=mounts):
            return tuple(mount.stage for mount in mounts if isinstance(mount, BindMount) and mount.stage is not None)
        case _:
            return ()
