"""`metalor convert --prove` and `metalor export --dockerfile --prove`: both builders at work, and what they differ in.

Invariant: 0 only when every path and every field is equal; nothing of the person's own Buildah is touched.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from metalor_lang.build.failures import BuildFailed
from metalor_lang.build.secrets import Secrets, parse_secrets
from metalor_lang.cli.common import ShownFailure, machine, open_store, parse_args
from metalor_lang.convert import Converted
from metalor_lang.errors import Exit
from metalor_lang.hints import TYPE_CHECKING
from metalor_lang.kernel.process import require_tool
from metalor_lang.proving.buildah import Buildah
from metalor_lang.proving.claims import Given, claim_of
from metalor_lang.proving.compare import Comparison
from metalor_lang.proving.prove import Claim, Prover
from metalor_lang.record import dataclass
from metalor_lang.screen.console import console

if TYPE_CHECKING:
    import argparse


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What came out.

    Args:
        builder: the other builder and its version.
        comparison: of the two images.
        said: what the other builder was given in another way.

    """

    builder: str
    comparison: Comparison
    said: tuple[str, ...]

    @property
    def exit(self) -> Exit:
        """0 when they are equal."""
        return Exit.DONE if self.comparison.equal else Exit.REFUSED

    def human(self, name: str) -> str:
        """For a person: every difference, what was left out of the comparison, the outcome."""
        found = self.comparison
        lines = [str(each) for each in found.differences]
        reasons: dict[str, list[str]] = {}
        for path, reason in found.aside:
            reasons.setdefault(reason, []).append(path)
        lines += [f"left out: {', '.join(paths)}: {reason}" for reason, paths in reasons.items()]
        lines += self.said
        what = f"{found.entries} paths and {found.fields} fields of the configuration"
        outcome = f"equal: {what}" if found.equal else f"different: {len(found.differences)} of {what}"
        lines.append(f"{outcome}, by metalor and by {self.builder}")
        return "".join(f"{name}: {line}\n" for line in lines)

    def json(self) -> dict[str, object]:
        """For a program."""
        found = self.comparison
        return {
            "builder": self.builder,
            "equal": found.equal,
            "paths": found.entries,
            "fields": found.fields,
            "differences": [
                {"where": each.where, "field": each.name, "metalor": each.ours, "buildah": each.theirs}
                for each in found.differences
            ],
            "left_out": dict(found.aside),
            "given_otherwise": list(self.said),
        }


def prove_conversion(
    arguments: "argparse.Namespace",
    text: str,
    converted: Converted,
    *,
    context: Path,
    contexts: Mapping[str, Path],
    ignore: str | None,
    bases: Mapping[str, str],
) -> Proof:
    """Build the Dockerfile and the recipe that it became.

    Args:
        arguments: with `arg`, `secret`, `target`, `platform`, `store`.
        text: of the Dockerfile.
        converted: what became of it.
        context: the folder that COPY reads.
        contexts: further folders by name.
        ignore: the text of the `.dockerignore` that holds.
        bases: local images by the names that the Dockerfile has for them.

    Raises:
        MachineError: Buildah is missing, too old, or does not work here.
        MetalorError: one of the two cannot build it.

    """
    given = Given(
        context=context,
        ignore=ignore,
        args=parse_args(arguments.arg),
        contexts=contexts,
        secrets=parse_secrets(arguments.secret) if arguments.secret else Secrets(),
        target=arguments.target,
        platform=arguments.platform,
        bases=bases,
    )

    def claim(buildah: Buildah, scratch: Path) -> tuple[Claim, tuple[str, ...]]:
        return claim_of(text, converted, given, version=buildah.version, scratch=scratch)

    return _prove(arguments, claim)


def _prove(arguments: "argparse.Namespace", make: Callable[[Buildah, Path], tuple[Claim, tuple[str, ...]]]) -> Proof:
    require_tool("buildah")  # before a store is opened for it
    screen = console("auto")
    try:
        with (
            open_store(arguments, screen) as (store, world),
            store.lease(),
            machine(store, world, screen) as (runtime, snapshotter),
            store.workspace("proof") as work,
        ):
            for name in ("buildah", "theirs", "scratch"):
                (work / name).mkdir()
            buildah = Buildah(work / "buildah")
            claim, said = make(buildah, work / "theirs")
            prover = Prover(store=store, runtime=runtime, snapshotter=snapshotter, buildah=buildah, events=screen)
            try:
                comparison = prover.prove(claim, work / "scratch")
            except BuildFailed as failure:
                assert prover.source is not None  # a step ran, so its recipe was read
                raise ShownFailure(failure, prover.source) from failure
            return Proof(builder=str(buildah), comparison=comparison, said=said)
    finally:
        screen.close()
        sys.stderr.flush()
