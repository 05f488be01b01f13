"""Which emulators the plans of a build need; asked for before anything runs.

Invariant: a stage for another architecture whose steps only write files needs none.
"""

import os
from collections.abc import Mapping, Sequence

from metalor_lang.errors import MachineError
from metalor_lang.plan.graph import Exec, Kind, Plan, PlannedStage, Step
from metalor_lang.runtime import emulation


def emulators(
    plans: Sequence[Plan], host: str | None = None, path: str | None = None, *, tests: bool = True
) -> Mapping[str, str]:
    """Path of the emulator for each architecture, of which the plans run programs, and which this machine does not run.

    Args:
        plans: all that is built by one command.
        host: architecture of this machine; None to ask the kernel.
        path: folders to search, None for PATH of the environment.
        tests: TESTs will run.

    Raises:
        MachineError: there is none; names guest, host, the program and Debian's package.

    """
    host = host or os.uname().machine
    wanted = {
        stage.platform.arch
        for plan in plans
        for stage in plan.stages.values()
        if any(isinstance(step.action, Exec) and (tests or step.kind is not Kind.TEST) for step in stage.steps)
    }
    return {guest: emulator(host, guest, path) for guest in sorted(wanted) if emulation.needed(host, guest)}


def emulated(stage: PlannedStage, step: Step) -> bool:
    """Whether this machine runs the programs of a step only with an emulator."""
    return isinstance(step.action, Exec) and emulation.needed(os.uname().machine, stage.platform.arch)


def emulator(host: str, guest: str, path: str | None = None) -> str:
    """Path of the emulator for one architecture; raises MachineError."""
    try:
        return emulation.find(host, guest, path)
    except emulation.NoEmulator as error:
        raise MachineError(error.message, help=error.help) from error
