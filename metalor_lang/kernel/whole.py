"""Write all of something to a descriptor: one call may take a part of it. Lean: imported by the helper."""

import os


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write every byte, however many calls it takes; raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
