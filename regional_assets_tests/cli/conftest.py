"""The command as a user types it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from regional_assets_tests.support.commands import Command, commands, typed_anew


@pytest.fixture
def command(folder: Path) -> Iterator[Command]:
    """Runs `regional-assets` on the embedded server of a new state folder."""
    with commands(folder) as run:
        yield run


@pytest.fixture
def anew(folder: Path) -> Iterator[Command]:
    """The same, each time in a new interpreter."""
    with commands(folder, how=typed_anew) as run:
        yield run
