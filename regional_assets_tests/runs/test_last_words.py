"""Inputs that come and go, over a real server: what is remembered, and that it is no news
(SPEC 2.4)."""

import json
from random import Random
from typing import Any

import pytest

from regional_assets.intelligence.timing import DAY_MS, HOUR_MS, MINUTE_MS
from regional_assets.narrative.narrator import Narrator
from regional_assets.runs.look import look
from regional_assets.runs.snapshots import RunResult, current_contents, take_snapshots
from regional_assets.store.last_words import EXPIRY
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.wire import encode
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.stored import bodies, latest_id, listed, put_body
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.worlds import KEY, NOW, sample_values

SIX_HOURS = 6 * HOUR_MS


def run(store: SnapshotStore, now: int) -> RunResult:
    result = take_snapshots(store, REGION_IDS, now)
    assert result.failed == ()
    assert result.forgotten == ""
    return result


def told(store: SnapshotStore) -> tuple[int, list[bytes]]:
    """What readers have heard of: the alerts that wait, and the regime changes of all regions."""
    changes = [
        e for region in REGION_IDS for e in listed(store.client, keys.regime_history(region))
    ]
    return len(listed(store.client, keys.alert_queue)), changes


def meta_of(store: SnapshotStore, region: str) -> dict[str, Any]:
    [body] = bodies(store.client, [latest_id(store.client, region) or ""])
    meta: dict[str, Any] = json.loads(body)["meta"]
    return meta


def delete(store: SnapshotStore, *names: str) -> None:
    store.client.delete(*(KEY[name] for name in names))


def values_at(now: int) -> dict[str, bytes]:
    """The samples as their writers write them at that time, without waves of sirens, which fade
    within the hour whether they are there or not."""
    sirens = json.dumps({"history": [], "fetchedAt": now}).encode()
    return sample_values(now) | {KEY["oref_alerts"]: sirens}


def write(store: SnapshotStore, now: int, *without: str) -> None:
    """All feeds but those are written anew."""
    gone = {KEY[name] for name in without}
    store.write_inputs({k: v for k, v in values_at(now).items() if k not in gone})


@pytest.mark.parametrize("name", ["chokepoints", "forecasts", "cross_source_signals"])
def test_an_input_that_is_there_in_every_second_run_is_no_news(
    store: SnapshotStore, name: str
) -> None:
    write(store, NOW)
    run(store, NOW)
    before = told(store)
    for number in range(1, 9):
        now = NOW + number * SIX_HOURS
        if number % 2:
            delete(store, name)
        write(store, now, *([name] if number % 2 else []))
        run(store, now)
        assert told(store) == before, number
        meta = meta_of(store, "mena")
        assert (KEY[name] in meta["missing_inputs"]) == bool(number % 2)
        if number % 2:
            assert meta["held_inputs"] == {KEY[name]: NOW + (number - 1) * SIX_HOURS}


def test_an_input_is_gone_for_long_and_comes_back(store: SnapshotStore) -> None:
    write(store, NOW)
    run(store, NOW)
    before = told(store)
    delete(store, "cross_source_signals")
    for hours in (12, 30, 29 * 24):
        write(store, NOW + hours * HOUR_MS, "cross_source_signals")
        run(store, NOW + hours * HOUR_MS)
        assert told(store) == before, hours
    meta = meta_of(store, "mena")
    assert "held_inputs" not in meta
    assert meta["unknown_axes"] == {"coercive_pressure": NOW}
    # What is stored says nothing of it any more, and what was decided on still does.
    [body] = bodies(store.client, [latest_id(store.client, "mena") or ""])
    stored = json.loads(body)
    assert stored["balance"]["coercive_pressure"] < meta["decided"]["axes"]["coercive_pressure"]
    assert stored["regime"]["label"] == "coercive_stalemate"
    [trigger] = [t for t in stored["triggers"]["active"] if t["id"] == "mena_coercive_high"]
    assert trigger["known"] is False
    write(store, NOW + 29 * DAY_MS + HOUR_MS)
    run(store, NOW + 29 * DAY_MS + HOUR_MS)
    assert told(store) == before
    assert "decided" not in meta_of(store, "mena")


def test_a_real_change_comes_through_during_an_outage(store: SnapshotStore) -> None:
    """Of another input, of the same axis too."""

    def without_signals(now: int, *gone: str) -> None:
        write(store, now, *gone)
        calm = {"signals": [], "fetchedAt": now}
        store.write_inputs({KEY["cross_source_signals"]: json.dumps(calm).encode()})

    without_signals(NOW)
    run(store, NOW)
    alerts, _ = told(store)
    delete(store, "forecasts")
    without_signals(NOW + 40 * HOUR_MS, "forecasts")
    run(store, NOW + 40 * HOUR_MS)
    assert told(store)[0] == alerts
    write(store, NOW + 46 * HOUR_MS, "forecasts")
    result = run(store, NOW + 46 * HOUR_MS)
    assert told(store)[0] > alerts
    [mena] = [r for r in result.regions if r.region_id == "mena"]
    assert mena.snapshot
    assert mena.snapshot.changes.trigger_reason == "regime_shift"


