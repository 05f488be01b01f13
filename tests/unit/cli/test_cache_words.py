"""What `metalor cache` says in words."""

import pytest

from metalor_lang.cli.commands.cache import _age


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1.0, "just now"),
        (0.4, "just now"),
        (1.9, "just now"),
        (2.0, "2 seconds ago"),
        (119.0, "119 seconds ago"),
        (120.0, "2 minutes ago"),
        (7200.0, "2 hours ago"),
        (86400.0 * 3, "3 days ago"),
    ],
)
def test_how_long_ago(seconds, said):
    assert _age(seconds) == said
