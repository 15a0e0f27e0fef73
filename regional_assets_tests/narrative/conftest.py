"""Language models for the tests: a server on localhost, and nothing of the real environment."""

import os
from collections.abc import Iterator

import pytest

from regional_assets_tests.support.model_server import Models, serving


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Iterator[Models]:
    for name in os.environ:
        if name.startswith(("REGIONAL_NARRATIVE_", "OPENAI_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    with serving() as running:
        yield running
