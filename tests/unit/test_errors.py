import errno

import pytest

from metalor_lang.errors import Exit, MachineError, machine_error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENOMEM])
def test_what_only_the_machine_can_cause_is_said_with_what_helps(number: int) -> None:
    shown = machine_error(OSError(number, "why", "/some/file"), "the store cannot be used")
    assert isinstance(shown, MachineError)
    assert shown.message == "the store cannot be used: why: /some/file"
    assert shown.help
    assert shown.exit is Exit.MACHINE


def test_a_place_need_not_be_known() -> None:
    shown = machine_error(OSError(errno.EIO, "why"))
    assert shown is not None
    assert shown.message == "why"


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EINVAL, errno.EBADF, errno.EEXIST])
def test_what_a_bug_can_cause_is_not_the_machines(number: int) -> None:
    assert machine_error(OSError(number, "why")) is None
