"""The Jupyter kernel: cells are fed to a session, what it gives is shown under them.

Invariant: one session for as long as the kernel lives; a cell that goes wrong leaves the state before the statement
that did, and the front end is told that it is an error, so that the cells behind it do not run.
"""

import html
import os
import sys
from collections.abc import Callable

from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel

from metalor_lang import __version__
from metalor_lang.build.events import Event, Notice, StepOutput
from metalor_lang.errors import UsageError
from metalor_lang.hints import Any, ClassVar, Final
from metalor_lang.notebook.output import Stream
from metalor_lang.repl.opening import interrupts_to
from metalor_lang.repl.outcome import WRONG, Done, Left, Outcome, Question, Result, Table
from metalor_lang.repl.pieces import margin
from metalor_lang.repl.reading import Reader
from metalor_lang.repl.render import render, render_question
from metalor_lang.repl.session import Session
from metalor_lang.syntax.formatter import INDENT

_WIDTH: Final = 100


class Listener:
    """Hears steps and results, and passes them on to the kernel once there is one; also the session's person."""

    def __init__(self) -> None:
        self.kernel: MetalorKernel | None = None

    def emit(self, event: Event) -> None:
        """As an EventSink: output of steps as it comes."""
        match event:
            case StepOutput(data=data):
                self._stream("stdout").write(data)
            case Notice(text=text):
                self._stream("stderr").write(f"metalor: {text}\n".encode())
            case _:
                pass

    def hear(self, result: Result) -> None:
        """Show a result."""
        for log in result.logs if isinstance(result, Done) else ():
            with open(log, "rb") as file:
                self._stream("stdout").write(file.read(1 << 20))
        if self.kernel is not None:
            self.kernel.show(result)

    def ask(self, question: Question) -> str:
        """Ask in the notebook where it can, else the default."""
        if self.kernel is None:
            return question.default
        return self.kernel.ask(question)

    def edit(self, text: str, *, suffix: str) -> str | None:
        """A notebook has no editor to lend: the cell is one."""
        return None

    def terminal(self) -> int | None:
        """There is none."""
        return None

    def _stream(self, name: str) -> Stream:
        assert self.kernel is not None
        return self.kernel.streams[name]


