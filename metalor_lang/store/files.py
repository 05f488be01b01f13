"""Small files of the store: written whole or not at all, read with their damage noticed.

Invariant: a file becomes visible by one rename, after its bytes are on the disk; a sealed JSON file carries the digest
of its own body, so a torn or edited one is never believed.
"""

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from metalor_lang.digest import Json, canonical_json, plain_json, sha256
from metalor_lang.hints import Final, NoReturn, cast

FORMAT: Final = 1
"""Of every JSON file of the store; a file of another format reads as damaged."""


_HEAD: Final = b'{"body":'
_BETWEEN: Final = b',"digest":"'
_TAIL: Final = b'","format":%d}\n' % FORMAT
_DIGEST: Final = len("sha256:") + 64
_CHUNK: Final = 1 << 16

SHORTAGES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Failures of an open that are the process's own trouble: no file may be called damaged for them."""


class Damaged(Exception):
    """A file of the store does not hold what it must; the text says why. Never leaves the package."""


def make_directory(path: Path, mode: int = 0o700) -> None:
    """Make one directory with exactly this mode, whatever the umask; an existing one is left alone."""
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        return
    os.chmod(path, mode)


def open_private(path: Path, flags: int) -> int:
    """Open a file of the store, made with mode 0600 (with `O_CREAT`) whatever the umask; links are not followed."""
    fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if flags & os.O_CREAT and os.fstat(fd).st_mode & 0o777 != 0o600:
            os.fchmod(fd, 0o600)
    except BaseException:
        os.close(fd)
        raise
    return fd


def sync_directory(path: Path) -> None:
    """Flush a directory's entries, so that a rename in it outlives a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def locked(directory: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold the flock of a directory itself: no file is left behind."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, how)
        yield
    finally:
        os.close(fd)


def write_new(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Make a file of a name that must not exist; a failure leaves none."""
    fd = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def write_whole(path: Path, data: bytes, *, scratch: Path, token: str, durable: bool = True) -> None:
    """Put a file in place by one rename, replacing an older one.

    Args:
        path: the final name.
        data: the content.
        scratch: a directory of the same file system for the unfinished file.
        token: the writer's lease, so that a leftover of a dead writer is recognised.
        durable: flush the file before the rename and its directory after it.

    """
    draft = scratch / f"{token}-{os.urandom(8).hex()}"
    write_new(draft, data, durable=durable)
    try:
        os.rename(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    if durable:
        sync_directory(path.parent)


def keep(path: Path, data: bytes, *, scratch: Path, count: int) -> bool:
    """Write a file that only saves time, unsynced, and let the oldest beside it go; gives whether that could be done.

    Args:
        path: the final name; its folder is made where it is not there.
        data: the content.
        scratch: as for `write_whole`.
        count: how many files stay in the folder, by the time of their last change or use.

    """
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_whole(path, data, scratch=scratch, token="0" * 16, durable=False)
        _keep_newest(path.parent, count)
    except OSError:
        return False
    return True


def recall(path: Path) -> bytes | None:
    """What such a file holds, which counts as a use; None where it cannot be read."""
    try:
        data = path.read_bytes()
        os.utime(path)
    except OSError:
        return None
    return data


def _keep_newest(folder: Path, count: int) -> None:
    names = os.listdir(folder)
    if len(names) > count:
        paths = sorted((folder / name for name in names), key=lambda path: path.stat().st_mtime_ns)
        for path in paths[: len(paths) - count]:
            path.unlink(missing_ok=True)


def seal(body: Json) -> bytes:
    """The bytes of a sealed JSON file: canonical as a whole, so that the digest is of bytes that stand there."""
    inner = canonical_json(body)
    return _HEAD + inner + _BETWEEN + sha256(inner).encode() + _TAIL


def _refuse(text: str) -> NoReturn:
    raise Damaged(f"the number {text[:20]}")


_DECODER: Final = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse)


def _sealed_body(data: bytes) -> bytes | None:
    """The bytes of the body where the file is as `seal` writes it and its digest is right, else None."""
    start = len(data) - len(_TAIL) - _DIGEST
    end = start - len(_BETWEEN)
    if not data.startswith(_HEAD) or not data.endswith(_TAIL) or data[end:start] != _BETWEEN:
        return None
    body = data[len(_HEAD) : end]
    return body if sha256(body).encode() == data[start : start + _DIGEST] else None


def unseal(data: bytes) -> dict[str, Json]:
    """The body of a sealed JSON file.

    Raises:
        Damaged: it is no JSON object, of another format, or its digest is wrong.

    """
    inner = _sealed_body(data)
    try:
        if inner is not None:
            sound = _DECODER.decode(inner.decode())
            if isinstance(sound, dict):
                return sound
        # Not as we write it: written by hand or by an older version, or damaged.
        value = json.loads(data, parse_float=_refuse, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"not JSON: {error}") from None
    if not isinstance(value, dict) or value.keys() != {"body", "digest", "format"}:
        raise Damaged("not a file of a store")
    if value["format"] != FORMAT:
        raise Damaged(f"format {value['format']!r}, this version reads {FORMAT}")
    body = value["body"]
    try:
        # What was read holds no floats, so the bytes are those of `json_digest`, without another walk.
        right = isinstance(body, dict) and sha256(plain_json(body)) == value["digest"]
    except (TypeError, UnicodeEncodeError) as error:
        raise Damaged(str(error)) from None
    if not right:
        raise Damaged("its content does not match its own digest")
    assert isinstance(body, dict)
    return body


def _read(path: Path | str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(fd, _CHUNK)
        while len(data) % _CHUNK == 0 and (more := os.read(fd, _CHUNK)):
            data += more
        return data
    finally:
        os.close(fd)


def read_sealed(path: Path | str) -> dict[str, Json] | None:
    """The body of a sealed JSON file, None where there is no file.

    Raises:
        Damaged: as `unseal`, or the file cannot be read.
        OSError: this process cannot read any file now (SHORTAGES); that says nothing about the file.

    """
    try:
        data = _read(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in SHORTAGES:
            raise
        raise Damaged(f"unreadable: {error.strerror}") from None
    return unseal(data)


def text_of(body: dict[str, Json], name: str) -> str:
    """A string field of a body.

    Raises:
        Damaged: it is missing or of another type.

    """
    value = body.get(name)
    if not isinstance(value, str):
        raise Damaged(f"{name!r} is not a string")
    return value


def number_of(body: dict[str, Json], name: str) -> int:
    """An integer field of a body.

    Raises:
        Damaged: it is missing or of another type.

    """
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Damaged(f"{name!r} is not an integer")
    return value


def texts_of(body: dict[str, Json], name: str) -> tuple[str, ...]:
    """A field that is a list of strings.

    Raises:
        Damaged: it is missing or of another type.

    """
    value = body.get(name)
    if not isinstance(value, list) or not set(map(type, value)) <= {str}:
        raise Damaged(f"{name!r} is not a list of strings")
    return cast("tuple[str, ...]", tuple(value))


def mapping_of(body: dict[str, Json], name: str) -> dict[str, Json]:
    """A field that is an object.

    Raises:
        Damaged: it is missing or of another type.

    """
    value = body.get(name)
    if not isinstance(value, dict):
        raise Damaged(f"{name!r} is not an object")
    return value
