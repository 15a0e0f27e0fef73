"""Actors, triggers, transmission, evidence, diff, alerts, digest and text where golden cases leave
room (SPEC 4 to 6)."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from regional_assets.errors import PreviousSnapshotError
from regional_assets.intelligence import snapshot as snapshot_module
from regional_assets.intelligence.diff import VERSIONS, CorridorBreak, read_previous
from regional_assets.intelligence.snapshot import complete
from regional_assets.intelligence.stored import Alert, AlertPayload, Body
from regional_assets.intelligence.text import clean, strings
from regional_assets.store.wire import encode
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.worlds import (
    NOW,
    content_of,
    sample_world,
    snapshot_of,
    snapshots_of,
    stored_body,
    world_of,
)


def forecast(text: str, **fields: Any) -> dict[str, Any]:
    return {"id": "f", "region": "Iran", "probability": 0.5, "caseFile": {"t": text}, **fields}


def test_aliases_are_whole_words_and_count_once_per_forecast() -> None:
    world = world_of(forecasts={"predictions": [forecast("Russia and Moscow; the kremlin's us")]})
    actors = content_of(world, "mena").said.actors
    assert [(a.actor_id, a.leverage_score) for a in actors] == [
        ("russia", 0.2),
        ("united-states", 0.2),
    ]
    russian = world_of(forecasts={"predictions": [forecast("russian")]})
    assert content_of(russian, "mena").said.actors == ()


def test_ten_actors_at_most_in_the_order_of_the_aliases() -> None:
    text = "hamas houthi hezbollah nato riyadh israel usa china moscow irgc iran"
    found = content_of(world_of(forecasts={"predictions": [forecast(text)]}), "mena").said.actors
    assert [a.name for a in found] == [
        "Iran", "IRGC", "Russia", "China", "United States", "Israel", "Saudi Arabia", "NATO",
        "Hezbollah", "Hamas",
    ]  # fmt: skip


def test_the_delta_of_an_actor() -> None:
    one = world_of(forecasts={"predictions": [forecast("iran")]})
    two = world_of(forecasts={"predictions": [forecast("iran"), forecast("iran israel")]})
    first = snapshot_of(one, "mena")
    second = snapshot_of(two, "mena", first)
    assert [a["delta"] for a in stored_body(first)["actors"]] == [0]
    assert [a["delta"] for a in stored_body(second)["actors"]] == [0.2, 0.2]


def test_paths_reach_every_region_their_template_lists() -> None:
    world = world_of(chokepoints={"chokepoints": [{"id": "taiwan_strait", "threatLevel": "high"}]})
    for region in REGION_IDS:
        found = stored_body(snapshot_of(world, region))
        templates = {path["template_id"] for path in found["transmission_paths"]}
        reached = region in ("east-asia", "north-america", "europe")
        assert templates == ({"taiwan_strait_tension"} if reached else set())
        # The trigger itself stays its own region's.
        active = [t["id"] for t in found["triggers"]["active"]]
        assert active == (["taiwan_tension_high"] if region == "east-asia" else [])


def test_thirty_evidence_items_at_most_newest_first() -> None:
    rows = [{"id": f"s{i}", "theater": "Levant", "detectedAt": NOW - i} for i in range(40)]
    found = stored_body(snapshot_of(world_of(cross_source_signals={"signals": rows}), "mena"))
    assert [item["id"] for item in found["evidence"]] == [f"s{i}" for i in range(30)]


@pytest.mark.parametrize(
    "times", [[5, 9, None], [7], [None], [None, 1, None, 1, 2], [-1, None], [0, None]]
)
def test_the_newest_of_many_without_times_or_with_the_same(times: list[int | None]) -> None:
    ages = times * 40
    rows = [
        {"id": f"s{i}", "theater": "Levant", "detectedAt": None if age is None else NOW - age}
        for i, age in enumerate(ages)
    ]
    expected = sorted(range(len(ages)), key=lambda i: ages[i] or 0)[:30]
    found = content_of(world_of(cross_source_signals={"signals": rows}), "mena").said.evidence
    assert [item.id for item in found] == [f"s{i}" for i in expected]


@pytest.mark.parametrize("beyond", [1e300, -1e300, 2**53 + 2, 10**400, "1e30"])
def test_a_time_beyond_any_calendar_is_none(beyond: Any) -> None:
    rows = [{"id": "s", "theater": "Levant", "detectedAt": beyond}]
    found = stored_body(snapshot_of(world_of(cross_source_signals={"signals": rows}), "mena"))
    assert [item["observed_at"] for item in found["evidence"]] == [NOW]


def test_texts_are_cleaned_wherever_they_come_from() -> None:
    dirty = " <b>a\x00\u200b\n\t b</b>\ud800 "
    world = world_of(
        cross_source_signals={"signals": [{"id": dirty, "theater": "Levant", "summary": dirty}]},
        intl_delays={
            "alerts": [{"icao": "OE<RK>", "name": dirty, "country": "Iran", "severity": "severe"}]
        },
        notam_closures={"closedIcaos": ["OIIE"], "reasons": {"OIIE": dirty}},
    )
    found = stored_body(snapshot_of(world, "mena"))
    assert found["evidence"][0]["id"] == found["evidence"][0]["summary"] == "ba b/b"
    assert found["mobility"]["airports"][0]["icao"] == "OERK"
    assert found["mobility"]["airports"][0]["name"] == "ba b/b"
    assert found["mobility"]["notam_closures"] == ["OIIE: ba b/b"]


def test_clean_and_strings() -> None:
    assert clean("x" * 600) == "x" * 500
    assert clean(5) == "5"
    assert clean(True) == clean(None) == clean([]) == clean(1.5) == ""
    assert strings({"a": ["b", {"c": "d"}], "e": 1, "f": "g"}) == ["b", "d", "g"]


def test_first_snapshots() -> None:
    calm = snapshot_of(world_of(), "north-america")
    assert calm.content.said.regime.label == "calm"
    regime = stored_body(calm)["regime"]
    assert regime == {
        "label": "calm",
        "previous_label": "",
        "transitioned_at": NOW,
        "transition_driver": "",
    }
    assert calm.history_entry is None
    assert calm.alerts == ()


def edited(snapshot: Any, **balance: float) -> Any:
    body = stored_body(snapshot)
    body["balance"] |= balance
    return read_previous("mena", "before", encode(body), MODEL.stored_versions)


@pytest.mark.parametrize(
    ("before", "breaks", "failures"),
    [
        # Plain double differences: 1.0 − 0.7 is 0.30000000000000004, 0.9 − 0.7 is 0.2…07.
        (1.0, 1, 1),
        (0.999, 0, 1),
        (0.9, 0, 1),
        (0.899, 0, 0),
        (0.5, 0, 0),
    ],
)
def test_falls_of_maritime_access(before: float, breaks: int, failures: int) -> None:
    content = content_of(world_of(), "mena")
    assert content.said.balance.maritime_access == 0.7
    previous = edited(complete(content, None, "x"), maritime_access=before)
    changes = complete(content, previous, "y").changes
    assert len(changes.corridor_breaks) == breaks
    assert len(changes.buffer_failures) == failures


def test_falls_are_told_in_two_decimals_halves_up() -> None:
    content = content_of(world_of(), "mena")
    # As stored by a run with corridors; 0.985 is between two doubles, told as 0.99.
    balance = replace(content.said.balance, maritime_access=0.125)
    content = replace(content, said=replace(content.said, balance=balance))
    previous = edited(complete(content, None, "x"), maritime_access=0.985)
    [fall] = complete(content, previous, "y").changes.corridor_breaks
    assert fall == CorridorBreak("aggregate", "0.99", "0.13")
    assert json.loads(encode(fall)) == {"corridor_id": "aggregate", "from": "0.99", "to": "0.13"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b"\xff", b"[" * 100_000, b"null"],
)
def test_a_previous_snapshot_that_is_none_is_an_error(body: bytes) -> None:
    with pytest.raises(PreviousSnapshotError, match="not a snapshot"):
        read_previous("mena", "x", body, MODEL.stored_versions)


def alert(kind: str, title: str) -> Alert:
    return Alert(eventType=kind, payload=AlertPayload(title, "mena"), publishedAt=NOW)


def test_the_guard_hash_of_an_alert() -> None:
    def guard(title: str) -> str:
        return alert("regional_regime_shift", title).guard_hash

    # Worked out by hand for a short text: h("a:b") = (97·31 + 58)·31 + 98.
    assert alert("a", "b").guard_hash == "21e1"
    assert int("21e1", 36) == (97 * 31 + 58) * 31 + 98
    # UTF-16 code units, so an astral character counts as two.
    assert guard("😀") != guard("\U0001f601")
    assert int(guard("x" * 100), 36) < 1 << 32


def test_alert_messages() -> None:
    snapshot = snapshots_of(sample_world())["mena"]
    messages = [json.loads(encode(a)) for a in snapshot.alerts]
    assert [m["eventType"] for m in messages] == [
        "regional_regime_shift",
        *["regional_trigger_activation"] * 3,
    ]
    first = messages[0]
    assert first["payload"]["details"] == {"from": "none", "to": "coercive_stalemate"}
    assert first["publishedAt"] == first["payload"]["triggered_at"] == NOW
    assert len({m["payload"]["title"] for m in messages}) == 4


def test_the_digest_is_of_content_only() -> None:
    minute = 60_000
    world, later = world_of(), world_of(now=NOW + minute)
    before = snapshot_of(sample_world(), "mena")
    assert before.content.digest == snapshot_of(sample_world(), "mena", before).content.digest
    assert content_of(world, "mena").digest == content_of(later, "mena").digest
    assert content_of(world, "mena").digest != content_of(world, "latam").digest
    undated = {"signals": [{"id": "a", "theater": "Levant"}]}
    dated = {"signals": [{"id": "a", "theater": "Levant", "detectedAt": NOW}]}
    assert (
        content_of(world_of(cross_source_signals=undated), "mena").digest
        == content_of(world_of(now=NOW + 1, cross_source_signals=undated), "mena").digest
        != content_of(world_of(cross_source_signals=dated), "mena").digest
    )


def test_the_digest_does_not_change_when_a_future_item_becomes_past() -> None:
    ahead: dict[str, Any] = {
        "cross_source_signals": {
            "signals": [{"id": "a", "theater": "Levant", "detectedAt": NOW + 60_000}]
        },
        "chokepoints": {"chokepoints": [{"id": "suez", "threatLevel": "high"}]},
    }
    before, after = world_of(**ahead), world_of(now=NOW + 120_000, **ahead)
    assert [e.id for e in content_of(before, "mena").said.evidence] == ["a", "chokepoint:suez"]
    assert [e.id for e in content_of(after, "mena").said.evidence] == ["chokepoint:suez", "a"]
    assert content_of(before, "mena").digest == content_of(after, "mena").digest


@pytest.mark.parametrize("undated", [0, 3, 29, 30, 40])
@pytest.mark.parametrize("dated", [1, 30, 31])
def test_the_digest_changes_exactly_when_what_is_stored_does(undated: int, dated: int) -> None:
    """One item is dated a minute ahead, the others of `dated` long ago."""
    rows: list[dict[str, Any]] = [{"id": f"u{i}", "theater": "Levant"} for i in range(undated)]
    rows += [
        {"id": f"d{i}", "theater": "Levant", "detectedAt": NOW - i * 60_000 + 60_000}
        for i in range(dated)
    ]
    seen: dict[frozenset[str], str] = {}
    for now in (NOW, NOW + 30_000, NOW + 60_000, NOW + 120_000, NOW + 180_000):
        snapshot = snapshot_of(world_of(now, cross_source_signals={"signals": rows}), "mena")
        stored = frozenset(item["id"] for item in stored_body(snapshot)["evidence"])
        assert len(stored) == min(30, undated + dated)
        assert seen.setdefault(stored, snapshot.content.digest) == snapshot.content.digest
    assert len(set(seen.values())) == len(seen) == (2 if undated >= 30 else 1)


def test_what_the_digest_is_of_is_what_the_body_says() -> None:
    """Whatever the content says is stored, and changes the digest."""
    snapshot = snapshot_of(sample_world(), "mena")
    body, content, other = snapshot.body, snapshot.content, content_of(world_of(), "mena")
    # `leverage_edges` is always empty.
    clocked = {"region_id", "generated_at", "meta", "leverage_edges", "narrative"}
    blocks = [name for name in Body.__struct_fields__ if name not in clocked]
    about = ("snapshot_confidence", "missing_inputs", "stale_inputs", *VERSIONS)

    def digest(said: Body) -> str:
        return snapshot_module._digest(said, tuple((item, True) for item in said.evidence))

    digests = {digest(content.said)}
    for name in blocks:
        said = replace(content.said, **{name: getattr(other.said, name)})
        digests.add(digest(said))
        changed = complete(replace(content, said=said, triggers=other.triggers), None, "s").body
        assert getattr(changed, name) == getattr(complete(other, None, "s").body, name)
        assert getattr(changed, name) != getattr(body, name)
    for name in about:
        value = ("x",) if name.endswith("inputs") else 0.123 if name.endswith("confidence") else "x"
        said = replace(content.said, meta=replace(content.said.meta, **{name: value}))
        digests.add(digest(said))
        changed = complete(replace(content, said=said), None, "s").body
        assert getattr(changed.meta, name) == value
        assert getattr(body.meta, name) != value
    assert len(digests) == 1 + len(blocks) + len(about)
