"""Instances for the general Dagster parts."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest


@pytest.fixture
def instance(new_home: Path, folder: Path) -> Iterator[dg.DagsterInstance]:
    """The storage that users have."""
    shutil.copytree(new_home, folder, dirs_exist_ok=True)
    with dg.DagsterInstance.local_temp(str(folder)) as temporary:
        yield temporary
