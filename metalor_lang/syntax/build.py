"""Tokens of one accepted statement → its node, and what the grammar cannot say about it.

Invariant: a problem is kept (the first one counts) and the node is built nevertheless.
"""

from collections.abc import Callable, Mapping, Sequence

from metalor_lang.diagnostics.model import Diagnostic, Edit
from metalor_lang.hints import TYPE_CHECKING, Final
from metalor_lang.source import Span
from metalor_lang.syntax import ast
from metalor_lang.syntax.automaton.machine import Raw
from metalor_lang.syntax.reader import Reader
from metalor_lang.syntax.statements import BY_WORD, StatementSpec

if TYPE_CHECKING:
    from metalor_lang.syntax.habits import Habit


def build_statement(text: str, tokens: Sequence[Raw], end: int) -> tuple[ast.Statement, Diagnostic | None]:
    """The node of an accepted statement, and its first problem.

    Args:
        text: the source.
        tokens: those of the statement that `automaton.machine.read` gives, with offsets into the source.
        end: where the statement's text ends.

    """
    reader = Reader(text, tokens, end)
    node = _statement(reader, tokens[-1][2])
    if not reader.expands:
        _set_expands(node, False)
    return node, reader.problem


# The node is new and nobody has seen it: a slot's own setter is the way past its being frozen.
_set_expands: Final = ast.Node.__dict__["expands"].__set__

_Build = Callable[[Reader, StatementSpec, Span, Span, tuple[ast.Flag, ...]], ast.Statement]
"""Reads what follows the flags; the spans are of the whole statement and of its word."""


def _statement(read: Reader, end: int) -> ast.Statement:
    kind, start, behind = read.take()
    spec = BY_WORD[kind]
    # The flags of a test stand on its step.
    flags = read.flags(spec) if spec.flags else ()
    return _BUILD[kind](read, spec, Span(start, end), Span(start, behind), flags)


def _recipe(
    read: Reader, spec: StatementSpec, span: Span, word: Span, flags: tuple[ast.Flag, ...]
) -> ast.RecipeVersion:
    token = read.take()
    if read.raw(token) != "1":
        where = Span(*token[1:])
        message = f"the language has no version {read.raw(token)[:20]}"
        read.refuse("E0250", message, where, "write RECIPE 1", (Edit(span=where, text="1"),))
    return ast.RecipeVersion(version=1, span=span, word_span=word)


def _arg(read: Reader, spec: StatementSpec, span: Span, word: Span, flags: tuple[ast.Flag, ...]) -> ast.Arg:
    name = read.take()
    default = read.value_after(read.take()) if read.peek() == "EQ" else None
    return ast.Arg(
        name=read.raw(name), name_span=Span(*name[1:]), default=default, flags=flags, span=span, word_span=word
    )


def _from(read: Reader, spec: StatementSpec, span: Span, word: Span, flags: tuple[ast.Flag, ...]) -> ast.From:
    base = read.word(spec)
    if read.peek() != "AS":
        return ast.From(base=base, flags=flags, span=span, word_span=word)
    read.take()
    stage = read.take()
    return ast.From(
        base=base, stage=read.raw(stage), stage_span=Span(*stage[1:]), flags=flags, span=span, word_span=word
    )


def _unset(read: Reader, spec: StatementSpec, span: Span, word: Span, flags: tuple[ast.Flag, ...]) -> ast.Unset:
    kind = read.take()[0]
    name: ast.Word | None = None
    if kind in ("ENV", "LABEL"):
        token = read.take()
        where = Span(*token[1:])
        name = ast.Word(parts=(ast.Text(value=read.raw(token), span=where),), span=where)
    elif kind in ("VOLUME", "EXPOSE"):
        name = read.word(spec)
    return ast.Unset(kind=ast.UnsetKind(kind), name=name, span=span, word_span=word)


def _copy(read: Reader, spec: StatementSpec, span: Span, word: Span, flags: tuple[ast.Flag, ...]) -> ast.Copy:
    *sources, destination = read.words(spec)
    return ast.Copy(sources=tuple(sources), destination=destination, flags=flags, span=span, word_span=word)


def _test(read: Reader, spec: StatementSpec, span: Span, word: Span, flags: tuple[ast.Flag, ...]) -> ast.Test:
    step = _statement(read, span.end)
    assert isinstance(step, ast.Run | ast.Sh)
    return ast.Test(step=step, span=span, word_span=word)


def _refuse(read: Reader, habit: "Habit | None") -> None:
    if habit is not None:
        from metalor_lang.syntax.habits import CODE

        read.refuse(CODE, habit.message, habit.span, habit.help, habit.edits)


def _condition(read: Reader) -> ast.Condition:
    start = read.tokens[read.at][1]
    value = read.word(BY_WORD["IF"])
    kind, *place = read.take()
    if kind == "IS":
        comparison = ast.Comparison(read.text[place[0] : place[1]])
    elif kind == "NOT":
        read.take()
        comparison = ast.Comparison.NOT_IN
    else:
        comparison = ast.Comparison.IN
    others = read.words(BY_WORD["IF"])
    span = Span(start, others[-1].span.end)
    condition = ast.Condition(value=value, comparison=comparison, others=others, span=span)
    from metalor_lang.syntax import habits  # for lines of blocks only

    if habits.suspected(read.text, span.start, span.end):
        _refuse(read, habits.in_condition(read.text, read.tokens[0][1], condition))
    return condition


def _if(read: Reader, spec: StatementSpec, span: Span, word: Span, flags: tuple[ast.Flag, ...]) -> ast.If:
    return ast.If(condition=_condition(read), span=span, word_span=word)


