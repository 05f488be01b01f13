"""Hover: what the tables, the checker, the bases and the store know of a place.

Invariant: only what is known is said; nothing is fetched, run or written for it.
"""

import time
from typing import Final

from lsprotocol import types

from metalor_lang.checker.program import ImageBase, RootfsBase
from metalor_lang.diagnostics.codes import CODES
from metalor_lang.lsp.client import Client
from metalor_lang.lsp.completing import markup
from metalor_lang.lsp.documents import Document
from metalor_lang.lsp.foreseeing import foreseen
from metalor_lang.lsp.importing import group_at, group_text, parameter_at
from metalor_lang.lsp.reporting import all_given, shown_span
from metalor_lang.lsp.structure import words_of_block
from metalor_lang.plan.unlocked import everything
from metalor_lang.plan.unpinned import unpinned_actions
from metalor_lang.store.records import StepRecord
from metalor_lang.syntax import ast
from metalor_lang.syntax.printer import print_statement
from metalor_lang.tooling.hover import About, about, code

_VARIABLES: Final = 12
"""Variables of a base that a hover lists."""


async def hover(document: Document, client: Client, params: types.HoverParams) -> types.Hover | None:
    """`textDocument/hover`."""
    offset = document.lines.offset(params.position)
    found = _wrong(document, offset) or _imported(document, offset) or about(document.names, offset)
    base = _base(document, offset)
    if base is not None:
        text = base.text
        if found is not None and found.span != base.span:
            text, base = found.text, found
        elif found is not None:
            text = f"{found.text}\n\n{text}"
        found = About(span=base.span, text=text)
    if found is not None and (said := _locked(document, offset)):
        found = About(span=found.span, text=f"{said}\n\n{found.text}")
    if found is not None and (said := _ends(document, found)):
        found = About(span=found.span, text=f"{said}\n\n{found.text}")
    state = await _state(document, offset)
    if state and found is not None:
        found = About(span=found.span, text=f"{state}\n\n{found.text}")
    if found is None:
        return None
    return types.Hover(contents=markup(found.text, markdown=client.markdown), range=document.lines.range(found.span))


def _imported(document: Document, offset: int) -> About | None:
    """A group of another file, or a parameter of one."""
    found = group_at(document, offset)
    if found is not None:
        return About(span=found.span, text=group_text(found))
    found = parameter_at(document, offset)
    if found is None:
        return None
    line = found.source.position(found.node.span.start).line
    define = code(print_statement(found.node))
    name = code(document.source.slice(found.span))
    text = f"**{name}** is a parameter of its group\n\nline {line} of {found.source.path}: {define}"
    return About(span=found.span, text=text)


def _ends(document: Document, found: About) -> str:
    """What an ELSE or END belongs to, where its word is what is told of."""
    first, *others = words_of_block(document, found.span.start) or (None,)
    if first is None or found.span not in others:
        return ""
    line = document.source.position(first.start).line
    return f"belongs to {code(document.source.line(line).strip())} of line {line}"


def _wrong(document: Document, offset: int) -> About | None:
    """Why what stands there is an error."""
    for each in document.diagnostics:
        span = shown_span(document, each.span)
        if span.start <= offset < max(span.end, span.start + 1):
            known = CODES.get(each.code)
            if known is None:
                return None
            text = f"**{known.id}: {known.title}**\n\n{known.why.strip()}"
            if known.right:
                text += f"\n\nRight:\n```metalor\n{known.right.rstrip()}\n```"
            return About(span=span, text=text)
    return None


def _base(document: Document, offset: int) -> About | None:
    """What is known of the base at a place."""
    stage = document.names.stage_at(offset)
    if stage is None or not stage.node.base.span.start <= offset <= stage.node.base.span.end:
        return None
    if not isinstance(stage.base, ImageBase | RootfsBase):
        return None
    info = document.ground.base(stage.base, stage.platform)
    span = stage.node.base.span
    lock = document.ground.lock
    locked = None if lock is None else lock.base(stage.base, stage.platform)
    if info is None or not info.digest:
        known = "A tree of files." if isinstance(stage.base, RootfsBase) else "Not on this machine: nothing is known."
        return About(span=span, text=known)
    lines = [f"digest: {code(info.digest)}"]
    if locked is not None and locked.digest == info.digest:
        lines.append("locked to it")
    elif locked is not None:
        lines.append(f"locked to another: {code(locked.digest)}")
    elif lock is not None:
        lines.append("not in the lock")
    if info.platform is not None:
        lines.append(f"platform: {code(str(info.platform))}")
    if info.created is not None:
        lines.append(f"created: {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(info.created))} UTC")
    state = info.state
    if state.user:
        lines.append(f"user: {code(state.user)}")
    if state.workdir not in ("", "/"):
        lines.append(f"working directory: {code(state.workdir)}")
    lines += [f"environment: {code(f'{name}={value}')}" for name, value in state.env[:_VARIABLES]]
    return About(span=span, text="\n\n".join(lines))


def _locked(document: Document, offset: int) -> str:
    """What the lock says of the unpinned FETCH or GIT whose word is at a place."""
    lock, program = document.ground.lock, document.program
    if lock is None or program is None or not all_given(document):
        return ""
    for node in document.recipe.statements:
        if not node.word_span.start <= offset < node.word_span.end:
            continue
        if not isinstance(node, ast.Fetch | ast.Git) or node.flag("unpinned") is None:
            return ""
        for each in unpinned_actions(everything(program), lock):
            if each.span == node.span and each.action is not None:
                known = lock.pinned(each.action)
                return "not in the lock" if known is None else f"locked to {code(known)}"
    return ""


async def _state(document: Document, offset: int) -> str:
    """What a build would do with the step whose word is at a place."""
    node = next(
        (each for each in document.recipe.statements if each.word_span.start <= offset < each.word_span.end), None
    )
    if node is None or isinstance(node, ast.From | ast.Arg | ast.RecipeVersion):
        return ""
    found = await foreseen(document)
    if found is None or node.span.start not in found:
        return ""
    record = found[node.span.start]
    return "**would run**" if record is None else _cached(record)


def _cached(record: StepRecord) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(record.created))
    return f"**cached**: ran for {record.duration_ms / 1000:.1f} s on {when} UTC"
