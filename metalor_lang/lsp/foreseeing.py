"""What a build would do with each step, worked out beside the server: a context may take long to read.

Invariant: one question at a time for a document, and nobody waits for it longer than `PATIENCE`.
"""

import asyncio
import threading
import time
from typing import Final

from metalor_lang.build.foreseen import foresee
from metalor_lang.lsp.documents import Document
from metalor_lang.lsp.reporting import all_given
from metalor_lang.record import dataclass
from metalor_lang.store.records import StepRecord

PATIENCE: Final = 0.5
"""Seconds that a hover waits; the next one may find the answer."""
FRESH: Final = 2.0
"""Seconds for which an answer holds: a build may be running in a terminal."""

Foreseen = dict[int, StepRecord | None] | None


@dataclass(slots=True)
class _Question:
    """What is being worked out, and since when it is known."""

    answer: "asyncio.Future[Foreseen]"
    known: float | None = None


def _slot(document: Document) -> list[_Question]:
    return []


async def foreseen(document: Document) -> Foreseen:
    """By the offset of a step's statement its record in the store, None where it would run; None where nobody knows."""
    program = document.program
    path = document.ground.path
    if program is None or path is None or not all_given(document):
        return None
    slot = document.remember(_slot)
    if slot and slot[0].known is not None and time.monotonic() - slot[0].known > FRESH:
        slot.clear()
    if not slot:
        loop = asyncio.get_running_loop()
        question = _Question(loop.create_future())
        slot.append(question)
        folders = {name: folder for name, folder in document.ground.folders.items() if folder.is_dir()}
        store, lock = document.ground.store, document.ground.lock

        def heard(found: Foreseen) -> None:
            question.known = time.monotonic()
            if not question.answer.done():
                question.answer.set_result(found)

        def work() -> None:
            try:
                found = foresee(program, path, folders, store, lock)
            except Exception:  # a hover says less then; the same question of a build would show what it is
                found = None
            try:
                loop.call_soon_threadsafe(heard, found)
            except RuntimeError:  # the server has ended
                pass

        # A daemon: nobody waits for it when the editor leaves.
        threading.Thread(target=work, daemon=True, name="foresee").start()
    try:
        return await asyncio.wait_for(asyncio.shield(slot[0].answer), PATIENCE)
    except TimeoutError:
        return None
