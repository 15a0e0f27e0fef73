"""A real browser, and its screenshots."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM_OPTIONS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium. Where there is none the test is skipped, in CI it fails."""
    program = shutil.which("chromium")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is not installed")
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


def shoot(page: Page, folder: Path, name: str, **options: Any) -> Path:
    """A screenshot of the page."""
    path = kept(folder) / f"{name}.png"
    page.screenshot(path=path, **options)
    return path


def kept(folder: Path) -> Path:
    """Where pictures go: `REGIONAL_SCREENSHOTS`, or away with the test's own folder."""
    return Path(os.environ.get("REGIONAL_SCREENSHOTS") or folder).absolute()
