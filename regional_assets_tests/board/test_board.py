"""What the board says is what is stored, and where something is not known it names that."""

import json
from pathlib import Path
from typing import Any

from benchmarks.generated_model import generated
from regional_assets.board.page import make_board
from regional_assets.board.view import Card
from regional_assets.intelligence.scoring import AXES
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.last_runs import record_failures
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import REGION_IDS
from regional_assets_tests.support.month import live_through
from regional_assets_tests.support.stored import bodies, indexed, latest_id
from regional_assets_tests.support.stores import keys, settings
from regional_assets_tests.support.worlds import NOW, sample_values

HOUR = 3_600_000
DAY = 24 * HOUR


def cards(store: SnapshotStore, now: int = NOW) -> dict[str, Card]:
    return {card.id: card for card in make_board(store, REGION_IDS, now)[0].cards}


def stored(store: SnapshotStore, region: str) -> dict[str, Any]:
    [body] = map(json.loads, bodies(store.client, [latest_id(store.client, region) or ""]))
    assert isinstance(body, dict)
    return body


def words(changes: Any) -> list[tuple[str, str]]:
    return [(change.kind, change.subject) for change in changes.items]


def test_the_numbers_are_those_that_are_stored(valkey_store: SnapshotStore) -> None:
    live_through(valkey_store, NOW, days=10, runs_a_day=2)
    board, page = make_board(valkey_store, REGION_IDS, NOW)
    assert [card.id for card in board.cards] == list(REGION_IDS)
    for card in board.cards:
        body = stored(valkey_store, card.id)
        assert {a.name: a.value for a in card.axes} == {a: body["balance"][a] for a in AXES}
        assert f"{body['balance']['net_balance']:+.3f}".replace("-", "−") in page
        # The last snapshot of each day.
        all_of_it = bodies(valkey_store.client, indexed(valkey_store.client, card.id))
        by_day = {body["generated_at"] // DAY: body for body in map(json.loads, all_of_it)}
        assert [(d.generated_at, d.balance.net_balance) for d in card.record.days] == [
            (body["generated_at"], body["balance"]["net_balance"]) for body in by_day.values()
        ]
        assert card.record.lost_days == 0
    [mena] = [card for card in board.cards if card.id == "mena"]
    assert "Sirens sound in more than ten Israeli localities" in page
    assert ("Trigger on", "Sirens sound in more than ten Israeli localities") in words(mena.changes)
    [sirens] = [w for w in mena.watches["active"].items if w.trigger.id == "oref_cluster"]
    assert (sirens.value, sirens.threshold) == ("14", "above 10")
    [unplaced] = [tally for tally in board.tallies.values() if tally.unplaced]
    assert unplaced.labels == ["Atlantis"]
    assert [state.spec.name for state in board.of("stale")] == ["stress_index"]


def test_a_trigger_that_looks_back_shows_its_baseline_and_what_is_left(
    valkey_store: SnapshotStore,
) -> None:
    live_through(valkey_store, NOW, days=8)
    watches = {
        watch.trigger.id: watch
        for found in cards(valkey_store)["mena"].watches.values()
        for watch in found.items
    }
    hormuz = watches["hormuz_transit_drop"]
    assert hormuz.threshold == "more than 20 % below the baseline"
    assert "(trailing 7d), now −" in hormuz.baseline
    assert watches["iran_cii_spike"].threshold == "more than 15 above the baseline"
    watching = [watch for watch in watches.values() if watch.state == "watching"]
    assert all(watch.left and (watch.way or 0) < 1 for watch in watching)


def test_evidence_goes_by_its_name(valkey_store: SnapshotStore) -> None:
    valkey_store.write_inputs(sample_values())
    take_snapshots(valkey_store, REGION_IDS, NOW)
    board, page = make_board(valkey_store, REGION_IDS, NOW)
    [mena] = [card for card in board.cards if card.id == "mena"]
    rests = {n for axis in mena.axes for cause in axis.causes.items for n in cause.rests_on.items}
    assert {"the macro signals", "the energy mix", "the list of energy producers"} <= rests
    assert "Sirens in fourteen localities" in rests
    for item in stored(valkey_store, "mena")["evidence"]:
        assert item["id"] not in page or item["id"] in item["summary"]


def test_after_a_run_that_found_nothing_new_there_is_no_change(valkey_store: SnapshotStore) -> None:
    valkey_store.write_inputs(sample_values())
    take_snapshots(valkey_store, REGION_IDS, NOW)
    assert {c.news for c in cards(valkey_store).values() if c.changes.items} == {"some"}
    take_snapshots(valkey_store, REGION_IDS, NOW + 60_000)
    later = cards(valkey_store, NOW + 60_000)
    assert {card.news for card in later.values()} == {"none"}
    assert later["mena"].record.confirmed == NOW + 60_000


def test_a_lost_predecessor_is_not_known_rather_than_no_change(valkey_store: SnapshotStore) -> None:
    client = valkey_store.client
    valkey_store.write_inputs(sample_values())
    take_snapshots(valkey_store, REGION_IDS, NOW - HOUR)
    take_snapshots(valkey_store, REGION_IDS, NOW, force=True)
    client.delete(keys.snapshot_by_id(indexed(client, "mena")[0]))
    client.set(keys.snapshot_by_id(indexed(client, "europe")[0]), "{")
    found = cards(valkey_store)
    for region, problem in (("mena", "is not stored any more"), ("europe", "is not a snapshot")):
        assert found[region].news == "unknown"
        assert any(problem in words for words in found[region].record.problems)
    assert found["latam"].news == "none"


def test_damaged_missing_and_unreadable_are_cards(store: SnapshotStore) -> None:
    client = store.client
    store.write_inputs(sample_values())
    take_snapshots(store, ["mena", "europe", "latam"], NOW)
    client.set(keys.snapshot_by_id(latest_id(client, "mena") or ""), b"\xff{")
    for key in (keys.index("europe"), keys.regime_history("europe")):
        client.delete(key)
        client.set(key, "x")
    name = keys.observations("mena", "oref:active_alerts_count")
    client.delete(name)
    client.zadd(name, {"x": 1})
    board, page = make_board(store, REGION_IDS, NOW)
    assert list(board.damaged) == ["mena"]
    assert keys.snapshot_by_id(latest_id(client, "mena") or "") in page
    assert page.count("No snapshot of this region is stored yet.") == len(REGION_IDS) - 3
    found = {card.id: card for card in board.cards}
    for key in (keys.index("europe"), keys.regime_history("europe")):
        assert any(words.startswith(f"{key}: ") for words in found["europe"].record.problems)
    assert any(name in problem for problem in found["mena"].record.problems)
    assert "what changed is not known" not in " ".join(found["latam"].record.problems)


def test_of_many_regions_those_under_most_pressure_are_shown(
    valkey_store: SnapshotStore, valkey_url: str, folder: Path
) -> None:
    many = generated(60)
    store = SnapshotStore(valkey_store.client, many, settings(valkey_url, folder))
    store.write_inputs(sample_values())
    take_snapshots(store, many.region_ids, NOW)
    net = {r: stored(store, r)["balance"]["net_balance"] for r in many.region_ids}
    store.client.set(keys.latest("north-america"), "x")
    board, page = make_board(store, many.region_ids, NOW)
    # What cannot be read comes before any pressure.
    first = sorted(many.region_ids, key=lambda r: net[r] if r != "north-america" else -2)[:50]
    assert [card.id for card in board.cards] == [r for r in many.region_ids if r in first]
    assert {"mena", "north-america"} <= set(first)
    assert "10 more, under less pressure, are not shown" in page


def test_what_is_not_known_is_shown_with_the_last_value(valkey_store: SnapshotStore) -> None:
    valkey_store.write_inputs(sample_values())
    take_snapshots(valkey_store, REGION_IDS, NOW)
    later = NOW + 26 * 3_600_000
    valkey_store.write_inputs(sample_values(later))
    valkey_store.client.delete("intelligence:cross-source-signals:v1", "military:flights:v1")
    take_snapshots(valkey_store, REGION_IDS, later)
    board, page = make_board(valkey_store, REGION_IDS, later)
    mena = stored(valkey_store, "mena")
    last = mena["meta"]["decided"]["axes"]["coercive_pressure"]
    words_shown = f"no data since 2026-09-21 14:13 UTC (last {last:.2f})"
    [axis] = [a for a in cards(valkey_store, later)["mena"].axes if a.name == "coercive_pressure"]
    assert axis.unknown == words_shown
    assert words_shown in page
    assert (
        f"{mena['balance']['coercive_pressure']:.3f}"
        not in page.partition('id="r-mena"')[2][:9_000]
    )
    assert board.marks["mena"].unknown
    assert "no driver" not in page
    assert [state.spec.name for state in board.of("held")] == []
    assert "since 2026-09-21 14:13 UTC" in page


def test_where_there_is_no_record_none_is_said_to_be_used(valkey_store: SnapshotStore) -> None:
    _, page = make_board(valkey_store, REGION_IDS, NOW)
    assert "Every record is used" not in page


def test_what_failed_or_is_stale_stands_first(store: SnapshotStore) -> None:
    store.write_inputs(sample_values())
    take_snapshots(store, REGION_IDS, NOW)
    assert make_board(store, REGION_IDS, NOW)[0].troubles == {}
    record_failures(store, NOW + HOUR, "r", {"europe": "<b>no room</b>"})
    board, page = make_board(store, REGION_IDS, NOW + HOUR)
    [why] = board.troubles.values()
    assert why == "fails since 2026-09-21T15:13:20+00:00: <b>no room</b>"
    assert page.index("&lt;b&gt;no room") < page.index("h-map")
    later = make_board(store, REGION_IDS, NOW + 12 * HOUR)[0].troubles
    assert len(later) == len(REGION_IDS)
    assert "neither written nor confirmed for 12 hours" in later.values()
