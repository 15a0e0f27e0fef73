"""The axes, their drivers and the regime, where golden cases leave room (SPEC 3)."""

from typing import Any

import pytest

from regional_assets.intelligence.numbers import total
from regional_assets.intelligence.regime import regime_label
from regional_assets.intelligence.stored import Balance
from regional_assets_tests.support.built_in import MODEL
from regional_assets_tests.support.worlds import content_of, world_of


def balance(coercive: float, net: float, alliance: float = 0.3) -> Balance:
    return Balance(coercive, 0, 0, 0, alliance, 0, 0, net, (), ())


@pytest.mark.parametrize(
    ("coercive", "net", "alliance", "label"),
    [
        (0.81, -0.41, 0.3, "escalation_ladder"),
        (0.8, -0.41, 0.3, "stressed_equilibrium"),
        (0.61, -0.2, 0.29, "fragmentation_risk"),
        (0.61, -0.09, 0.3, "coercive_stalemate"),
        (0.5, 0.0, 0.3, "calm"),
        (0.31, 0.11, 0.3, "managed_deescalation"),
        (0.3, 0.11, 0.3, "calm"),
        (0.0, -0.101, 0.3, "stressed_equilibrium"),
        (0.0, -0.1, 0.3, "calm"),
    ],
)
def test_regimes(coercive: float, net: float, alliance: float, label: str) -> None:
    assert regime_label(balance(coercive, net, alliance), MODEL.scoring.regime) == label


def signals(count: int, severity: str = "CRITICAL") -> dict[str, Any]:
    return {"signals": [{"theater": "Levant", "severity": severity}] * count}


def test_coercive_pressure_reaches_one() -> None:
    rising = {"region": "Iran", "trend": "Rising", "domain": "Military", "probability": 1}
    world = world_of(cross_source_signals=signals(50), forecasts={"predictions": [rising] * 5})
    vector = content_of(world, "mena").said.balance
    assert vector.coercive_pressure == 1
    severity, forecast = vector.pressures
    # No ids in the feed: the place in it stands for them, of the first five.
    assert severity.evidence_ids == tuple(f"xss:#{n}" for n in range(5))
    assert forecast.evidence_ids == ()
    assert (severity.magnitude, forecast.magnitude) == (1, 1)


def test_the_worst_country_drives_fragility_the_first_on_a_tie() -> None:
    rows = [{"region": c, "combinedScore": s} for c, s in (("EG", 50), ("IR", 50), ("IL", 80))]
    [driver] = content_of(world_of(risk_scores={"ciiScores": rows}), "mena").said.balance.pressures
    # Israel: 0.8 × 0.6 = 0.48; Egypt: 0.5 × 1.
    assert driver.evidence_ids == ("cii:EG",)
    assert driver.magnitude == 0.5


def test_imports_without_numbers_leave_the_other_terms() -> None:
    world = world_of(energy_mix={"JP": {"importShare": None}})
    # 0.25 × 0.5 (gas unknown) + 0.25 × 0 (90 days of cover).
    assert content_of(world, "east-asia").said.balance.energy_vulnerability == 0.125
    assert content_of(world, "latam").said.balance.energy_vulnerability == 0


@pytest.mark.parametrize(
    ("text", "mentions"),
    [("the NATO summit", 1), ("GCC", 1), ("monatomic", 0), ("alliances", 1), ("coalition", 1)],
)
def test_words_of_alliance(text: str, mentions: int) -> None:
    forecast = {"region": "Iran", "probability": 0.5, "caseFile": {"alliance": [{"deep": text}]}}
    world = world_of(forecasts={"predictions": [forecast]})
    # Field names do not count; 0.4 × 1/5 per forecast.
    assert content_of(world, "mena").said.balance.alliance_cohesion == 0.3 + 0.08 * mentions


def test_signals_are_no_case_file() -> None:
    forecast = {
        "region": "Iran",
        "probability": 0.5,
        "signals": [{"value": "alliance, collapse, Iran"}],
    }
    found = content_of(world_of(forecasts={"predictions": [forecast]}), "mena")
    assert found.said.balance.alliance_cohesion == 0.3
    assert [actor.name for actor in found.said.actors] == ["Iran"]


def test_both_spellings_of_a_chokepoint_weigh_once() -> None:
    rows = [{"id": "hormuz", "threatLevel": "high"}, {"id": "hormuz_strait", "status": "normal"}]
    content = content_of(world_of(chokepoints={"chokepoints": rows}), "mena")
    [driver] = content.said.balance.buffers[:1]
    assert driver.magnitude == 0.6
    assert driver.evidence_ids == ("chokepoint:hormuz",)


def test_sums_are_plain_doubles_under_every_python() -> None:
    # A compensated sum, as Python's from 3.12 on, would give 0.3.
    assert total([0.1] * 3) == 0.30000000000000004
    assert total([]) == 0
