"""Laws of blocks: a recipe with them means what the same recipe written out means.

The reference is an interpreter of a few lines over a random tree, which writes every value into its place by itself.
"""

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from metalor_lang.checker.checker import check
from metalor_lang.source import SourceFile
from metalor_lang.syntax.parser import parse
from tests.support.goldens import golden_inputs
from tests.support.recipes import AMD64, FakeContexts, FakeInputs, checked, plan_of, program_of

Env = Mapping[str, str]
VALUES = ("a", "b", "c1", "d-2")
ARGS = {"ONE": "a", "TWO": "b"}
PLACES = (
    'RUN ["x", "{0}", "{1}"]',
    "WORKDIR /{0}",
    "LABEL l.{n}={0}{1}",
    "FILE /f/{0} '''\n  text\n  '''",
    "ENV E{n}={1}",
)


@dataclass(frozen=True)
class Line:
    template: str
    words: tuple[str, str]

    def text(self, number: int) -> str:
        return self.template.replace("{0}", self.words[0]).replace("{1}", self.words[1]).replace("{n}", str(number))


@dataclass(frozen=True)
class If:
    value: str
    sign: str
    others: tuple[str, ...]
    then: "tuple[Tree, ...]"
    other: "tuple[Tree, ...] | None"
    joined: bool
    """Whether ELSE holds one IF and is written ELSE IF."""


@dataclass(frozen=True)
class For:
    name: str
    values: tuple[str, ...]
    split: bool
    body: "tuple[Tree, ...]"


@dataclass(frozen=True)
class Use:
    group: str
    given: tuple[tuple[str, str], ...]


Tree = Line | If | For | Use


@dataclass(frozen=True)
class Group:
    parameters: tuple[tuple[str, str | None], ...]
    body: tuple[Tree, ...]


def word(draw: random.Random, seen: tuple[str, ...]) -> str:
    return draw.choice((draw.choice(VALUES), "${" + draw.choice(seen) + "}"))


def trees(draw: random.Random, seen: tuple[str, ...], groups: Mapping[str, Group], depth: int) -> tuple[Tree, ...]:
    return tuple(tree(draw, seen, groups, depth) for _ in range(draw.randrange(1 if depth < 3 else 2, 4)))


def tree(draw: random.Random, seen: tuple[str, ...], groups: Mapping[str, Group], depth: int) -> Tree:
    kind = draw.choice(("line", "line", "if", "for", "use")) if depth else "line"
    if kind == "if":
        sign = draw.choice(("==", "!=", "IN", "NOT IN"))
        others = tuple(word(draw, seen) for _ in range(1 if sign in ("==", "!=") else draw.randrange(1, 4)))
        other = None if draw.random() < 0.3 else trees(draw, seen, groups, depth - 1)
        joined = other is not None and len(other) == 1 and isinstance(other[0], If)
        return If(word(draw, seen), sign, others, trees(draw, seen, groups, depth - 1), other, joined)
    if kind == "for":
        name = f"V{depth}"
        values = tuple(word(draw, seen) for _ in range(draw.randrange(1, 4)))
        return For(name, values, draw.random() < 0.3, trees(draw, (*seen, name), groups, depth - 1))
    if kind == "use" and groups:
        name = draw.choice(sorted(groups))
        wanted = groups[name].parameters
        chosen = [each for each, default in wanted if default is None or draw.random() < 0.5]
        return Use(name, tuple((each, word(draw, seen)) for each in chosen))
    return Line(draw.choice(PLACES), (word(draw, seen), word(draw, seen)))


def written(nodes: tuple[Tree, ...], indent: str, count: Iterator[int]) -> Iterator[str]:
    for node in nodes:
        match node:
            case Line():
                yield indent + node.text(next(count)).replace("\n", f"\n{indent}")
            case If():
                yield f"{indent}IF {node.value} {node.sign} {' '.join(node.others)}"
                yield from written(node.then, indent + "  ", count)
                rest = node.other
                while rest is not None and len(rest) == 1 and isinstance(one := rest[0], If):
                    yield f"{indent}ELSE IF {one.value} {one.sign} {' '.join(one.others)}"
                    yield from written(one.then, indent + "  ", count)
                    rest = one.other
                if rest is not None:
                    yield f"{indent}ELSE"
                    yield from written(rest, indent + "\t", count)
                yield f"{indent}END"
            case For():
                values = f'"{" ".join(node.values)}  "' if node.split else " ".join(node.values)
                yield f"{indent}FOR {'--split ' * node.split}{node.name} IN {values}"
                yield from written(node.body, indent + "  ", count)
                yield f"{indent}END"
            case Use():
                yield f"{indent}USE {node.group}" + "".join(f" {name}={value}" for name, value in node.given)


def literal(text: str, env: Env) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda found: env[found[1]], text)


def expanded(
    nodes: tuple[Tree, ...], env: Env, groups: Mapping[str, Group], numbers: Mapping[int, int]
) -> Iterator[str]:
    """The reference: every line that is built, with every value in its place."""
    for node in nodes:
        match node:
            case Line():
                yield literal(node.text(numbers[id(node)]), env)
            case If():
                value, others = literal(node.value, env), [literal(other, env) for other in node.others]
                if (value in others) == (node.sign in ("==", "IN")):
                    yield from expanded(node.then, env, groups, numbers)
                elif node.other is not None:
                    yield from expanded(node.other, env, groups, numbers)
            case For():
                for value in node.values:
                    yield from expanded(node.body, {**env, node.name: literal(value, env)}, groups, numbers)
            case Use():
                inner = dict(ARGS)
                given = dict(node.given)
                for name, default in groups[node.group].parameters:
                    inner[name] = literal(given[name], env) if name in given else literal(default or "", inner)
                yield from expanded(groups[node.group].body, inner, groups, numbers)


