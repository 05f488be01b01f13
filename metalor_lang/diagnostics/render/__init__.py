"""Diagnostics as text: for people, for one-line tools, for programs."""

from metalor_lang.diagnostics.render.human import render_human
from metalor_lang.diagnostics.render.json import render_json
from metalor_lang.diagnostics.render.short import render_short

__all__ = ["render_human", "render_json", "render_short"]
