"""A process that exchanges names without pause, so that a path means something else at every moment.

Invariant: it ends with its context, and with its parent whatever kills that.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

SOURCE: Final = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

static volatile sig_atomic_t over;
static void end(int number) { (void)number; over = 1; }

int main(int count, char **names)
{
    unsigned long done = 0;
    signal(SIGTERM, end);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    puts("ready");
    fflush(stdout);
    while (!over)
        for (int at = 1; at + 1 < count; at += 2)
            done += renameat2(AT_FDCWD, names[at], AT_FDCWD, names[at + 1], RENAME_EXCHANGE) == 0;
    printf("%lu\n", done);
    return 0;
}
"""


class Attack:
    """A running attacker; `exchanges` counts what it has done once it has ended."""

    exchanges = 0


def compile_attacker(target: Path) -> Path:
    """Compile the attacker's program."""
    subprocess.run(["gcc", "-O2", "-w", "-x", "c", "-", "-o", target], input=SOURCE.encode(), check=True)
    return target


@contextmanager
def attacking(program: Path, pairs: Sequence[tuple[Path, Path]]) -> Iterator[Attack]:
    """Exchange the names of each pair, over and over, while the context lasts.

    The attacker and the caller get processors of their own, where there are two: otherwise they would take turns.
    """
    words = [str(name) for pair in pairs for name in pair]
    attack = Attack()
    with subprocess.Popen([program, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        processors = os.sched_getaffinity(0)
        if len(processors) > 1:
            os.sched_setaffinity(process.pid, {min(processors)})
            os.sched_setaffinity(0, processors - {min(processors)})
        try:
            yield attack
        finally:
            os.sched_setaffinity(0, processors)
            process.terminate()
            attack.exchanges = int(process.stdout.readline() or 0)
