import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from metalor_lang.kernel import syscalls


def test_openat2_stays_in_the_root(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("inside")
    (tmp_path / "out").symlink_to("/etc/passwd")
    (tmp_path / "up").symlink_to("../../../../../../etc/passwd")
    root = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    for name in ("out", "up", "/etc/passwd", "../../etc/passwd"):
        fd = syscalls.openat2(root, name, os.O_RDONLY, resolve=syscalls.RESOLVE_IN_ROOT)
        assert os.read(fd, 100) == b"inside"
        assert not os.get_inheritable(fd)
        os.close(fd)
    for resolve, number in (
        (syscalls.RESOLVE_BENEATH, errno.EXDEV),
        (syscalls.RESOLVE_NO_SYMLINKS, errno.ELOOP),
    ):
        with pytest.raises(OSError) as caught:
            syscalls.openat2(root, "out", os.O_RDONLY, resolve=resolve)
        assert caught.value.errno == number
        assert caught.value.filename == "out"
    os.close(root)


def test_openat2_creates_with_the_mode(tmp_path: Path) -> None:
    root = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    before = os.umask(0)
    try:
        os.close(syscalls.openat2(root, "new", os.O_CREAT | os.O_WRONLY, 0o751))
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o7777 == 0o751
    os.close(root)


def test_a_missing_file_is_the_usual_exception(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        syscalls.openat2(syscalls.AT_FDCWD, tmp_path / "none", os.O_RDONLY)
    assert caught.value.filename == str(tmp_path / "none")


def test_a_nul_is_refused_and_not_cut_off(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    with pytest.raises(OSError, match="NUL"):
        syscalls.openat2(syscalls.AT_FDCWD, f"{tmp_path}/a\0b", os.O_RDONLY)


def test_names_of_any_bytes(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff\xfe\n"
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
    os.close(syscalls.openat2(syscalls.AT_FDCWD, name, os.O_RDONLY))
    os.close(syscalls.openat2(syscalls.AT_FDCWD, os.fsdecode(name), os.O_RDONLY))


def test_renameat2(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    root = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    with pytest.raises(FileExistsError):
        syscalls.renameat2(root, "a", root, "b", syscalls.RENAME_NOREPLACE)
    syscalls.renameat2(root, "a", root, "b", syscalls.RENAME_EXCHANGE)
    assert (tmp_path / "a").read_text() == "b"
    syscalls.renameat2(root, "a", root, "c", syscalls.RENAME_NOREPLACE)
    assert sorted(os.listdir(tmp_path)) == ["b", "c"]
    syscalls.syncfs(root)
    os.close(root)


def test_close_range_only_at_exec() -> None:
    code = (
        "import os\n"
        "from metalor_lang.kernel import syscalls\n"
        "fd = os.open('/dev/null', os.O_RDONLY); os.set_inheritable(fd, True)\n"
        "syscalls.close_range(3, flags=syscalls.CLOSE_RANGE_CLOEXEC)\n"
        "assert not os.get_inheritable(fd)\n"
        "syscalls.close_range(3)\n"
        "try: os.fstat(fd)\n"
        "except OSError: print('closed')\n"
    )
    root = Path(syscalls.__file__).parent.parent.parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout == "closed\n"


def test_filesystem_types() -> None:
    fd = os.open("/proc/self", os.O_RDONLY | os.O_DIRECTORY)
    assert syscalls.filesystem_type(fd) == syscalls.PROC_SUPER_MAGIC
    os.close(fd)


def test_a_machine_without_numbers_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syscalls, "NUMBERS", {})
    with pytest.raises(OSError, match="no known number") as caught:
        syscalls.openat2(syscalls.AT_FDCWD, "/", os.O_RDONLY)
    assert caught.value.errno == errno.ENOSYS
