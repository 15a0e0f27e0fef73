"""What a weekly brief is written from: a snapshot that is whole and young."""

import pytest

from regional_assets.intelligence.timing import DAY_MS, HOUR_MS, YOUNG_MS
from regional_assets.narrative.narrator import Narrator
from regional_assets.runs.briefs import write_briefs
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.brief_store import BriefStore
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.model_server import Models
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.worlds import NOW, quiet_values

AGES = [
    (YOUNG_MS - 1, 0, "written", ""),
    (YOUNG_MS, 0, "skipped", "its snapshot is 12 hours old"),
    (40 * DAY_MS, 0, "skipped", "its snapshot is 960 hours old"),
    # Found unchanged ever since, and for the last time 11 and 13 hours ago.
    (40 * DAY_MS, 11 * HOUR_MS, "written", ""),
    (40 * DAY_MS, 13 * HOUR_MS, "skipped", "its snapshot is 13 hours old"),
    (-HOUR_MS, 0, "skipped", "its snapshot is dated after this machine's clock"),
]


@pytest.mark.parametrize(("age", "confirmed", "outcome", "reason"), AGES)
@pytest.mark.parametrize("force", [False, True])
def test_a_brief_is_written_from_a_young_snapshot_only(
    store: SnapshotStore,
    models: Models,
    age: int,
    confirmed: int,
    outcome: str,
    reason: str,
    force: bool,
) -> None:
    store.write_inputs(quiet_values(NOW - age))
    take_snapshots(store, ["mena"], NOW - age)
    if confirmed:
        store.write_inputs(quiet_values(NOW - confirmed))
        [again] = take_snapshots(store, ["mena"], NOW - confirmed).regions
        assert again.outcome == "duplicate"
    narrator = Narrator([models.provider("good")])
    [result] = write_briefs(BriefStore(store), narrator, ["mena"], NOW, force=force)
    assert (result.outcome, result.reason, result.failed) == (outcome, reason, False)
    assert len(models.asked) == bool(result.brief) == (outcome == "written")
    for asked in models.asked:
        hours = (confirmed or age) // HOUR_MS
        assert f"\nAge of the data: {hours} hours\n" in asked.body["messages"][1]["content"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "names s, but intelligence:snapshot-by-id:v1:s is gone"),
        (b"{", "is not a snapshot ("),
        (b"[]", "is not a snapshot ("),
        (b'{"balance": {}, "generated_at": 1}', "is not a snapshot (Object missing required field"),
        (b'{"balance": []}', "is not a snapshot (Expected `object`, got `array` - at `$.balance`)"),
        (b"[" * 100_000, "is not a snapshot ("),
    ],
)
def test_a_region_whose_snapshot_is_damaged_fails(
    store: SnapshotStore, models: Models, body: bytes, problem: str
) -> None:
    store.client.set(keys.latest("mena"), "s")
    if body:
        store.client.set(keys.snapshot_by_id("s"), body)
    narrator = Narrator([models.provider("good")])
    [result] = write_briefs(BriefStore(store), narrator, ["mena"], NOW)
    assert result.outcome == "failed"
    assert problem in result.reason
    assert models.asked == []
