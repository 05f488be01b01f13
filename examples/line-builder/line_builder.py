#!/usr/bin/env python3
"""A build tool on the library alone: `line_builder.py FILE PREFIX [NAME=VALUE…]` makes the root that FILE describes."""

import subprocess
import sys
from pathlib import Path

import metalor_lang as metalor

PRIVATE = "internal-run"
PATH = "/usr/local/bin:/usr/bin:/bin"


def run(prefix: Path, root: Path, argv: list[str], mounts: list[metalor.BindMount]) -> None:
    """Start this program again in private namespaces, where its private subcommand runs the command."""
    env = [("PATH", PATH), ("HOME", "/root")]
    command = metalor.ContainerRunCommand(root, "/", mounts, env, None, argv[0], argv[1:])
    outer = metalor.build_unshare_reexec_command((sys.executable, __file__), PRIVATE, prefix, command)
    code = subprocess.run(outer.argv, env=outer.environment()).returncode
    if code:
        sys.exit(f"the command ended with status {code}: {argv}")


def build(recipe: Path, prefix: Path, values: dict[str, str]) -> Path:
    """Do what each line says: SET NAME=VALUE, FROM IMAGE, MOUNT SOURCE DESTINATION, RUN ["word", …]."""
    prefix.mkdir(parents=True, exist_ok=True)
    root: Path | None = None
    mounts: list[metalor.BindMount] = []
    for line in metalor.significant_lines(recipe.read_text(encoding="utf-8")):
        word, _, rest = line.text.partition(" ")
        try:
            match word:
                case "SET":
                    name, _, value = rest.partition("=")
                    if not metalor.valid_identifier(name):
                        raise metalor.UsageError(f"{name!r} is no name", help="write SET NAME=VALUE")
                    values.setdefault(name, metalor.interpolate_braced_variables(value, values, "variable"))
                case "FROM":
                    image = metalor.interpolate_braced_variables(rest, values, "variable")
                    root = metalor.prepare_oci_rootfs(image, prefix, prefix / recipe.stem, prefix / "cache")
                case "MOUNT":
                    source, destination = rest.split()
                    mounts.append(metalor.BindMount(recipe.parent.resolve() / source, destination, True))
                case "RUN" if root is not None:
                    argv = metalor.parse_exec_array(rest)
                    argv = [metalor.interpolate_braced_variables(part, values, "variable") for part in argv]
                    run(prefix, root, argv, mounts)
                case _:
                    raise metalor.UsageError(f"{word} is unknown, or stands before FROM", help="begin with FROM IMAGE")
        except metalor.MetalorError as error:
            sys.exit(f"{recipe}:{line.number}: {error.message}\n  {error.help}")
    if root is None:
        sys.exit(f"{recipe}: no FROM")
    return root


if __name__ == "__main__":
    if sys.argv[1:2] == [PRIVATE]:
        status = metalor.run_isolated_container_command(metalor.parse_reexec_arguments(sys.argv[2:]))
        print(status.message, end="\n" if status.message else "", file=sys.stderr)
        sys.exit(status.code)
    print(build(Path(sys.argv[1]), Path(sys.argv[2]).resolve(), dict(pair.split("=", 1) for pair in sys.argv[3:])))
