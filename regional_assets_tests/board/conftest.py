"""A browser's page for the tests of a file, and a month to look at."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from playwright.sync_api import Page

from regional_assets.board.page import make_board
from regional_assets_tests.support.browser import chromium
from regional_assets_tests.support.built_in import REGION_IDS
from regional_assets_tests.support.month import live_through
from regional_assets_tests.support.stores import OpenStore
from regional_assets_tests.support.worlds import NOW

MINUTE = 60_000


@pytest.fixture(scope="module")
def window() -> Iterator[Page]:
    with chromium() as browser:
        yield browser.new_page()


@pytest.fixture(scope="module")
def month(valkey_url: str, session_folder: Path) -> Path:
    """The page after a month of snapshots, the last of them four minutes old."""
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
    with OpenStore(valkey_url, session_folder) as store:
        live_through(store, NOW)
        _, page = make_board(store, REGION_IDS, NOW + 4 * MINUTE)
    path = session_folder / "month.html"
    path.write_text(page, encoding="utf-8")
    return path
