"""Last words on each kind of server, a cluster too."""

from regional_assets.intelligence.timing import HOUR_MS
from regional_assets.runs.look import look
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.worlds import KEY, NOW, sample_values


def test_a_missing_input_speaks_with_its_last_words(store: SnapshotStore) -> None:
    store.write_inputs(sample_values())
    assert take_snapshots(store, ["mena"], NOW).forgotten == ""
    store.write_inputs({KEY["military_flights"]: b"null"})
    result = take_snapshots(store, ["mena"], NOW + HOUR_MS)
    assert result.forgotten == ""
    assert result.world.inputs["military_flights"].freshness == "held"
    [mena] = result.regions
    assert (mena.outcome, mena.alerts_queued) == ("written", 0)


def test_a_look(store: SnapshotStore) -> None:
    store.write_inputs(sample_values())
    assert set(look(store, NOW)) == {"chokepoints", "cross_source_signals", "military_flights"}
    read = store.read([])
    assert read.remembered
    assert set(read.remembered.digests) == {
        KEY[name] for name in ("chokepoints", "cross_source_signals", "military_flights")
    }
