"""Rules of what brings files: COPY, FILE, FETCH, GIT.

Invariant: whether a source exists is asked only of contexts, and only when its whole text is known.
"""

from metalor_lang.checker import flags
from metalor_lang.checker.flags import ValueProblem
from metalor_lang.checker.program import SourceMiss, SourceProblem
from metalor_lang.checker.scope import GLOB, glob_source
from metalor_lang.checker.walk import StageWalk
from metalor_lang.diagnostics.model import Edit
from metalor_lang.errors import MachineError, MetalorError
from metalor_lang.hints import Final
from metalor_lang.record import replace
from metalor_lang.source import Span
from metalor_lang.syntax import ast

SOURCE_CODES: Final = {
    SourceProblem.ABSENT: "E0401",
    SourceProblem.IGNORED: "E0402",
    SourceProblem.OUTSIDE: "E0403",
    SourceProblem.EMPTY_GLOB: "E0404",
}

_WAY_OUT: Final = "--optional says that it may be missing"


def is_folder(destination: str) -> bool:
    """Whether a destination is written as a folder."""
    return destination.endswith("/") or destination.rpartition("/")[2] in (".", "..")


def check_copy(walk: StageWalk, node: ast.Statement) -> None:
    """COPY: where from, what of it, and where to."""
    assert isinstance(node, ast.Copy)
    sources = [(word, *glob_source(word, walk.lookup)) for word in node.sources]
    destination = walk.read(node.destination, flags.some_path)
    if isinstance(destination, str) and not is_folder(destination):
        help = f"write {destination}/"
        edit = Edit(span=Span(node.destination.span.end, node.destination.span.end), text="/")
        edits = (edit,) if node.destination.form is ast.Form.BARE else ()
        globs = [word for word, _, glob in sources if glob]
        if globs:
            message = "what a glob matches goes into a folder, and its destination ends in `/`"
            walk.report.add("E0405", message, node.destination.span, help, edits=edits)
        elif len(sources) > 1:
            message = "several sources go into a folder, and its destination ends in `/`"
            walk.report.add("E0406", message, node.destination.span, help, edits=edits)
    stage: int | None = None
    context = ""
    flag = node.flag("from")
    if flag is not None and flag.value is not None:
        name = walk.value(flag.value)
        if name is None:
            if walk.waits(flag.value):
                help = "name the stage or context, or use an ARG"
                walk.report.add("E0309", "--from must be known before any base is", flag.value.span, help)
            return
        try:
            stage, context = walk.origin(flags.origin(name), "--from"), name
        except ValueProblem as error:
            walk.problem(error, flag.value.span)
            return
        if stage is None and name not in walk.contexts:
            return
    if stage is None:
        walk.contexts.add(context)
    excludes = [walk.value(each.value) for each in node.all_flags("exclude") if each.value is not None]
    for word, path, glob in sources:
        if path == "":
            walk.report.add("E0401", "the source is empty", word.span, "the folder itself is written `.`")
        elif path is None:
            continue
        elif stage is not None:
            _inside(walk, path, word.span)
        elif None not in excludes:
            known = tuple(each for each in excludes if each is not None)
            miss = find_source(walk, context, path, glob=glob, excludes=known, span=word.span)
            optional = node.flag("optional") is not None
            if miss is not None and (not optional or miss.problem is SourceProblem.OUTSIDE):
                way_out = _WAY_OUT
                if not glob and GLOB.search(path):
                    way_out = f"a pattern is a bare word, without quotes and not out of ${{}}: {path}"
                    miss = replace(miss, nearest="")
                walk.problem(missing_source(path, miss, way_out=way_out), word.span)


def _inside(walk: StageWalk, path: str, span: Span) -> None:
    depth = 0
    for part in path.split("/"):
        depth += -1 if part == ".." else 0 if part in ("", ".") else 1
        if depth < 0:
            walk.report.add("E0403", f"`{path}` climbs out of the stage", span, "write a path from the stage's root")
            return


