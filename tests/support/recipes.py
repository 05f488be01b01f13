"""Recipes checked and planned without any file: contexts and bases out of mappings."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from metalor_lang.build.ignore import component
from metalor_lang.checker.checker import check
from metalor_lang.checker.program import (
    Base,
    Platform,
    Program,
    SourceMiss,
    SourceProblem,
)
from metalor_lang.diagnostics.model import Diagnostic
from metalor_lang.digest import sha256
from metalor_lang.errors import MetalorError
from metalor_lang.plan.evaluator import evaluate
from metalor_lang.plan.graph import BaseInfo, BindMount, CloneGit, CopyFiles, FetchFile, ImageState, Plan
from metalor_lang.source import SourceFile
from metalor_lang.syntax.parser import parse

AMD64 = Platform(os="linux", arch="amd64")
FILES = frozenset({"site", "site/index.html", "a.txt", "b.txt", "src", "src/main.c", "package.json"})


@dataclass(frozen=True, kw_only=True)
class FakeContexts:
    """Contexts whose folders all hold the same files."""

    files: frozenset[str] = FILES
    ignored: frozenset[str] = frozenset({"ignored.txt"})
    named: frozenset[str] = frozenset()
    missing_bases: frozenset[str] = frozenset({"no-such-folder"})
    recipes: Mapping[str, str] = field(default_factory=dict)

    def names(self) -> frozenset[str]:
        return self.named

    def find(self, context: str, source: str, *, glob: bool, excludes: tuple[str, ...]) -> SourceMiss | None:
        path = source.rstrip("/")
        if source.startswith("/") or path.split("/")[0] == "..":
            return SourceMiss(problem=SourceProblem.OUTSIDE, detail=f"`{source}` lies outside the context")
        if path in self.ignored:
            detail = f"ignored by line 1 of .metalorignore (`{path}`)"
            return SourceMiss(problem=SourceProblem.IGNORED, detail=detail)
        visible = self.files - frozenset(excludes)
        if glob:
            if any(re.fullmatch(component(path), each) for each in visible):
                return None
            return SourceMiss(problem=SourceProblem.EMPTY_GLOB, detail=f"nothing in the context matches `{source}`")
        if path in ("", ".") or path in visible:
            return None
        near = next((each for each in sorted(visible) if sorted(each) == sorted(path)), "")
        detail = f"there is no `{path}` in the context"
        return SourceMiss(problem=SourceProblem.ABSENT, detail=detail, nearest=near)

    def exists(self, path: str) -> bool:
        return path not in self.missing_bases

    def recipe(self, path: str) -> bytes:
        if path not in self.recipes:
            raise MetalorError(f"there is no `{path}`")
        return self.recipes[path].encode()


@dataclass(kw_only=True)
class FakeInputs:
    """Bases by their location; contents are the digest of what was asked for and `seed`."""

    bases: Mapping[str, BaseInfo] = field(default_factory=dict)
    seed: str = ""
    asked: list[tuple[Base, Platform]] = field(default_factory=list)

    def base(self, base: Base, platform: Platform) -> BaseInfo:
        self.asked.append((base, platform))
        location = getattr(base, "location", None) or getattr(base, "path", "")
        return self.bases.get(location) or base_info(location)

    def content(self, files: CopyFiles, epoch: int) -> str:
        return sha256(repr((self.seed, [source.path for source in files.sources])).encode())

    def bound(self, mount: BindMount) -> str:
        return sha256(repr((self.seed, mount.source)).encode())

    def pinned(self, action: FetchFile | CloneGit) -> str:
        return sha256(repr((self.seed, action.url)).encode()).removeprefix("sha256:")[: self.width(action)]

    @staticmethod
    def width(action: FetchFile | CloneGit) -> int:
        return 64 if isinstance(action, FetchFile) else 40


def base_info(name: str, **state: object) -> BaseInfo:
    """A base with a PATH, and whatever else of an ImageState."""
    values: dict[str, object] = {"env": (("PATH", "/usr/bin:/bin"),), **state}
    return BaseInfo(digest=sha256(name.encode()), state=ImageState(**values), platform=None, created=1_700_000_000)  # type: ignore[arg-type]


def checked(text: str, **options: object) -> tuple[Program | None, tuple[Diagnostic, ...]]:
    """Parse and check; the diagnostics of both."""
    recipe, syntax = parse(SourceFile("test.metalor", text))
    values: dict[str, object] = {"contexts": FakeContexts(), "platform": AMD64, "secrets": frozenset({"token"})}
    program, found = check(recipe, syntax=syntax, **(values | options))  # type: ignore[arg-type]
    return program, (*syntax, *found)


def program_of(text: str, **options: object) -> Program:
    """A recipe that must be right."""
    program, found = checked(text, **options)
    assert program is not None, [f"{each.code} {each.message}" for each in found]
    assert found == ()
    return program


def plan_of(text: str, inputs: FakeInputs | None = None, **options: object) -> Plan:
    """The plan of a recipe that must be right."""
    plan, found = evaluate(program_of(text, **options), inputs or FakeInputs())
    assert plan is not None, [f"{each.code} {each.message}" for each in found]
    return plan


def shown(text: str, found: tuple[Diagnostic, ...]) -> list[str]:
    """Diagnostics as `line:column+width code message | help`."""
    source = SourceFile("test.metalor", text)
    return [
        f"{source.position(each.span.start)}+{len(each.span)} {each.code} {each.message} | {each.help}"
        for each in found
    ]