def numbered(nodes: tuple[Tree, ...], count: Iterator[int], out: dict[int, int]) -> None:
    """The numbers that `written` gives lines, by the identity of the line."""
    for node in nodes:
        match node:
            case Line():
                out[id(node)] = next(count)
            case If():
                numbered(node.then, count, out)
                numbered(node.other or (), count, out)
            case For():
                numbered(node.body, count, out)


def recipes(seed: int) -> tuple[str, str]:
    """A random recipe with blocks, and the same written out."""
    draw = random.Random(seed)
    seen = tuple(ARGS)
    groups: dict[str, Group] = {}
    for name in ("first", "second"):
        wanted = (("p", None), ("q", draw.choice((None, "z", "${ONE}", "${p}"))))
        groups[name] = Group(wanted, trees(draw, (*seen, "p", "q"), dict(groups), 2))
    body = trees(draw, seen, groups, 3)
    numbers: dict[int, int] = {}
    count = iter(range(1_000_000))
    for group in groups.values():
        numbered(group.body, count, numbers)
    numbered(body, count, numbers)
    count = iter(range(1_000_000))
    lines = [f"ARG {name}={value}" for name, value in ARGS.items()]
    for name, group in groups.items():
        wanted_text = "".join(f" {each}" + (f"={default}" if default else "") for each, default in group.parameters)
        lines += [f"DEFINE {name}{wanted_text}", *written(group.body, "    ", count), "END"]
    lines += ["FROM debian:12", *written(body, "", count)]
    flat = [*(f"ARG {name}={value}" for name, value in ARGS.items()), "FROM debian:12"]
    flat += expanded(body, ARGS, groups, numbers)
    return "\n".join(lines) + "\n", "\n".join(flat) + "\n"


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 1 << 32))
def test_blocks_mean_what_the_reference_says(seed: int) -> None:
    text, flat = recipes(seed)
    plan, other = plan_of(text), plan_of(flat)
    (stage,), (same,) = plan.stages.values(), other.stages.values()
    assert [step.action for step in stage.steps] == [step.action for step in same.steps]
    assert [step.after for step in stage.steps] == [step.after for step in same.steps]
    source = SourceFile("x", text)
    for step in stage.steps:
        # Every step's place is that of its own words.
        assert source.slice(step.span).split()[0] == step.text.split()[0]


WRONG = (
    "WORKDIR app",
    'RUN ["${NOPE}"]',
    "EXPOSE x",
    "USER a:b:c",
    "ENV A=1 A=2",
    "COPY absent /x",
    "COPY --from=no a b",
)
RIGHT = ("WORKDIR /app", 'RUN ["${ONE}"]', "EXPOSE 80", "ENV B=${TWO}", "COPY a.txt /x", "SH echo $ONE")


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 1 << 32))
def test_an_if_is_as_its_branch_at_the_same_place(seed: int) -> None:
    """Errors with their places, and keys, are those of the recipe in which the other lines are comments."""
    draw = random.Random(seed)
    lines: list[str] = ["ARG ONE=a", "ARG TWO=b", "FROM scratch"]
    plain = list(lines)

    def add(line: str, built: bool) -> None:
        lines.append(line)
        plain.append(line if built else "#" + "." * (len(line) - 1))

    def fill(built: bool, depth: int) -> None:
        for _ in range(draw.randrange(4)):
            if depth and draw.random() < 0.5:
                so = draw.random() < 0.5
                add(f"IF ${{ONE}} {'==' if so else '!='} a", False)
                fill(built and so, depth - 1)
                if draw.random() < 0.6:
                    add("ELSE", False)
                    fill(built and not so, depth - 1)
                add("END", False)
            else:
                # What is not built is right: its errors are said, too.
                add(draw.choice(WRONG if built and draw.random() < 0.3 else RIGHT), built)

    fill(True, 3)
    text, other = "\n".join(lines), "\n".join(plain)
    assert checked(text)[1] == checked(other)[1]
    if not checked(text)[1]:
        keys = [step.key for step in plan_of(text).stages[0].steps]
        assert keys == [step.key for step in plan_of(other).stages[0].steps]
        assert program_of(text).places is None


def test_recipes_without_blocks_are_untouched() -> None:
    met = 0
    for path in [*golden_inputs("plan"), *golden_inputs("syntax")]:
        recipe, found = parse(SourceFile(path.name, path.read_text(encoding="utf-8")))
        program, _ = check(recipe, contexts=FakeContexts(), platform=AMD64, given_args_strict=False, syntax=found)
        if program is None or program.places is not None:
            continue
        own = {id(node) for node in recipe.statements}
        assert all(id(node) in own for stage in program.stages for node in stage.statements)
        met += 1
    assert met >= 3


def test_the_same_group_from_another_file_gives_the_same_keys() -> None:
    """A step's key says nothing of where its line stands."""
    body = 'DEFINE g p\n  RUN ["${p}"]\n  SH echo $p\n  WORKDIR /${p}\nEND\n'
    here = plan_of(f"{body}FROM debian:12\nUSE g p=x\n", FakeInputs())
    there = plan_of(
        "IMPORT lib.metalor AS l\nFROM debian:12\nUSE l.g p=x\n",
        FakeInputs(),
        contexts=FakeContexts(recipes={"lib.metalor": body}),
    )
    assert [step.key for step in here.stages[0].steps] == [step.key for step in there.stages[0].steps]
