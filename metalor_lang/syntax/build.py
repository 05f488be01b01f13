"""Tokens of one accepted statement → its node, and what the grammar cannot say about it.

Invariant: spans are absolute; a problem is kept (the first one counts) and the node is built nevertheless.
"""

from collections.abc import Sequence

from metalor_lang.diagnostics.model import Diagnostic, Edit
from metalor_lang.source import Span
from metalor_lang.syntax import ast
from metalor_lang.syntax.grammar import Token
from metalor_lang.syntax.reader import GAPS, Builder
from metalor_lang.syntax.statements import BY_WORD, StatementSpec


def build_statement(text: str, base: int, tokens: Sequence[Token]) -> tuple[ast.Statement, Diagnostic | None]:
    """The node of an accepted statement, and its first problem.

    Args:
        text: the statement's text.
        base: its offset in the source.
        tokens: all its tokens.

    """
    builder = Builder(text, base, tokens)
    last = next(token for token in reversed(tokens) if token.type not in GAPS)
    node = _statement(builder, builder.span(tokens[0].start, last.end))
    return node, builder.problem


def _step(read: Builder, span: Span) -> ast.Run | ast.Sh:
    word = read.take()
    spec = BY_WORD[word.type]
    start = read.of(word)
    flags = read.flags(spec)
    whole = Span(start.start, span.end)
    if word.type == "RUN":
        return ast.Run(argv=read.array(), flags=flags, span=whole, word_span=start)
    return ast.Sh(text=read.shell_text(), flags=flags, span=whole, word_span=start)


def _statement(read: Builder, span: Span) -> ast.Statement:
    if read.peek() in ("RUN", "SH"):
        return _step(read, span)
    token = read.take()
    word = read.of(token)
    spec = BY_WORD[token.type]
    flags = read.flags(spec)
    match token.type:
        case "TEST":
            return ast.Test(step=_step(read, span), span=span, word_span=word)
        case "RECIPE":
            return _recipe(read, span, word)
        case "ARG":
            name = read.take()
            default = read.value_after(read.take()) if read.peek() == "EQ" else None
            return ast.Arg(
                name=read.raw(name), name_span=read.of(name), default=default, flags=flags, span=span, word_span=word
            )
        case "FROM":
            base = read.word(spec)
            if read.peek() != "AS":
                return ast.From(base=base, flags=flags, span=span, word_span=word)
            read.take()
            stage = read.take()
            return ast.From(
                base=base, stage=read.raw(stage), stage_span=read.of(stage), flags=flags, span=span, word_span=word
            )
        case "ENV":
            return ast.Env(pairs=read.pairs(), span=span, word_span=word)
        case "LABEL":
            return ast.Label(pairs=read.pairs(), span=span, word_span=word)
        case "ANNOTATE":
            return ast.Annotate(pairs=read.pairs(), span=span, word_span=word)
        case "UNSET":
            return _unset(read, span, word, spec)
        case "WORKDIR":
            return ast.Workdir(path=read.word(spec), span=span, word_span=word)
        case "USER":
            return ast.User(user=read.word(spec), span=span, word_span=word)
        case "STOPSIGNAL":
            return ast.StopSignal(signal=read.word(spec), span=span, word_span=word)
        case "LAYER":
            return ast.Layer(name=read.word(spec), span=span, word_span=word)
        case "EXPOSE":
            return ast.Expose(ports=read.words(spec), span=span, word_span=word)
        case "VOLUME":
            return ast.Volume(paths=read.words(spec), span=span, word_span=word)
        case "SHELL":
            return ast.Shell(argv=read.array(), span=span, word_span=word)
        case "ENTRYPOINT":
            return ast.Entrypoint(argv=read.array(), span=span, word_span=word)
        case "CMD":
            return ast.Cmd(argv=read.array(), span=span, word_span=word)
        case "COPY":
            *sources, destination = read.words(spec)
            return ast.Copy(sources=tuple(sources), destination=destination, flags=flags, span=span, word_span=word)
        case "FETCH":
            return ast.Fetch(url=read.word(spec), destination=read.word(spec), flags=flags, span=span, word_span=word)
        case "GIT":
            return ast.Git(url=read.word(spec), destination=read.word(spec), flags=flags, span=span, word_span=word)
        case "FILE":
            return ast.File(destination=read.word(spec), block=read.block(), flags=flags, span=span, word_span=word)
        case other:
            raise AssertionError(f"the grammar has a statement {other} that has no node")


def _recipe(read: Builder, span: Span, word: Span) -> ast.RecipeVersion:
    token = read.take()
    if read.raw(token) != "1":
        edit = Edit(span=read.of(token), text="1")
        read.refuse(
            "E0250", f"the language has no version {read.raw(token)[:20]}", read.of(token), "write RECIPE 1", (edit,)
        )
    return ast.RecipeVersion(version=1, span=span, word_span=word)


def _unset(read: Builder, span: Span, word: Span, spec: StatementSpec) -> ast.Unset:
    kind = read.take()
    match kind.type:
        case "ENV" | "LABEL":
            token = read.take()
            part = ast.Text(value=read.raw(token), span=read.of(token))
            name: ast.Word | None = ast.Word(parts=(part,), span=read.of(token))
        case "VOLUME" | "EXPOSE":
            name = read.word(spec)
        case _:
            name = None
    return ast.Unset(kind=ast.UnsetKind(kind.type), name=name, span=span, word_span=word)
