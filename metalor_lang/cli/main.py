"""The `metalor` command: finds the subcommand, runs it, maps errors to exit statuses.

Invariant: the only place that decides an exit status from an error; starts without importing any phase.
"""

import contextlib
import gc
import os
import sys
from _signal import SIGTERM, signal  # type: ignore[import-not-found]  # `signal` makes enumerations of them all: 1 ms
from collections.abc import Callable, Sequence
from importlib import import_module
from types import FrameType

from metalor_lang import __version__
from metalor_lang.cli.table import BY_NAME
from metalor_lang.errors import (
    INTERRUPTED,
    Exit,
    MachineError,
    MetalorError,
    ToldInterrupt,
    UsageError,
    machine_error,
)
from metalor_lang.hints import Final
from metalor_lang.screen.color import color
from metalor_lang.screen.streams import any_text

PIPE_CLOSED: Final = 141
GARBAGE: Final = (50_000, 20, 50)
"""Most of what a command makes lives to its end: looking for garbage every 700 objects finds none."""


def entry() -> None:
    """Entry point of the installed command."""
    gc.set_threshold(*GARBAGE)
    any_text()
    status = main(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    # All is written and closed: taking the interpreter apart, object by object, would serve nobody.
    os._exit(status)


def main(words: Sequence[str]) -> int:
    """Run one command line and give its exit status; the only function that catches everything."""
    previous = _terminate_as_interrupt()
    try:
        status = _dispatch(list(words))
        _flush()
        return status
    except BrokenPipeError:
        _silence(sys.stdout.fileno())
        return PIPE_CLOSED
    except ToldInterrupt:
        return INTERRUPTED
    except KeyboardInterrupt:
        print("metalor: interrupted", file=sys.stderr)
        return INTERRUPTED
    except MetalorError as error:
        show_error(error)
        return int(getattr(error, "status", error.exit))
    except OSError as error:
        shown = machine_error(error)
        if shown is None:
            return _bug(error)
        show_error(shown)
        return shown.exit
    except MemoryError:
        print("metalor: no memory left", file=sys.stderr)
        return Exit.MACHINE
    except Exception as error:
        return _bug(error)
    finally:
        if previous is not None:
            signal(SIGTERM, previous)


def _dispatch(words: list[str]) -> int:
    if not words:
        from metalor_lang.cli.options import main_help

        sys.stderr.write(main_help())
        return Exit.USAGE
    name, rest = words[0], words[1:]
    if name == "--version":
        print(f"metalor {__version__}")
        return Exit.DONE
    if name in ("-h", "--help", "help"):
        from metalor_lang.cli.options import command_help, main_help

        sys.stdout.write(command_help(BY_NAME[rest[0]]) if rest and rest[0] in BY_NAME else main_help())
        return Exit.DONE
    command = BY_NAME.get(name)
    if command is None:
        from difflib import get_close_matches

        from metalor_lang.cli.habits import COMMANDS, instead

        close = get_close_matches(name, BY_NAME, 1)
        what = "option" if name.startswith("-") else "command"
        said = instead(COMMANDS, name) or (f"did you mean `metalor {close[0]}`?" if close else "")
        raise UsageError(f"there is no {what} {name!r}", help=said or "`metalor --help` lists the commands")
    from metalor_lang.cli.words import parse

    own, after = (rest[: rest.index("--")], rest[rest.index("--") + 1 :]) if "--" in rest else (rest, None)
    if any(word in ("-h", "--help") for word in own):
        from metalor_lang.cli.options import command_help

        sys.stdout.write(command_help(command))
        return Exit.DONE
    if after is not None and not command.rest:
        own, after = rest, None
    arguments = parse(command, own, after)
    run: Callable[..., int] = import_module(f"metalor_lang.cli.commands.{name}").run
    return run(arguments)


def show_error(error: MetalorError) -> None:
    """Print an error on standard error, in its own frame when it brings one."""
    render = getattr(error, "render", None)
    if render is not None:
        sys.stderr.write(render(color=color(sys.stderr)))
        return
    if hasattr(error, "diagnostics"):
        from metalor_lang.build.failures import Refused
        from metalor_lang.cli.common import render_refused

        if isinstance(error, Refused):
            sys.stderr.write(render_refused(error, color=color(sys.stderr)))
            return
    bold, red, plain = ("\x1b[1m", "\x1b[31m", "\x1b[0m") if color(sys.stderr) else ("", "", "")
    print(f"{bold}{red}error:{plain} {bold}{error.message}{plain}", file=sys.stderr)
    for line in error.help.splitlines():
        print(f"  help: {line}" if line == error.help.splitlines()[0] else f"        {line}", file=sys.stderr)


def _terminate_as_interrupt() -> "Callable[[int, FrameType | None], object] | int | None":
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before: Callable[[int, FrameType | None], object] | int | None = signal(SIGTERM, interrupt)
        return before
    except ValueError:  # not the main thread: whoever embeds us owns the signals
        return None


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _silence(sys.stdout.fileno())
        raise MachineError(
            f"standard output cannot be written: {error.strerror}", help="what was built is in the store all the same"
        ) from error


def _silence(fd: int) -> None:
    # The interpreter flushes standard output at exit and would report the closed pipe again.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, fd)
    os.close(null)


def _bug(error: Exception) -> int:
    import tempfile
    import traceback

    text = f"metalor {__version__}, Python {sys.version}\narguments: {sys.argv[1:]!r}\n\n"
    text += "".join(traceback.format_exception(error))
    print(f"metalor: a bug of metalor: {type(error).__name__}: {error}", file=sys.stderr)
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="metalor-bug-", suffix=".txt", delete=False, encoding="utf-8"
        ) as out:
            out.write(text)
    except OSError:  # what broke the build may break this too
        print(f"please send this report with the recipe:\n{text}", file=sys.stderr)
    else:
        print(f"  the report is in {out.name}; please send it with the recipe", file=sys.stderr)
    return Exit.BUG
