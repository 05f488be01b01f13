"""Addresses: where a file is, which way leads there, and who we are to the server.

Invariant: a password is never part of an address here: it comes from the user's netrc file, for the host that the
recipe names and for no other.
"""

import base64
import netrc
import os
from pathlib import Path
from urllib.parse import quote, unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from metalor_lang.hints import Final
from metalor_lang.record import dataclass
from metalor_lang.remote.errors import FetchRefused

_PORTS: Final = {"http": 80, "https": 443}
_AS_IT_IS: Final = "/%:@!$&'()*+,;=~-._?[]"
"""What stays in a path or query; every other character is written as `%XX` of its UTF-8."""
_NETRC_LIMIT: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A file on a server.

    Args:
        scheme: "http" or "https".
        host: a name, or the number of a host.
        target: path and query as they are sent.

    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Host and port, the latter only where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def whole(self) -> str:
        """As a proxy is asked for it."""
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def shown(self) -> str:
        """For messages: what follows a `?` may be a key."""
        return f"{self.scheme}://{self.authority}{self.target.partition('?')[0]}"

    def same_server(self, other: "Address") -> bool:
        """Whether both are one server's."""
        return (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port)


def parse(text: str) -> Address:
    """Read an http or https address.

    Raises:
        FetchRefused: it is none, or has a user or password in it.

    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise FetchRefused(f"an address cannot be read: {error}") from None
    if parts.scheme not in _PORTS or not host:
        raise FetchRefused("an address is neither http nor https")
    if parts.username is not None or parts.password is not None:
        raise FetchRefused("an address with a user or a password in it is not fetched")
    try:
        host = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        raise FetchRefused(f"the host {host!r} is no name that can be looked up") from None
    target = quote(parts.path or "/", safe=_AS_IT_IS.replace("?", ""))
    if parts.query:
        target += "?" + quote(parts.query, safe=_AS_IT_IS)
    return Address(scheme=parts.scheme, host=host.lower(), port=port or _PORTS[parts.scheme], target=target)


def redirected(old: Address, location: str) -> Address:
    """Where a server sends us.

    Raises:
        FetchRefused: to something that is not fetched, or from https to http.

    """
    try:
        new = parse(urljoin(old.whole, location))
    except FetchRefused as error:
        raise FetchRefused(f"{old.authority} sends us on, and {error.message}") from None
    if old.scheme == "https" and new.scheme == "http":
        raise FetchRefused(
            f"{old.shown} sends us on to {new.shown}, from https to plain http, which anybody on the way can change",
            help="write an https address that gives the file itself",
        )
    return new


def file_path(text: str) -> str | None:
    """The path of a `file:` address; None for any other.

    Raises:
        FetchRefused: it names another machine.

    """
    parts = urlsplit(text)
    if parts.scheme != "file":
        return None
    if parts.netloc not in ("", "localhost"):
        raise FetchRefused(f"{text} names a file of another machine", help="write file:///path/of/the/file")
    return unquote(parts.path)


def proxy_for(address: Address) -> tuple[Address, str] | None:
    """The proxy that the environment names for an address, and what it wants as `Proxy-Authorization` ("" nothing).

    Raises:
        FetchRefused: it is no http proxy.

    """
    proxies = getproxies()
    text = proxies.get(address.scheme) or proxies.get("all")
    if not text or proxy_bypass(address.authority):
        return None
    parts = urlsplit(text if "://" in text else f"http://{text}")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    try:
        found = parse(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl())
    except FetchRefused:
        raise FetchRefused(
            f"the proxy that the variable {address.scheme}_proxy or all_proxy names cannot be used",
            help="write it as http://host:port",
        ) from None
    return found, _basic(user, password) if user else ""


def credentials(address: Address) -> str:
    """What the user's netrc file has for a host, as `Authorization`; "" nothing.

    Raises:
        FetchRefused: the file cannot be read.

    """
    path = Path(os.environ.get("NETRC") or os.path.expanduser("~/.netrc"))
    try:
        if not path.is_file() or path.stat().st_size > _NETRC_LIMIT:
            return ""
        found = netrc.netrc(str(path)).authenticators(address.host)
    except PermissionError:
        return ""  # another user's, as with sudo
    except (OSError, netrc.NetrcParseError) as error:
        # The text of such an error may be a line of the file.
        line = getattr(error, "lineno", None)
        where = f" (line {line})" if line else ""
        raise FetchRefused(
            f"{path} cannot be read{where}", help="its lines are: machine HOST login USER password PASSWORD"
        ) from None
    return _basic(found[0], found[2]) if found is not None and found[2] else ""


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
