"""Renders a small report of NAME=NUMBER arguments."""

import sys

from jinja2 import Template

TEMPLATE = Template(
    """{% for name, count in rows %}{{ "%-10s" | format(name) }} {{ "#" * count }} {{ count }}
{% endfor %}total      {{ rows | sum(attribute=1) }}"""
)


def report(arguments: list[str]) -> str:
    rows = [(name, int(count)) for name, _, count in (argument.partition("=") for argument in arguments)]
    return TEMPLATE.render(rows=rows)


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        assert report(["a=1", "b=2"]).endswith("total      3"), "the total is wrong"
    else:
        print(report(sys.argv[1:]))
