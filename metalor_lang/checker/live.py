"""What is wrong with a recipe while it is being written: an edit in, diagnostics out.

Invariant: after any edits, the diagnostics are those of a fresh parse and check of the text, as an editor shows them:
what only a build can be given is not asked for.
"""

from collections.abc import Mapping

from metalor_lang.checker.checker import check
from metalor_lang.checker.program import Contexts, Platform, Program
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.source import SourceFile
from metalor_lang.syntax.ast import Recipe
from metalor_lang.syntax.document import Document


class LiveRecipe:
    """A recipe in an editor or at a prompt.

    Args:
        path: the name it is shown by.
        text: what it begins with.
        contexts: the folders that COPY, --bind and local bases are looked up in; asked again at every check.
        platform: what it would be built for; this machine's when None.
        args: values of arguments, by name; those that no ARG declares are ignored.

    """

    def __init__(
        self,
        path: str,
        text: str,
        contexts: Contexts,
        platform: Platform | None = None,
        args: Mapping[str, str] | None = None,
    ) -> None:
        self._document = Document(path, text)
        self._contexts = contexts
        self._platform = platform
        self._args = args or {}

    @property
    def source(self) -> SourceFile:
        """The text as it is now."""
        return self._document.source

    @property
    def recipe(self) -> Recipe:
        """The statements that are right."""
        return self._document.parsed()[0]

    def edit(self, start: int, end: int, text: str) -> None:
        """Put a text in place of the characters from `start` to `end` (offsets in code points).

        Raises:
            ValueError: there are no such characters.

        """
        self._document.edit(start, end, text)

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Every error of the text as it is now, sorted by place."""
        recipe, syntax = self._document.roomy()
        wrong = self._document.placed(self._check(recipe, syntax)[1])
        return _together(
            self._document.placed(syntax), tuple(sorted(wrong, key=lambda each: (*_place(each), each.code)))
        )

    def checked(self) -> tuple[Program | None, tuple[Diagnostic, ...]]:
        """The program, where there is no error, and the errors.

        Arguments without a default that are not given are empty in such a program: it is not to be built.
        """
        recipe, syntax = self._document.parsed()
        program, wrong = self._check(recipe, syntax)
        return program, _together(syntax, wrong)

    def _check(self, recipe: Recipe, syntax: tuple[Diagnostic, ...]) -> tuple[Program | None, tuple[Diagnostic, ...]]:
        return check(
            recipe,
            args=self._args,
            contexts=self._contexts,
            platform=self._platform,
            given_args_strict=False,
            syntax=syntax,
        )


def _place(diagnostic: Diagnostic) -> tuple[int, int]:
    return diagnostic.span.start, diagnostic.span.end


def _together(syntax: tuple[Diagnostic, ...], wrong: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    return tuple(sorted((*syntax, *wrong), key=_place))
