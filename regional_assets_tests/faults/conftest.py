"""What several of the fault tests need."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from regional_assets.redis_link import embedded


@pytest.fixture
def state(folder: Path) -> Iterator[Path]:
    """A state folder; its embedded server, if one was started, is gone at the end."""
    yield folder / "state"
    embedded.stop(folder / "state")
