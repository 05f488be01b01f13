"""The table of commands is what there is."""

from importlib import import_module
from inspect import signature

import pytest

from metalor_lang.repl.acts.helps import show
from metalor_lang.repl.commands import BY_NAME, COMMANDS, GROUPS


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_has_a_handler_and_a_line(command):
    module, _, function = command.handler.partition(":")
    handler = getattr(import_module(f"metalor_lang.repl.acts.{module}"), function)
    assert list(signature(handler).parameters) == ["core", "words"]
    assert command.name.startswith(":") and command.help and not command.help.endswith(".")
    assert (command.arguments == "") == (command.takes == "nothing")
    assert command.group in GROUPS


def test_every_handler_is_in_the_table():
    handlers = {command.handler for command in COMMANDS}
    assert len(handlers) == len(COMMANDS) == len(BY_NAME)
    for name in ("documents", "helps", "looks", "moves", "steps", "trees"):
        module = import_module(f"metalor_lang.repl.acts.{name}")
        own = [value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__]
        for each in own:
            if list(signature(each).parameters) == ["core", "words"] and not each.__name__.startswith("_"):
                assert f"{name}:{each.__name__}" in handlers


def test_help_names_every_command_once():
    (said,) = show(None, "")
    text = "\n".join(said.lines)
    for command in COMMANDS:
        assert text.count(f"    {command.name} ") == 1
        assert command.help in text
