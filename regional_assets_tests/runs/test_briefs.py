"""Weekly briefs on real servers, with a language model on localhost: what is read, and written."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from regional_assets.intelligence.stored import read_transitions
from regional_assets.narrative.narrator import Narrator
from regional_assets.runs.briefs import BriefResult, update_summary, write_briefs
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.brief_store import BriefStore
from regional_assets.store.connection import connect
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.briefs import BRIEF, stored_brief
from regional_assets_tests.support.built_in import MODEL, NARRATED_REGIONS
from regional_assets_tests.support.model_server import Models
from regional_assets_tests.support.stored import listed
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
            briefs.write({r: BRIEF.of(r, NOW, "p", "m") for r in NARRATED_REGIONS})
        return found

    monkeypatch.setattr(briefs, "briefs", slow_look)
    assert update_summary(briefs, [BriefResult("mena", "written")], NOW) == []
    assert json.loads(store.client.get(keys.brief_seed_meta) or "") == {
        "fetchedAt": NOW,
        "recordCount": len(NARRATED_REGIONS),
    }


def test_a_damaged_brief_is_a_lacking_one(store: SnapshotStore, models: Models) -> None:
    """For the run that skips young ones, and for the summary that counts them."""
    store.write_inputs(sample_values())
    take_snapshots(store, ["mena", "europe"], NOW)
    damaged = json.dumps({"region_id": "mena", "generated_at": NOW})
    store.client.set(keys.brief("mena"), damaged)
    store.client.set(keys.brief("europe"), stored_brief("europe", NOW))
    briefs = BriefStore(store)
    lack = [region for region in NARRATED_REGIONS if region != "europe"]
    assert update_summary(briefs, [], NOW) == lack
    narrator = Narrator([models.provider("good")])
    results = {r.region_id: r for r in write_briefs(briefs, narrator, ["mena", "europe"], NOW)}
    assert {region: r.outcome for region, r in results.items()} == {
        "mena": "written",
        "europe": "skipped",
    }
    assert models.regions("good") == ["mena"]
    assert update_summary(briefs, list(results.values()), NOW) == lack[1:]


def test_only_changes_of_the_region_that_are_entries_are_asked_about(
    store: SnapshotStore, models: Models
) -> None:
    store.write_inputs(sample_values())
    take_snapshots(store, ["mena"], NOW)
    [entry] = listed(store.client, keys.regime_history("mena"))
    for spoilt in (
        {"region_id": "europe", "transition_driver": "of europe"},
        {"label": "serene", "transition_driver": "an unknown label"},
        {"previous_label": "serene", "transition_driver": "an unknown label before"},
        {"transitioned_at": "now", "transition_driver": "no time"},
        {"snapshot_id": None, "transition_driver": "no snapshot"},
    ):
        store.client.lpush(keys.regime_history("mena"), json.dumps(json.loads(entry) | spoilt))
    narrator = Narrator([models.provider("good")])
    [result] = write_briefs(BriefStore(store), narrator, ["mena"], NOW)
    assert (result.outcome, result.changes) == ("written", 1)
    [asked] = models.asked
    [change] = asked.data["regime_changes"]
    assert (change["from"], change["to"]) == ("none", "coercive_stalemate")
    # The command and the board call the same entries damaged.
    entries = listed(store.client, keys.regime_history("mena"))
    _, damaged = read_transitions("mena", reversed(entries))
    assert list(damaged) == [1, 2, 3, 4, 5]
