"""The command reference says every command, argument, option and environment variable, and none that is not there."""

import re
from pathlib import Path

import click
import pytest
import typer.main

from opsconsole.cli import app
from tests.support.tables import rows

TEXT = (Path(__file__).parents[2] / "docs" / "reference" / "commands.md").read_text()
_SECTION = re.compile(r"^## `opsconsole ([a-z -]+?)(?: [A-Z][^`\n]*)?`\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
SECTIONS = {match[1]: match[2] for match in _SECTION.finditer(TEXT)}


def _commands(command: click.Command, words: tuple[str, ...] = ()) -> dict[str, click.Command]:
    children = getattr(command, "commands", None)
    if children is None:
        return {" ".join(words): command}
    return {name: leaf for word, child in children.items() for name, leaf in _commands(child, (*words, word)).items()}


ROOT = typer.main.get_command(app)
COMMANDS = _commands(ROOT)


def _own(command: click.Command) -> list[click.Parameter]:
    """Its parameters, without what goes with every command."""
    return [one for one in command.params if one.name not in ("config", "help")]


def _named(parameter: click.Parameter) -> str:
    return parameter.opts[0] if parameter.param_type_name == "option" else str(parameter.name).upper()


def test_every_command_is_documented_and_nothing_else() -> None:
    assert sorted(SECTIONS) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_the_arguments_and_options_that_the_reference_says(name: str) -> None:
    said = {row[0].strip("`").split()[0] for row in rows(SECTIONS[name], "option", "meaning")}
    assert said == {_named(parameter) for parameter in _own(COMMANDS[name])}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_arguments_stand_in_its_heading(name: str) -> None:
    heading = re.search(rf"^## `opsconsole {name}(.*)`$", TEXT, re.M)
    arguments = [one for one in _own(COMMANDS[name]) if one.param_type_name == "argument"]
    assert heading
    assert heading[1].split() == [_named(one) + ("…" if one.nargs == -1 else "") for one in arguments]


@pytest.mark.parametrize("name", COMMANDS)
def test_an_options_environment_variable_is_named(name: str) -> None:
    for parameter in _own(COMMANDS[name]):
        if isinstance(parameter.envvar, str):
            assert f"`{parameter.envvar}`" in SECTIONS[name]


def test_what_goes_with_every_command_is_named() -> None:
    general = TEXT.split("\n## ")[0]
    said = {row[0].strip("`").split()[0] for row in rows(general, "option", "meaning")}
    assert said == {_named(parameter) for parameter in ROOT.params} | {"--help"}
