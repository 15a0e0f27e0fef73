"""Weekly briefs on real servers, with a language model on localhost: what is read, and written."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from regional_assets.narrative.narrator import Narrator
from regional_assets.runs.briefs import BriefResult, update_summary, write_briefs
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.brief_store import BriefStore
from regional_assets.store.connection import connect
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import MODEL, NARRATED_REGIONS
from regional_assets_tests.support.model_server import Models
from regional_assets_tests.support.stores import keys, settings
from regional_assets_tests.support.worlds import NOW, sample_values


@pytest.fixture
def limited(store: SnapshotStore, folder: Path) -> Iterator[SnapshotStore]:
    """A store whose user may not write briefs."""
    store.write_inputs(sample_values())
    take_snapshots(store, NARRATED_REGIONS, NOW)
    store.client.acl_setuser(
        "limited", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-set"]
    )
    path = store.client.get_connection_kwargs()["path"]
    configured = settings(f"unix://limited:x@{path}", folder)
    opened = SnapshotStore(connect(configured), MODEL, configured)
    yield opened
    opened.client.close()
    store.client.acl_deluser("limited")


def test_a_brief_that_the_server_refuses_fails_its_region(
    limited: SnapshotStore, models: Models
) -> None:
    narrator = Narrator([models.provider("good")])
    results = list(write_briefs(BriefStore(limited), narrator, NARRATED_REGIONS, NOW))
    assert {r.outcome for r in results} == {"failed"}
    for result in results:
        assert result.reason.startswith(f"{keys.brief(result.region_id)}: ")
        assert "permissions" in result.reason
    with pytest.raises(Exception, match="refuses"):
        update_summary(BriefStore(limited), results, NOW)


def test_everything_is_read_in_one_round_trip(store: SnapshotStore) -> None:
    store.write_inputs(sample_values())
    take_snapshots(store, NARRATED_REGIONS, NOW)
    briefs = BriefStore(store)
    briefs.read(NARRATED_REGIONS)
    store.client.config_resetstat()
    found = briefs.read(NARRATED_REGIONS)
    stats = store.client.info("commandstats")
    assert stats["cmdstat_evalsha_ro"]["calls"] == 1
    assert "cmdstat_script|load" not in stats
    for region, read in found.items():
        assert read.error is None
        assert read.brief is None
        assert read.snapshot is not None
        assert read.snapshot.confirmed_at == NOW
        assert json.loads(read.snapshot.body)["region_id"] == region
    assert len(found["mena"].history) == 1
    assert found["latam"].history == []


def test_a_summary_never_counts_less_than_is_stored(
    store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the briefs and the summary, another run writes some."""
    briefs = BriefStore(store)
    look = briefs.briefs
    looked: list[bool] = []

    def slow_look(regions: Any) -> dict[str, bytes | None]:
        found = look(regions)
        if not looked:
            looked.append(True)
            briefs.write({r: {"region_id": r, "generated_at": NOW} for r in NARRATED_REGIONS})
        return found

    monkeypatch.setattr(briefs, "briefs", slow_look)
    assert update_summary(briefs, [BriefResult("mena", "written")], NOW) == []
    assert json.loads(store.client.get(keys.brief_seed_meta) or "") == {
        "fetchedAt": NOW,
        "recordCount": len(NARRATED_REGIONS),
    }