class MetalorKernel(Kernel):  # type: ignore[misc]
    """What a front end talks to. `build` and `listener` are set by `bound`."""

    implementation = "metalor"
    implementation_version = __version__
    banner = f"metalor {__version__}: every statement runs at once, and :undo takes it back"
    language_info: ClassVar[dict[str, Any]] = {
        "name": "metalor",
        "version": __version__,
        "mimetype": "text/x-metalor",
        "file_extension": ".metalor",
    }
    help_links: ClassVar[list[dict[str, str]]] = []
    build: ClassVar[Session]
    listener: ClassVar[Listener]

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.streams = {name: Stream(self._sender(name)) for name in ("stdout", "stderr")}
        self._reader = Reader(self.build)
        self._typed: list[tuple[int, int, str]] = []
        self._may_ask = False
        self.listener.kernel = self

    def _sender(self, name: str) -> Callable[[str], None]:
        def send(text: str) -> None:
            self.send_response(self.iopub_socket, "stream", {"name": name, "text": text})

        return send

    # --- cells ------------------------------------------------------------------------------------------------------

    async def do_execute(
        self,
        code: str,
        silent: bool,
        store_history: bool = True,
        user_expressions: dict[str, str] | None = None,
        allow_stdin: bool = False,
        **more: object,
    ) -> dict[str, Any]:
        """Feed a cell to the session."""
        self._may_ask = allow_stdin
        if store_history and not silent:
            self._typed.append((0, self.execution_count, code))
        with interrupts_to(self.build):
            outcome = self.build.feed(code)
        for stream in self.streams.values():
            stream.close_line()
        reply = {"execution_count": self.execution_count, "payload": [], "user_expressions": {}}
        if outcome.ok:
            if any(isinstance(each, Left) for each in outcome.results):
                reply["payload"] = [{"source": "ask_exit", "keepkernel": False}]
            return {"status": "ok", **reply}
        return {"status": "error", **reply, **self._error(outcome)}

    def _error(self, outcome: Outcome) -> dict[str, Any]:
        wrong = next(each for each in reversed(outcome.results) if isinstance(each, WRONG))
        text = render(wrong, width=_WIDTH)
        first = text.partition("\n")[0]
        found = {
            "ename": type(wrong).__name__,
            "evalue": first,
            "traceback": render(wrong, color=True, width=_WIDTH).splitlines(),
        }
        self.send_response(self.iopub_socket, "error", found)
        return found

    def show(self, result: Result) -> None:
        """Show a result below the cell; what went wrong is shown once, as the cell's error."""
        for stream in self.streams.values():
            stream.close_line()
        if isinstance(result, WRONG):
            return
        text = render(result, width=_WIDTH)
        if not text:
            return
        if isinstance(result, Table) and result.rows:
            data = {"text/plain": text, "text/html": _table(result)}
            self.send_response(self.iopub_socket, "display_data", {"data": data, "metadata": {}})
            return
        self.streams["stdout"].write(text.encode())

    def ask(self, question: Question) -> str:
        """One of the choices; the default where the front end cannot ask."""
        if not self._may_ask:
            return question.default
        self.streams["stdout"].write(render_question(question).encode())
        self.streams["stdout"].close_line()
        while True:
            answer = str(self.raw_input(f"{'/'.join(question.choices)} [{question.default}] ")).strip()
            if not answer:
                return question.default
            if answer in question.choices:
                return answer

    # --- while typing -----------------------------------------------------------------------------------------------

    async def do_is_complete(self, code: str) -> dict[str, str]:
        """Whether a front end that runs on Enter should run this."""
        if self.build.needs_more(code):
            where = margin(code)
            return {"status": "incomplete", "indent": "" if where is None else INDENT * where[1]}
        return {"status": "invalid" if self._reader.problems(code) else "complete"}

    async def do_complete(self, code: str, cursor_pos: int) -> dict[str, Any]:
        """Everything that can stand at the cursor."""
        items = self._reader.items(code, cursor_pos)
        start = min((item.span.start for item in items), default=cursor_pos)
        rows = [
            {
                "start": item.span.start,
                "end": cursor_pos,
                "text": item.insert,
                "type": item.kind,
                "signature": item.help,
            }
            for item in items
        ]
        return {
            "status": "ok",
            "matches": [code[start : item.span.start] + item.insert for item in items],
            "cursor_start": start,
            "cursor_end": cursor_pos,
            "metadata": {"_jupyter_types_experimental": rows},
        }

    async def do_inspect(
        self, code: str, cursor_pos: int, detail_level: int = 0, omit_sections: object = ()
    ) -> dict[str, Any]:
        """How the statement or command at the cursor is written."""
        found = self._reader.read(code, cursor_pos).signature
        if found is None:
            return {"status": "ok", "found": False, "data": {}, "metadata": {}}
        forms = "\n".join(found.forms)
        return {"status": "ok", "found": True, "data": {"text/plain": f"{forms}\n\n{found.help}\n"}, "metadata": {}}

    async def do_history(
        self, hist_access_type: str, output: bool, raw: bool, n: int | None = None, **more: object
    ) -> dict[str, Any]:
        """The cells of this session."""
        typed = self._typed[-n:] if n and hist_access_type == "tail" else self._typed
        return {"status": "ok", "history": typed}


def _table(table: Table) -> str:
    def row(cells: tuple[str, ...], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    head = f"<thead>{row(tuple(table.head), 'th')}</thead>" if any(table.head) else ""
    body = "".join(row(tuple(each), "td") for each in table.rows)
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in table.notes)
    return f"<table>{head}<tbody>{body}</tbody></table>{notes}"


def serve(connection: str, session: Session, listener: Listener) -> None:
    """Answer a front end until it says that it is over.

    Args:
        connection: path of the front end's connection file.
        session: what cells are fed to.
        listener: the one that the session was opened with.

    Raises:
        UsageError: there is no such file.

    """
    if not os.path.isfile(connection):
        raise UsageError(
            f"there is no connection file {connection}", help="a front end starts the kernel: `jupyter lab`"
        )
    bound = type("BoundKernel", (MetalorKernel,), {"build": session, "listener": listener})
    # Steps inherit nothing of these; the app would else take the command line of ours for its own.
    app = IPKernelApp.instance(kernel_class=bound, connection_file=connection, quiet=True)
    app.initialize([])
    sys.stdout.flush()
    app.start()
