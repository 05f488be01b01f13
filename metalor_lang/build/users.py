"""Users and groups of an image, looked up in its own `etc/passwd` and `etc/group`.

Invariant: only the image's files are read, through links inside it, and never more than 4 MiB of them; nothing of the
host's accounts is asked.
"""

import errno

from metalor_lang.errors import MetalorError
from metalor_lang.hints import Final
from metalor_lang.kernel.paths import Root
from metalor_lang.record import dataclass

USERS: Final = "/etc/passwd"
GROUPS: Final = "/etc/group"

_LIMIT: Final = 4 << 20
_LARGEST: Final = (1 << 31) - 1
_SHOWN: Final = 8


class UserError(MetalorError):
    """A user or group that the image does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who runs a step or owns its files.

    Args:
        uid, gid: numeric.
        groups: supplementary groups, sorted.
        home: the home directory, an absolute path.

    """

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    home: str = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class _User:
    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    name: str
    gid: int
    members: tuple[str, ...]


def resolve(view: Root, text: str) -> Identity:
    """The identity that `USER text` means in an image.

    A number needs no entry: its group is then 0 and its home `/`. Without a group, the supplementary groups are those
    that list the user; with one there are none.

    Args:
        view: the image's tree.
        text: `user[:group]`, names or numbers; "" is the superuser.

    Raises:
        UserError: a name has no entry, or a number is too large.

    """
    name, colon, group = text.partition(":")
    if text and (not name or (colon and not group)):
        raise UserError(f"`{text}` is not a user", help="write `user` or `user:group`, names or numbers")
    user = _find_user(view, name or "0")
    if colon:
        return Identity(uid=user.uid, gid=_find_group(view, group), home=user.home)
    groups = {each.gid for each in _groups(view) if user.name and user.name in each.members}
    return Identity(uid=user.uid, gid=user.gid, groups=tuple(sorted(groups)), home=user.home)


def resolve_owner(view: Root, text: str) -> tuple[int, int]:
    """The (uid, gid) that `--chown=text` means in an image.

    A name without a group takes that user's own group; a number without a group takes the same number, as Docker does.

    Raises:
        UserError: a name has no entry, or a number is too large.

    """
    name, colon, group = text.partition(":")
    if not name or (colon and not group):
        raise UserError(f"`{text}` is not an owner", help="write `user` or `user:group`, names or numbers")
    if (number := _number(name)) is not None:
        return number, _find_group(view, group) if colon else number
    user = _find_user(view, name)
    return user.uid, _find_group(view, group) if colon else user.gid


def _find_user(view: Root, text: str) -> _User:
    users = _users(view)
    number = _number(text)
    for each in users:
        if each.name == text if number is None else each.uid == number:
            return each
    if number is not None:
        return _User(name="", uid=number, gid=0, home="/")
    raise _unknown("user", text, [each.name for each in users], "etc/passwd")


def _find_group(view: Root, text: str) -> int:
    number = _number(text)
    if number is not None:
        return number
    groups = _groups(view)
    for each in groups:
        if each.name == text:
            return each.gid
    raise _unknown("group", text, [each.name for each in groups], "etc/group")


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()):
        return None
    # Longer texts are not converted at all: int() of a huge text is slow.
    if len(text) > 12 or (value := int(text)) > _LARGEST:
        raise UserError(f"the number {text} is too large for a user or group", help=f"the largest is {_LARGEST}")
    return value


def _unknown(what: str, text: str, names: list[str], file: str) -> UserError:
    if not names:
        return UserError(
            f"the image has no {what} `{text}`: it has no `/{file}`",
            help="write the number, which needs no entry",
        )
    import difflib

    near = difflib.get_close_matches(text, names, n=1)
    hint = f"did you mean `{near[0]}`? " if near else ""
    shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    return UserError(
        f"the image has no {what} `{text}` in its `/{file}`",
        help=f"{hint}it has {shown}; create it in an earlier step, or write a number, which needs no entry",
    )


def _users(view: Root) -> list[_User]:
    found: list[_User] = []
    for line in _lines(view, USERS):
        match line.split(":"):
            case [name, _, uid, gid, _, home, *_] if name and (ids := _ids(uid, gid)):
                found.append(_User(name=name, uid=ids[0], gid=ids[1], home=home if home.startswith("/") else "/"))
            case _:
                pass  # a line that is no entry is nobody
    return found


def _groups(view: Root) -> list[_Group]:
    found: list[_Group] = []
    for line in _lines(view, GROUPS):
        match line.split(":"):
            case [name, _, gid, *rest] if name and (ids := _ids(gid)):
                members = rest[0].split(",") if rest else []
                found.append(_Group(name=name, gid=ids[0], members=tuple(member for member in members if member)))
            case _:
                pass
    return found


def _ids(*texts: str) -> tuple[int, ...] | None:
    if all(text.isascii() and text.isdigit() and len(text) <= 10 for text in texts):
        values = tuple(int(text) for text in texts)
        return values if max(values) <= _LARGEST else None
    return None


def _lines(view: Root, path: str) -> list[str]:
    try:
        data = view.read_bytes(path, _LIMIT)
    except OSError as error:
        match error.errno:
            case errno.ENOENT | errno.ENOTDIR | errno.EINVAL | errno.ELOOP | errno.EISDIR | errno.ENXIO:
                return []
            case errno.EFBIG:
                raise UserError(f"the image's `{path}` is longer than {_LIMIT >> 20} MiB") from None
            case _:
                raise
    return [line for line in data.decode(errors="surrogateescape").split("\n") if line and not line.startswith("#")]
