"""Recipes as Dockerfiles: `dockerfile` prints a plan for people who can build nothing else.

Invariant: what a Dockerfile cannot say is refused with its line; what cannot change the image is a comment.
"""

from metalor_lang.convert.back.model import Handed, Refusal
from metalor_lang.convert.back.printer import dockerfile

__all__ = ["Handed", "Refusal", "dockerfile"]
