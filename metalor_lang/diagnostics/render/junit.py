"""Diagnostics as a JUnit report, which nearly every CI server shows.

Invariant: one suite a recipe; one failed case a diagnostic, and one passed case for a recipe that is right. Well-formed
whatever a recipe holds: XML has no way to write most control characters, so they are shown by their pictures.
"""

from collections.abc import Sequence

from metalor_lang.diagnostics.codes import CODES
from metalor_lang.diagnostics.findings import Findings
from metalor_lang.diagnostics.render.human import render_human
from metalor_lang.diagnostics.render.xml import attribute, content


def render_junit(files: Sequence[Findings]) -> str:
    """The document, ended by a newline. Times are 0, as some readers want one: checking takes none worth a chart."""
    failures = sum(len(file.diagnostics) for file in files)
    tests = sum(max(len(file.diagnostics), 1) for file in files)
    out = ['<?xml version="1.0" encoding="utf-8"?>']
    out.append(f'<testsuites name="metalor check" tests="{tests}" failures="{failures}" errors="0" time="0">')
    for file in files:
        count = len(file.diagnostics)
        path = attribute(file.source.path)
        head = f'name={path} tests="{max(count, 1)}" failures="{count}" errors="0" skipped="0" time="0"'
        out.append(f"  <testsuite {head}>")
        for diagnostic in file.diagnostics:
            place, _ = file.place(diagnostic)
            name = attribute(f"{place} {diagnostic.code} {CODES[diagnostic.code].title}")
            out.append(f'    <testcase classname={path} name={name} file={path} line="{place.line}" time="0">')
            body = content(render_human([diagnostic], file.source))
            out.append(f'      <failure type="{diagnostic.code}" message={attribute(diagnostic.message)}>')
            out.append(f"{body}      </failure>")
            out.append("    </testcase>")
        if not count:
            out.append(f'    <testcase classname={path} name="right" file={path} time="0"/>')
        out.append("  </testsuite>")
    out.append("</testsuites>")
    return "\n".join(out) + "\n"