def _else(read: Reader, spec: StatementSpec, span: Span, word: Span, flags: tuple[ast.Flag, ...]) -> ast.Else:
    if read.peek() != "IF":
        return ast.Else(span=span, word_span=word)
    read.take()
    return ast.Else(condition=_condition(read), span=span, word_span=word)


def _for(read: Reader, spec: StatementSpec, span: Span, word: Span, flags: tuple[ast.Flag, ...]) -> ast.For:
    name = read.take()
    read.take()
    values = read.words(spec)
    from metalor_lang.syntax import habits  # for lines of blocks only

    if habits.suspected(read.text, values[0].span.start, values[-1].span.end):
        _refuse(read, habits.in_loop(read.text, span.start, values))
    return ast.For(
        name=read.raw(name),
        name_span=Span(*name[1:]),
        values=values,
        flags=flags,
        span=span,
        word_span=word,
    )


def _define(read: Reader, spec: StatementSpec, span: Span, word: Span, flags: tuple[ast.Flag, ...]) -> ast.Define:
    name = read.take()
    parameters = []
    while read.peek():
        _, start, end = parameter = read.take()
        default = read.value_after(read.take()) if read.peek() == "EQ" else None
        parameters.append(ast.Parameter(name=read.raw(parameter), default=default, span=Span(start, end)))
    from metalor_lang.syntax import habits  # for lines of blocks only

    if habits.suspected(read.text, word.end, read.tokens[-1][2]):
        _refuse(read, habits.in_pairs(read.text, span.start, parameters))
    return ast.Define(
        name=read.raw(name), name_span=Span(*name[1:]), parameters=tuple(parameters), span=span, word_span=word
    )


def _use(read: Reader, spec: StatementSpec, span: Span, word: Span, flags: tuple[ast.Flag, ...]) -> ast.Use:
    name = read.take()
    start, space = name[1], ""
    if read.peek() == "DOT":
        space = read.raw(name)
        read.take()
        name = read.take()
    pairs = read.pairs()
    from metalor_lang.syntax import habits  # for lines of blocks only

    if habits.suspected(read.text, word.end, read.tokens[-1][2]):
        _refuse(read, habits.in_pairs(read.text, span.start, pairs))
    return ast.Use(
        space=space,
        name=read.raw(name),
        name_span=Span(start, name[2]),
        pairs=pairs,
        span=span,
        word_span=word,
    )


def _import(read: Reader, spec: StatementSpec, span: Span, word: Span, flags: tuple[ast.Flag, ...]) -> ast.Import:
    path = read.word(spec)
    read.take()
    name = read.take()
    return ast.Import(path=path, space=read.raw(name), space_span=Span(*name[1:]), span=span, word_span=word)


_BUILD: Final[Mapping[str, _Build]] = {
    "RECIPE": _recipe,
    "ARG": _arg,
    "FROM": _from,
    "ENV": lambda read, spec, span, word, flags: ast.Env(pairs=read.pairs(), span=span, word_span=word),
    "LABEL": lambda read, spec, span, word, flags: ast.Label(pairs=read.pairs(), span=span, word_span=word),
    "ANNOTATE": lambda read, spec, span, word, flags: ast.Annotate(pairs=read.pairs(), span=span, word_span=word),
    "UNSET": _unset,
    "WORKDIR": lambda read, spec, span, word, flags: ast.Workdir(path=read.word(spec), span=span, word_span=word),
    "USER": lambda read, spec, span, word, flags: ast.User(user=read.word(spec), span=span, word_span=word),
    "STOPSIGNAL": lambda read, spec, span, word, flags: ast.StopSignal(
        signal=read.word(spec), span=span, word_span=word
    ),
    "LAYER": lambda read, spec, span, word, flags: ast.Layer(name=read.word(spec), span=span, word_span=word),
    "EXPOSE": lambda read, spec, span, word, flags: ast.Expose(ports=read.words(spec), span=span, word_span=word),
    "VOLUME": lambda read, spec, span, word, flags: ast.Volume(paths=read.words(spec), span=span, word_span=word),
    "SHELL": lambda read, spec, span, word, flags: ast.Shell(argv=read.array(), span=span, word_span=word),
    "ENTRYPOINT": lambda read, spec, span, word, flags: ast.Entrypoint(argv=read.array(), span=span, word_span=word),
    "CMD": lambda read, spec, span, word, flags: ast.Cmd(argv=read.array(), span=span, word_span=word),
    "RUN": lambda read, spec, span, word, flags: ast.Run(argv=read.array(), flags=flags, span=span, word_span=word),
    "SH": lambda read, spec, span, word, flags: ast.Sh(text=read.shell_text(), flags=flags, span=span, word_span=word),
    "COPY": _copy,
    "FETCH": lambda read, spec, span, word, flags: ast.Fetch(
        url=read.word(spec), destination=read.word(spec), flags=flags, span=span, word_span=word
    ),
    "GIT": lambda read, spec, span, word, flags: ast.Git(
        url=read.word(spec), destination=read.word(spec), flags=flags, span=span, word_span=word
    ),
    "FILE": lambda read, spec, span, word, flags: ast.File(
        destination=read.word(spec), block=read.block(), flags=flags, span=span, word_span=word
    ),
    "TEST": _test,
    "IF": _if,
    "ELSE": _else,
    "END": lambda read, spec, span, word, flags: ast.End(span=span, word_span=word),
    "FOR": _for,
    "DEFINE": _define,
    "USE": _use,
    "IMPORT": _import,
}