def test_a_first_sight_is_rescored_and_no_news(store: SnapshotStore) -> None:
    write(store, NOW, "cross_source_signals")
    run(store, NOW)
    assert meta_of(store, "mena")["no_source"] == [KEY["cross_source_signals"]]
    before = told(store)
    write(store, NOW + SIX_HOURS)
    run(store, NOW + SIX_HOURS)
    assert told(store) == before
    assert meta_of(store, "mena")["trigger_reason"] == "rescored"
    assert store.verify(REGION_IDS, NOW + SIX_HOURS) == {region: [] for region in REGION_IDS}


def test_a_look_keeps_what_no_run_sees(store: SnapshotStore) -> None:
    write(store, NOW)
    run(store, NOW)
    before = told(store)
    for minutes in range(30, 36 * 60, 30):
        now = NOW + minutes * MINUTE_MS
        if minutes % 360 == 0:
            delete(store, "chokepoints")
            write(store, now, "chokepoints")
            run(store, now)
            assert list(meta_of(store, "mena")["held_inputs"]) == [KEY["chokepoints"]]
            kept: Any = store.client.hget(keys.last_seen, KEY["chokepoints"])
            assert int(kept.partition(b":")[0]) > now - HOUR_MS
        store.write_inputs({KEY["chokepoints"]: values_at(now)[KEY["chokepoints"]]})
        assert "chokepoints" in look(store, now + MINUTE_MS)
        delete(store, "chokepoints")
    assert told(store) == before


def test_last_words_live_for_thirty_days_after_the_last_sight(store: SnapshotStore) -> None:
    store.write_inputs(sample_values())
    run(store, NOW)
    names = [keys.last_seen, keys.last_words(KEY["national_debt"])]
    for name in names:
        store.client.expire(name, 100)
    run(store, NOW + SIX_HOURS)
    # The same words: only how long they live was written.
    assert {store.client.ttl(name) for name in names} <= {EXPIRY, EXPIRY - 1}


def test_an_older_run_says_nothing_over_a_newer_one(store: SnapshotStore) -> None:
    values = sample_values()
    store.write_inputs(values)
    run(store, NOW)
    kept = store.client.hgetall(keys.last_seen)
    store.write_inputs({KEY["stress_index"]: json.dumps({"compositeScore": 1}).encode()})
    run(store, NOW - HOUR_MS)
    assert store.client.hgetall(keys.last_seen) == kept


def test_words_that_are_lost_or_damaged_are_written_again(store: SnapshotStore) -> None:
    store.write_inputs(sample_values())
    run(store, NOW)
    name = keys.last_words(KEY["stress_index"])
    store.client.delete(name)
    run(store, NOW + HOUR_MS)
    assert not store.client.hexists(keys.last_seen, KEY["stress_index"])
    run(store, NOW + 2 * HOUR_MS)
    assert store.client.exists(name)


def test_keys_of_another_type_are_told_of(store: SnapshotStore) -> None:
    store.write_inputs(sample_values())
    store.client.lpush(keys.last_seen, "x")
    result = take_snapshots(store, REGION_IDS, NOW)
    assert result.failed == ()
    assert "WRONGTYPE" in result.forgotten


