"""`metalor convert`: a Dockerfile as a recipe, with a report by line.

Invariant: reads only, unless -o says where to write; no file that is there is replaced without --force.
"""

import os
import sys
from pathlib import Path

from metalor_lang.build.dockerfolder import DockerFolder
from metalor_lang.build.reading import STANDARD_INPUT, one_platform
from metalor_lang.cli.writing import write_files
from metalor_lang.convert import convert
from metalor_lang.convert.report import as_json, human
from metalor_lang.errors import Exit, UsageError
from metalor_lang.hints import TYPE_CHECKING
from metalor_lang.store.store import default_path

if TYPE_CHECKING:
    import argparse


def run(arguments: "argparse.Namespace") -> int:
    """Convert; 1 when something was refused."""
    from metalor_lang.cli.common import complain, parse_args, parse_contexts

    path = Path(arguments.dockerfile)
    if path.suffix == ".metalor":
        raise UsageError(
            f"{path} is a recipe already",
            help=f"for people with another builder: metalor export --dockerfile {path} -o Dockerfile",
        )
    output = Path(arguments.output) if arguments.output is not None else None
    contexts = parse_contexts(arguments.context)
    context = contexts.pop("", path.parent)
    if not context.is_dir():
        raise UsageError(f"{context} is no directory", help="--context names the folder that COPY reads")
    one_platform(arguments.platform)  # a word that is none is told before anything is read
    text = _read(path)
    store = Path(arguments.store) if arguments.store is not None else default_path()
    world, bases = _world(arguments, context, path, store)
    converted = convert(
        text,
        name=str(path),
        world=world,
        args=parse_args(arguments.arg),
        strict_shell=arguments.strict_shell,
        every_arg=arguments.every_arg,
        root="" if output is None else _seen_from(output.parent, context),
    )
    if output is not None:
        beside = ((context / name, text) for name, text in converted.files)
        write_files(((output, converted.recipe), *beside), force=arguments.force)
    proof = None
    if arguments.prove and converted.ok:
        from metalor_lang.cli.proving import prove_conversion

        proof = prove_conversion(
            arguments, text, converted, context=context, contexts=contexts, ignore=world.ignore(), bases=bases
        )
    if arguments.report == "json":
        sys.stdout.write(f"{as_json(converted, str(path), proof.json() if proof else None)}\n")
    else:
        if output is None:
            sys.stdout.write(converted.recipe)
            sys.stdout.flush()
        complain(human(converted, str(path)))
        if output is None and converted.files:
            complain(f"{path}: .dockerignore becomes .metalorignore, which -o RECIPE writes too\n")
        if output is not None and _seen_from(output.parent, context):
            complain(f"{path}: build it with metalor build {output} --context {context}\n")
        if proof is not None:
            complain(proof.human(str(path)))
        elif arguments.prove:
            complain(f"{path}: there is nothing to prove while something is refused\n")
    if not converted.ok:
        return Exit.REFUSED
    return proof.exit if proof is not None else Exit.DONE


def _world(
    arguments: "argparse.Namespace", context: Path, path: Path, store: Path
) -> tuple[DockerFolder, dict[str, str]]:
    """What the conversion may ask, and the local images that stand for bases."""
    if not arguments.base:
        return DockerFolder(context, path, store, arguments.platform), {}
    from metalor_lang.proving.standing import StandingFolder, parse_bases

    bases = parse_bases(arguments.base)
    return StandingFolder(context, path, store, arguments.platform, bases), bases


def _seen_from(folder: Path, context: Path) -> str:
    """The context as a path from the recipe's folder; "" where they are one."""
    found = os.path.relpath(context.resolve(), folder.resolve())
    return "" if found == "." else found


def _read(path: Path) -> str:
    content = b""
    try:
        content = sys.stdin.buffer.read() if str(path) == STANDARD_INPUT else path.read_bytes()
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UsageError(f"{path}:{line}: this is no UTF-8", help="a recipe is UTF-8; convert the file first") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", help="name a Dockerfile") from None
