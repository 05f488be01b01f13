"""The architectures that images and emulators are known for, as the runtime has them.

Invariant: a name means one row or is refused; nothing else in this package compares architecture names.
"""

from collections.abc import Mapping

from metalor_lang.hints import Final
from metalor_lang.isolated.errors import UnsupportedArchitecture
from metalor_lang.record import dataclass
from metalor_lang.runtime.emulation import ARCHITECTURES, names


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One row.

    Args:
        machine: as the kernel names it (`uname -m`).
        oci: as images name it (GOARCH).
        emulator: the program that runs its programs on another machine.

    """

    machine: str
    oci: str
    emulator: str


TABLE: Final = tuple(
    Architecture(machine=machine, oci=oci, emulator=names(oci)[0]) for oci, (machine, _) in ARCHITECTURES.items()
)

_BY_NAME: Final[Mapping[str, Architecture]] = {name: row for row in TABLE for name in (row.machine, row.oci)}


def architecture(name: str) -> Architecture:
    """The row of a name or alias.

    Raises:
        UnsupportedArchitecture: there is none; the message lists those there are.

    """
    row = _BY_NAME.get(name)
    if row is None:
        known = ", ".join(one.machine if one.machine == one.oci else f"{one.machine} ({one.oci})" for one in TABLE)
        raise UnsupportedArchitecture(f"unsupported architecture {name!r}", help=f"supported are {known}")
    return row


def by_emulator(name: str) -> Architecture:
    """The row of an emulator's file name.

    Raises:
        UnsupportedArchitecture: no row has it.

    """
    for row in TABLE:
        if row.emulator == name:
            return row
    known = ", ".join(row.emulator for row in TABLE)
    raise UnsupportedArchitecture(f"unsupported emulator {name!r}", help=f"supported are {known}")
