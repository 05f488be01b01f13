"""Steps for several architectures: a helper process for each, whose user namespace runs its programs and no others.

Invariant: a step for this machine never runs where a rule for foreign programs is.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from metalor_lang.errors import MachineError
from metalor_lang.guards import Lock
from metalor_lang.runtime import emulation
from metalor_lang.runtime.cancel import Cancel
from metalor_lang.runtime.client import NamespaceRuntime, start_runtime
from metalor_lang.runtime.request import LayeredView, StepRequest, StepStatus, Streams
from metalor_lang.runtime.world import World


class GuestRuntimes:
    """Runs each step in the runtime of its architecture; implements `client.Runtime`. Start it as `start_runtime`.

    Args:
        world: what this process has entered.
        emulators: path of the emulator for each foreign architecture of which programs will run for sure; helpers for
            others are started when they are needed.
        on_notice: called with one line when limits cannot be what was asked for.
        native: the helper for this machine's programs, where one was started before; ended with the others.

    Raises:
        MachineError: this machine cannot run steps; says why.

    """

    def __init__(
        self,
        world: World,
        emulators: Mapping[str, str],
        *,
        on_notice: Callable[[str], None] | None = None,
        native: NamespaceRuntime | None = None,
    ) -> None:
        self._world = world
        self._lock = Lock()
        self._stack = ExitStack()
        self._foreign: dict[str, NamespaceRuntime] = {}
        try:
            self._native = self._stack.enter_context(native or start_runtime(world))
            self._native.on_notice = on_notice
            for guest, path in emulators.items():
                self._foreign[guest] = self._stack.enter_context(start_runtime(world, guest=guest, emulator=path))
        except BaseException:
            self._stack.close()
            raise

    def run(
        self,
        view: int | LayeredView,
        request: StepRequest,
        streams: Streams,
        cancel: Cancel | None = None,
    ) -> StepStatus:
        """Run one step; see NamespaceRuntime.run."""
        return self._for(request.guest).run(view, request, streams, cancel)

    def ready(self) -> None:
        """Nothing is left to start for what will run for sure."""

    def _for(self, guest: str) -> NamespaceRuntime:
        host = os.uname().machine
        if not guest or not emulation.needed(host, guest):
            return self._native
        with self._lock:
            if guest not in self._foreign:
                try:
                    path = emulation.find(host, guest)
                except emulation.NoEmulator as error:
                    raise MachineError(error.message, help=error.help) from error
                self._foreign[guest] = self._stack.enter_context(start_runtime(self._world, guest=guest, emulator=path))
            return self._foreign[guest]

    def close(self) -> None:
        """End the helpers and with them every step that still runs."""
        self._stack.close()
