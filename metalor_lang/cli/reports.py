"""The formats of a report: what `--format` of `metalor check` offers beside `human`.

Invariant: a format takes what was found in all files of a run and gives one document.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from metalor_lang import __version__
from metalor_lang.diagnostics.findings import Findings
from metalor_lang.diagnostics.render.github import render_github
from metalor_lang.diagnostics.render.gitlab import render_gitlab
from metalor_lang.diagnostics.render.json import render_json
from metalor_lang.diagnostics.render.junit import render_junit
from metalor_lang.diagnostics.render.sarif import render_sarif
from metalor_lang.diagnostics.render.short import render_short
from metalor_lang.hints import Final

FORMATS: Final[Mapping[str, Callable[[Sequence[Findings]], str]]] = {
    "short": render_short,
    "json": render_json,
    "sarif": partial(render_sarif, version=__version__),
    "github": render_github,
    "gitlab": render_gitlab,
    "junit": render_junit,
}
