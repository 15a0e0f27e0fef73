"""A newcomer's first minute, in a real browser against the real webserver and daemon: opens the
page, materialises all partitions by clicking, sees them all green. Then "Materialize all" on the
lineage page is green, too.

`make screenshots` keeps the pictures under docs/.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import dagster as dg
import pytest
from playwright.sync_api import Browser, Page, expect

from regional_assets.board.world_map import RegionMark, world_map
from regional_assets.redis_link import embedded
from regional_assets_tests.support.browser import chromium, kept, shoot
from regional_assets_tests.support.built_in import REGION_IDS, REGIONS
from regional_assets_tests.support.ui import COMMAND, serving_ui
from regional_assets_tests.support.waiting import PATIENCE, eventually

MILLISECONDS = PATIENCE * 1000


@pytest.fixture
def ui(folder: Path) -> Iterator[str]:
    """`regional-assets ui` on the samples, everything it needs in a folder of its own."""
    environment = {"REGIONAL_STATE_DIR": str(folder)}
    subprocess.run(
        [*COMMAND, "inputs", "load"], env={**os.environ, **environment}, cwd=folder, check=True
    )
    try:
        with serving_ui(environment, folder) as (port, _):
            yield f"http://127.0.0.1:{port}"
    finally:
        embedded.stop(folder)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    expect.set_options(timeout=MILLISECONDS)
    with browser.new_page(viewport={"width": 1280, "height": 800}) as opened:
        opened.set_default_timeout(MILLISECONDS)
        yield opened


def test_materialise_all_partitions_by_clicking(ui: str, page: Page, folder: Path) -> None:
    page.goto(f"{ui}/assets/regional_snapshot")
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_role("button", name="All", exact=True).click()
    page.get_by_role("button", name=re.compile("^Launch")).last.click()

    page.goto(f"{ui}/assets/regional_snapshot?view=partitions&partition=mena")
    expect(page.get_by_text(f"Materialized ({len(REGION_IDS)})")).to_be_visible()
    expect(page.get_by_text("Failed (0)")).to_be_visible()
    # The list of partitions follows the run by itself, the details of one do not.
    page.reload()
    expect(page.get_by_text("coercive_stalemate").first).to_be_visible()
    shoot(page, folder, "partitions")

    page.goto(f"{ui}/assets/regional_snapshot?view=lineage&lineageScope=neighbors")
    for name in ("military_flights", "regional_snapshot", "regional_summary"):
        expect(page.get_by_text(name).last).to_be_visible()

    page.goto(f"{ui}/asset-groups")
    page.get_by_text("Materialize all").first.click()
    page.get_by_role("button", name="All", exact=True).click()
    page.get_by_role("button", name=re.compile("^Launch")).last.click()
    with dg.DagsterInstance.from_config(str(folder / "dagster")) as instance:
        eventually(lambda: len(instance.get_backfills()) == 2)
        eventually(lambda: instance.get_backfills()[0].status.value.startswith("COMPLETED"))
        newest = instance.get_backfills()[0]
        assert newest.status.value == "COMPLETED_SUCCESS"
        assert {key.to_user_string() for key in newest.asset_selection or ()} == {
            "regional_snapshot",
            "regional_summary",
            "regional_history",
            "regional_board",
        }

    page.goto(f"{ui}/assets/regional_summary")
    page.get_by_text("[Show Markdown]").first.click()
    world_map = page.get_by_role("img", name="world map")
    expect(world_map).to_be_visible()
    # The image is drawn, not only named.
    assert world_map.evaluate("image => image.complete && image.naturalWidth > 0")
    # All of it is seen at once.
    box = world_map.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 1280
    world_map.screenshot(path=kept(folder) / "map.png")


LABELS = """() => [...document.querySelectorAll("text")].map(text => {
  const box = text.getBoundingClientRect();
  return [text.textContent, box.left, box.top, box.right, box.bottom];
}).filter(([, left, top, right]) => right > left)"""


@pytest.mark.parametrize(("width", "labels"), [(960, 33), (390, 8)])
def test_no_label_of_the_map_is_cut_or_lies_on_another(page: Page, width: int, labels: int) -> None:
    page.set_viewport_size({"width": width, "height": 600})
    for regime in ("x" * 10_000, "managed_deescalation"):
        mark = RegionMark(-0.123, regime, 12, stale=True)
        svg = world_map(REGIONS, dict.fromkeys(REGION_IDS, mark))
        page.set_content(f'<body style="margin:0">{svg}')
        page.locator("svg").evaluate("svg => svg.style = 'width: 100%; height: auto'")
        boxes = page.evaluate(LABELS)
        assert len(boxes) == labels
        for text, left, _, right, _ in boxes:
            assert left >= 0, text
            assert right <= width, text
        for (one, *a), (other, *b) in combinations(boxes, 2):
            # Lines of one label touch with what their letters leave empty.
            apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] + 3 or b[3] <= a[1] + 3
            assert apart, f"{one} lies on {other}"
