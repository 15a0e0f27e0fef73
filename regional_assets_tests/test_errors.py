"""One tree of errors: whatever people can do something about has the base, and the command line
tells it in one line."""

import importlib
import pkgutil
import re
import warnings
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

import regional_assets
from regional_assets import errors
from regional_assets.cli import snapshots
from regional_assets.cli.command import Command
from regional_assets.cli.main import main
from regional_assets.errors import RegionalAssetsError, UnknownRegionError

DRAWN = re.findall(r"\b\w+Error\b", errors.__doc__ or "")


def _tree(base: type[Exception]) -> Iterator[type[Exception]]:
    for error in base.__subclasses__():
        if error.__module__.startswith("regional_assets."):
            yield error
            yield from _tree(error)


def _all() -> list[type[Exception]]:
    with warnings.catch_warnings():
        # Old places of classes warn whoever imports them.
        warnings.filterwarnings("ignore", "dagster.yaml names", FutureWarning)
        for found in pkgutil.walk_packages(regional_assets.__path__, "regional_assets."):
            # Importing it runs the command.
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
    return list(dict.fromkeys(_tree(RegionalAssetsError)))


ALL = _all()


def test_the_tree_is_the_one_that_is_drawn() -> None:
    assert sorted(DRAWN) == sorted([error.__name__ for error in ALL] + ["RegionalAssetsError"])
    for error in vars(errors).values():
        if isinstance(error, type) and issubclass(error, Exception):
            assert issubclass(error, RegionalAssetsError)
            assert error.__doc__


@pytest.mark.parametrize("error", [RegionalAssetsError, *ALL], ids=lambda e: e.__name__)
def test_the_command_line_tells_each_in_one_line(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def failing(*_: object) -> None:
        raise error("what, where \x1b[2J\nand what next")

    monkeypatch.setattr(snapshots, "show_status", failing)
    said = CliRunner().invoke(main, ["status"])
    assert type(said.exception) is SystemExit
    assert "Traceback" not in said.output
    if issubclass(error, UnknownRegionError):
        # The command was used wrongly.
        assert said.exit_code == 2
        return
    assert said.exit_code == 1
    assert said.output == "Error: what, where \\x1b[2J\\nand what next\n"


def test_another_error_is_a_fault_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(snapshots, "show_status", failing)
    assert isinstance(CliRunner().invoke(main, ["status"]).exception, ZeroDivisionError)


def _commands(group: click.Group) -> Iterator[click.Command]:
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from _commands(command)
        else:
            yield command


@pytest.mark.parametrize("command", list(_commands(main)), ids=lambda command: command.name)
def test_every_command_catches_the_base(command: click.Command) -> None:
    assert isinstance(command, Command)
