"""The command as a user types it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from regional_assets.store import embedded

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(folder: Path) -> Iterator[Command]:
    """Runs `regional-assets` on the embedded server of a new state folder."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "regional_assets.cli.main", *arguments],
            env={**os.environ, "REGIONAL_STATE_DIR": str(folder), **environment},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )

    yield run
    embedded.stop(folder)
