"""One bare repository for one fetch, and git run in it so that nothing of this machine or of a server steers it.

Invariant: git sees no configuration but ours, starts no hook, filter, helper or prompt, and speaks only the protocols
that an address may have; a password is in its environment for the host it belongs to, never in an argument.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from metalor_lang.hints import Final
from metalor_lang.kernel.process import CompletedTool, ToolFailed, run_stoppable
from metalor_lang.remote.address import credentials, parse
from metalor_lang.remote.dialing import Halt
from metalor_lang.remote.errors import FetchRefused

_PROTOCOLS: Final = {"https": "https", "http": "http:https", "ssh": "ssh", "git": "git:ssh:https"}
"""What an address of each scheme may lead to: nothing that anybody on the way can change, unless it began so."""

_SETTINGS: Final = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "60",
    "maintenance.auto": "false",
    "protocol.version": "2",
    "tar.umask": "0022",
    "transfer.bundleURI": "false",
}
_AS_COMMITTED: Final = "* -export-ignore -export-subst -text -eol -ident -filter -working-tree-encoding\n"
"""Attributes that win over those in the tree: what a commit holds is what is taken."""

_PASSED_ON: Final = ("PATH", "SSH_AUTH_SOCK", "http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY",
                     "ALL_PROXY", "NO_PROXY")  # fmt: skip
_FATAL: Final = re.compile(r"^(?:fatal|error|remote|ERROR): (?:fatal: |ERROR: )?(?P<text>.+)$", re.MULTILINE)


class Repository:
    """A bare repository.

    Args:
        path: an empty directory for it.
        halt: ends what runs.
        hashes: "sha1" or "sha256", as its commits are named.

    """

    def __init__(self, path: Path, halt: Halt, hashes: str = "sha1") -> None:
        self._path = path
        self._hashes = hashes
        self._halt = halt
        self._made = False

    def git(self, url: str, *words: str) -> CompletedTool:
        """Run git in it.

        Args:
            url: the address that it may talk to.
            words: of the command.

        Raises:
            ToolFailed: it failed.
            InterruptedError: it was ended.
            FetchRefused: the netrc file cannot be read.

        """
        environment = _environment(url, self._path)
        if not self._made:
            self._made = True
            self._run(["init", "--quiet", "--bare", "--template=", f"--object-format={self._hashes}", "."], environment)
            (self._path / "info").mkdir(exist_ok=True)
            (self._path / "info" / "attributes").write_text(_AS_COMMITTED)
        return self._run(words, environment | {"GIT_DIR": str(self._path)})

    def _run(self, words: Sequence[str], environment: Mapping[str, str]) -> CompletedTool:
        return run_stoppable(["git", *words], env=environment, cwd=self._path, stop=lambda: self._halt.fired)


def _environment(url: str, home: Path) -> dict[str, str]:
    scheme = url.partition("://")[0]
    settings = dict(_SETTINGS)
    if scheme in ("http", "https"):
        address = parse(url)
        if known := credentials(address):
            settings[f"http.{address.scheme}://{address.authority}/.extraHeader"] = f"Authorization: {known}"
            # It would be sent on to wherever the server sends us.
            settings["http.followRedirects"] = "false"
    hosts = Path(os.path.expanduser("~/.ssh/known_hosts"))
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {
        "HOME": str(home),
        "LC_ALL": "C",
        "GIT_ALLOW_PROTOCOL": _PROTOCOLS[scheme],
        "GIT_ASKPASS": "",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_SSH_COMMAND": f"ssh -oBatchMode=yes -oConnectTimeout=30 -oUserKnownHostsFile='{hosts}'",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    if "SSL_CERT_FILE" in os.environ:
        environment["GIT_SSL_CAINFO"] = os.environ["SSL_CERT_FILE"]
    for number, (name, value) in enumerate(settings.items()):
        environment |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return environment


def refusal(url: str, error: ToolFailed) -> FetchRefused:
    """Why git could not fetch, in its own words."""
    said = [match["text"] for match in _FATAL.finditer(error.stderr.decode("utf-8", "replace"))]
    reason = said[-1] if said else f"git ended with status {error.status}"
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]
    if any(word in reason for word in ("Authentication failed", "could not read", "terminal prompts", " 401")):
        help = f"put a name and a password into ~/.netrc: machine {host} login USER password PASSWORD"
    elif "not allowed" in reason:
        help = "the server leads from there to a protocol that is less safe than the address's own"
    else:
        help = "look whether the address is right and this machine reaches that server: git ls-remote " + url
    return FetchRefused(f"{url} cannot be fetched: {reason}", help=help)
