"""What people read: names, not ids; magnitudes in words; no empty summary (SPEC 4 and 6)."""

import re
from typing import Any

import pytest

from regional_assets.intelligence.alerts import alerts
from regional_assets.intelligence.diff import BufferFailure, CorridorBreak, Diff
from regional_assets.intelligence.geography import CORRIDORS
from regional_assets.intelligence.stored import TransmissionPath
from regional_assets.intelligence.transmission import TEMPLATES, Step, transmission_paths
from regional_assets.intelligence.triggers import TriggerReading
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.worlds import (
    content_of,
    sample_world,
    snapshot_of,
    stored_body,
    world_of,
)

STEPS = [pytest.param(s, id=f"{t.id}-{s.asset_class}") for t in TEMPLATES for s in t.steps]

UNITS = {
    "pct": "%",
    "pp": "percentage points",
    "basis_points": "basis points",
    "days": "days",
    "usd_bbl": "USD/bbl",
    "usd_teu": "USD/TEU",
    "usd_b": "billion USD",
}


@pytest.mark.parametrize("step", STEPS)
def test_the_end_of_a_path_says_low_high_and_unit(step: Step) -> None:
    numbers = [float(n.replace("−", "-")) for n in re.findall(r"−?\d+(?:\.\d+)?", step.end)]
    assert numbers == [step.low, step.high]
    assert step.end.endswith(f" {UNITS[step.unit]}")
    # A rise is signed, too; a fall has no dash between its numbers that reads as a minus.
    assert ("+" in step.end) is (step.low >= 0)
    assert re.search(" to " if step.low < 0 else r"\d–\d", step.end)
    assert step.end in {path.end for path in _paths()}


def _paths() -> list[TransmissionPath]:
    active = [TriggerReading(trigger, 1.0, "active") for trigger in MODEL.applicable_triggers]
    return [
        p for r in REGION_IDS for p in transmission_paths(r, active, MODEL.applicable_templates)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Asia–Europe transit +10–14 days",
        "Brent +10–25 USD/bbl",
        "Brent, its rise capped: −10 to 0 USD/bbl",
        "Retail inflation in the EU +0.3–0.5 percentage points",
        "Semiconductor shares −12 to −5 %",
        "Container spot rates +2000–4000 USD/TEU",
    ],
)
def test_ends_of_paths(text: str) -> None:
    assert text in {path.end for path in _paths()}


def every_text(region: str, level: str) -> list[str]:
    """Every text for people in a snapshot in which each chokepoint has that threat level."""
    rows = [{"id": c.chokepoint, "threatLevel": level} for c in CORRIDORS if c.chokepoint]
    body = stored_body(snapshot_of(world_of(chokepoints={"chokepoints": rows}), region))
    return [
        *(driver["description"] for driver in body["balance"]["buffers"]),
        *(item["summary"] for item in body["evidence"]),
        *(t["description"] for state in body["triggers"].values() for t in state),
        *(p[name] for p in body["transmission_paths"] for name in ("start", "mechanism", "end")),
    ]


@pytest.mark.parametrize("level", MODEL.scoring.reading.threats)
@pytest.mark.parametrize("region", REGION_IDS)
def test_texts_name_corridors_and_levels(region: str, level: str) -> None:
    ids = {c.id for c in CORRIDORS} | {c.chokepoint or c.id for c in CORRIDORS}
    whole_words = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, ids))})(?![\w-])")
    for text in every_text(region, level):
        assert not whole_words.search(text)
        assert "_" not in text


def test_threats_to_shipping_in_words() -> None:
    rows = [
        {"id": "suez", "threatLevel": "war_zone"},
        {"id": "bab_el_mandeb", "threatLevel": "critical"},
        {"id": "hormuz_strait", "threatLevel": "high"},
    ]
    content = content_of(world_of(chokepoints={"chokepoints": rows}), "mena")
    assert [item.summary for item in content.said.evidence] == [
        "Suez Canal at threat level war zone",
        "Bab el-Mandeb at threat level critical",
        "Strait of Hormuz at threat level high",
    ]
    # The drivers stay in the order of the corridors; evidence ids keep the ids.
    assert [driver.description for driver in content.said.balance.buffers][:3] == [
        "Strait of Hormuz at threat level high",
        "Suez Canal at threat level war zone",
        "Bab el-Mandeb at threat level critical",
    ]
    assert [item.id for item in content.said.evidence] == [
        "chokepoint:suez",
        "chokepoint:babelm",
        "chokepoint:hormuz",
    ]
    assert [item.corridor for item in content.said.evidence] == ["suez", "babelm", "hormuz"]


def test_every_corridor_has_a_name_of_its_own() -> None:
    assert len({corridor.name for corridor in CORRIDORS}) == len(CORRIDORS)
    assert all(corridor.name[0].isupper() for corridor in CORRIDORS)


def test_two_alerts_for_one_fall_read_apart() -> None:
    changes = Diff(
        corridor_breaks=(CorridorBreak("aggregate", "0.90", "0.40"),),
        buffer_failures=(BufferFailure("maritime_access", 0.9, 0.4),),
    )
    europe = MODEL.region("europe")
    first, second = (
        a.payload.title.removeprefix("Europe & Central Asia: ")
        for a in alerts(europe, changes, MODEL.scoring.alerts, "s", 0)
    )
    assert first == "sea routes break down, maritime access fell from 0.90 to 0.40"
    assert second == "a buffer fails, maritime access is 0.4 after 0.9"


@pytest.mark.parametrize("nothing", [None, "", "  ", "\u200b", "<>", [], {}])
def test_evidence_never_has_an_empty_summary(nothing: Any) -> None:
    signal = {"id": "s", "theater": "Levant"}
    world = world_of(
        cross_source_signals={
            "signals": [
                {**signal, "summary": nothing, "type": "CYBER"},
                {**signal, "summary": nothing, "type": nothing},
            ]
        },
        forecasts={
            "predictions": [
                {"id": "f", "region": "Iran", "probability": 0.5, "title": nothing, "domain": name}
                for name in ("Military", nothing)
            ]
        },
    )
    assert [item.summary for item in content_of(world, "mena").said.evidence] == [
        "CYBER",
        "signal of an unknown type",
        "military forecast",
        "untitled forecast",
    ]


def test_the_samples_have_no_empty_summary() -> None:
    world = sample_world()
    for region in REGION_IDS:
        assert all(item.summary for item in content_of(world, region).said.evidence)
