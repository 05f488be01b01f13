"""Diagnostics as text: for people here, for other programs each in its module."""

from metalor_lang.diagnostics.render.human import render_human

__all__ = ["render_human"]