def find_source(
    walk: StageWalk, context: str, path: str, *, glob: bool, excludes: tuple[str, ...], span: Span
) -> SourceMiss | None:
    """Why a source matches nothing; None when it does, or the context cannot be used (reported)."""
    try:
        return walk.names.contexts.find(context, path, glob=glob, excludes=excludes)
    except MachineError:
        raise
    except MetalorError as error:
        walk.report.add("E0409", error.message, span, error.help)
        return None


def missing_source(path: str, miss: SourceMiss, done: str = "copied", way_out: str = _WAY_OUT) -> ValueProblem:
    """The error of a source that matches nothing visible."""
    match miss.problem:
        case SourceProblem.IGNORED:
            help = "change that rule, or copy something else" if done == "copied" else "change that rule"
        case SourceProblem.OUTSIDE:
            relative = path.lstrip("/") or "."
            help = f"sources are relative to the context: write {relative}" if path.startswith("/") else ""
            help = help or "give the other folder by --context NAME=DIR and write COPY --from=NAME"
        case SourceProblem.ABSENT | SourceProblem.EMPTY_GLOB:
            help = miss.remedy or (f"did you mean `{miss.nearest}`?" if miss.nearest else way_out)
    return ValueProblem(SOURCE_CODES[miss.problem], f"`{path}` cannot be {done}: {miss.detail}", help)


def check_file(walk: StageWalk, node: ast.Statement) -> None:
    """FILE: its destination names a file."""
    assert isinstance(node, ast.File)
    walk.read(node.destination, flags.file_path)


def check_fetch(walk: StageWalk, node: ast.Statement) -> None:
    """FETCH: an address, a destination, and what must arrive."""
    assert isinstance(node, ast.Fetch)
    url = walk.read(node.url, flags.fetch_url)
    destination = walk.read(node.destination, flags.some_path)
    if isinstance(url, str) and isinstance(destination, str) and node.flag("unpack") is None:
        _named(walk, url, destination, node.destination.span)
    _pinned(walk, node, "sha256", "--sha256=HEX of the file")
    unpinned = node.flag("unpinned")
    if isinstance(url, str) and url.startswith("file:") and unpinned is not None:
        # A recipe of somebody else must not carry files of this machine off that he does not know.
        message = "a file of this machine is taken by its hash only"
        walk.report.add("E0356", message, unpinned.span, "write --sha256=HEX, or COPY the file from a context")


def _named(walk: StageWalk, url: str, destination: str, span: Span) -> None:
    """A file that goes into a folder gets its name from the address."""
    if is_folder(destination) and not flags.last_name(url):
        message = f"`{url}` ends with no name for the file in `{destination}`"
        walk.report.add("E0355", message, span, f"write the name: {destination.rstrip('/.')}/NAME")


def check_git(walk: StageWalk, node: ast.Statement) -> None:
    """GIT: an address, a destination, and which commit."""
    assert isinstance(node, ast.Git)
    walk.read(node.url, flags.git_url)
    walk.read(node.destination, flags.some_path)
    _pinned(walk, node, "commit", "--commit=SHA, a whole hash")


def _pinned(walk: StageWalk, node: ast.Fetch | ast.Git, pin: str, right: str) -> None:
    pinned, unpinned, fresh = node.flag(pin), node.flag("unpinned"), node.flag("fresh")
    opt_out = "--unpinned" if isinstance(node, ast.Fetch) else "--unpinned=branch"
    if pinned is None and unpinned is None:
        message = f"{node.word} does not say what must arrive"
        walk.report.add("E0356", message, node.word_span, f"write {right}; {opt_out} takes whatever is there")
    elif pinned is not None and unpinned is not None:
        message = f"--{pin} and --unpinned contradict each other"
        walk.report.add("E0356", message, unpinned.span, f"keep --{pin}")
    if fresh is not None and pinned is not None:
        walk.report.add("E0357", f"what --{pin} pins never gets old", fresh.span, "remove --fresh")