def test_where_it_is_off_nothing_is_remembered(
    store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGIONAL_HOLD", "off")
    write(store, NOW)
    run(store, NOW)
    assert {*store.client.scan_iter(keys.own("*"))} == {
        keys.last_runs.encode(),
        keys.commits.encode(),
    }
    assert not {"no_source", "axis_confidence"} & {*meta_of(store, "mena")}
    alerts, _ = told(store)
    delete(store, "cross_source_signals")
    run(store, NOW + HOUR_MS)
    assert told(store)[0] > alerts
    assert look(store, NOW) == []


def test_a_value_that_is_there_and_unusable_costs_one_trip_more(store: SnapshotStore) -> None:
    write(store, NOW)
    run(store, NOW)
    before = told(store)
    store.client.set(KEY["cross_source_signals"], '"__WM_NEG__"')
    store.client.set(KEY["chokepoints"], json.dumps({"unavailable": True, "fetchedAt": NOW}))
    run(store, NOW + HOUR_MS)
    assert told(store) == before
    assert {*meta_of(store, "mena")["held_inputs"]} == {
        KEY["cross_source_signals"],
        KEY["chokepoints"],
    }


def test_words_that_are_lost_with_their_input_are_no_news(store: SnapshotStore) -> None:
    """As where the server evicts them: nothing can be decided, and nobody is told."""
    write(store, NOW)
    run(store, NOW)
    before = told(store)
    delete(store, "cross_source_signals")
    store.client.delete(keys.last_words(KEY["cross_source_signals"]))
    run(store, NOW + HOUR_MS)
    assert told(store) == before
    assert meta_of(store, "mena")["no_source"] == [KEY["cross_source_signals"]]
    write(store, NOW + 2 * HOUR_MS)
    run(store, NOW + 2 * HOUR_MS)
    assert told(store) == before


SIGNALS = "cross_source_signals"


def calm_signals(store: SnapshotStore, now: int, **more: Any) -> None:
    """Signals that say nothing, dated by themselves alone."""
    value = json.dumps({"signals": [], "fetchedAt": now, **more}).encode()
    store.write_inputs({KEY[SIGNALS]: value})
    store.client.delete(MODEL.input_of[SIGNALS].companion)


@pytest.mark.parametrize("flag", ["degraded", "stale"])
def test_a_value_that_its_writer_calls_late_goes_away(store: SnapshotStore, flag: str) -> None:
    write(store, NOW)
    run(store, NOW)
    write(store, NOW + HOUR_MS, SIGNALS)
    calm_signals(store, NOW + HOUR_MS, **{flag: True})
    run(store, NOW + HOUR_MS)
    before = told(store)
    delete(store, SIGNALS)
    write(store, NOW + 2 * HOUR_MS, SIGNALS)
    run(store, NOW + 2 * HOUR_MS)
    assert told(store) == before


def test_a_value_too_long_to_keep_goes_away(store: SnapshotStore) -> None:
    write(store, NOW)
    run(store, NOW)
    write(store, NOW + HOUR_MS, SIGNALS)
    calm_signals(store, NOW + HOUR_MS, x=Random(1).randbytes(4_500_000).hex())
    run(store, NOW + HOUR_MS)
    assert not store.client.exists(keys.last_words(KEY[SIGNALS]))
    before = told(store)
    delete(store, SIGNALS)
    write(store, NOW + 2 * HOUR_MS, SIGNALS)
    run(store, NOW + 2 * HOUR_MS)
    assert told(store) == before


def test_a_memory_that_cannot_be_read_is_no_news(store: SnapshotStore) -> None:
    write(store, NOW)
    run(store, NOW)
    before = told(store)
    delete(store, SIGNALS)
    write(store, NOW + HOUR_MS, SIGNALS)
    store.client.delete(keys.last_seen)
    store.client.lpush(keys.last_seen, "x")
    assert "WRONGTYPE" in take_snapshots(store, REGION_IDS, NOW + HOUR_MS).forgotten
    assert told(store) == before
    store.client.delete(keys.last_seen)
    write(store, NOW + 2 * HOUR_MS)
    run(store, NOW + 2 * HOUR_MS)
    assert told(store) == before


@pytest.mark.parametrize("missing", [False, True])
def test_off_and_on_again_is_no_news(
    store: SnapshotStore, monkeypatch: pytest.MonkeyPatch, missing: bool
) -> None:
    write(store, NOW)
    run(store, NOW)
    monkeypatch.setenv("REGIONAL_HOLD", "off")
    delete(store, SIGNALS)
    write(store, NOW + HOUR_MS, SIGNALS)
    if not missing:
        calm_signals(store, NOW + HOUR_MS)
    run(store, NOW + HOUR_MS)
    before = told(store)
    monkeypatch.setenv("REGIONAL_HOLD", "on")
    delete(store, SIGNALS)
    write(store, NOW + 2 * HOUR_MS, *([] if missing else [SIGNALS]))
    run(store, NOW + 2 * HOUR_MS)
    assert told(store) == before


def test_an_upgrade_while_an_input_is_away_is_no_news(store: SnapshotStore) -> None:
    write(store, NOW)
    run(store, NOW)
    before = told(store)
    for region in REGION_IDS:
        name = keys.snapshot_by_id(latest_id(store.client, region) or "")
        body = json.loads(store.client.get(name) or b"")
        for field in ("no_source", "axis_confidence"):
            del body["meta"][field]
        put_body(store.client, region, latest_id(store.client, region) or "", encode(body))
    store.client.delete(*store.client.scan_iter(keys.own("*")))
    delete(store, SIGNALS)
    write(store, NOW + HOUR_MS, SIGNALS)
    run(store, NOW + HOUR_MS)
    assert told(store) == before


def test_words_are_kept_also_where_the_first_batch_cannot_be_settled(store: SnapshotStore) -> None:
    write(store, NOW)
    store.client.lpush(keys.latest("mena"), "x")
    result = take_snapshots(store, REGION_IDS, NOW, narrator=Narrator((), budget=1.0))
    assert [r.region_id for r in result.failed] == ["mena"]
    assert store.client.exists(keys.last_seen)


def test_a_store_without_inputs_has_no_content_either(store: SnapshotStore) -> None:
    assert current_contents(store, REGION_IDS, NOW) == {}
