"""The balance vector of a region: four pressures, three buffers, net balance (SPEC 3)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from regional_assets.intelligence.catalogue import CATALOGUE
from regional_assets.intelligence.geography import REGIONS, Region, criticality
from regional_assets.intelligence.numbers import clip, clipped, round3, total
from regional_assets.intelligence.text import words
from regional_assets.intelligence.threats import THREATS, UNKNOWN

if TYPE_CHECKING:
    # Definitions need this module's names alone; its readers load when a run needs them.
    from regional_assets.intelligence.world import World

PRESSURES = ("coercive_pressure", "domestic_fragility", "capital_stress", "energy_vulnerability")
BUFFERS = ("alliance_cohesion", "maritime_access", "energy_leverage")
AXES = (*PRESSURES, *BUFFERS)

RISING = ("rising", "escalating")

# Energy leverage has none.
_INPUTS_OF_AXIS = {
    axis: names
    for axis in AXES
    if (names := tuple(spec.name for spec in CATALOGUE if axis in spec.axes))
}

_ENERGY_PRODUCERS = frozenset("SA RU US IR IQ AE CA KW QA NG NO BR MX VE AU".split())


class Balance(msgspec.Struct, frozen=True):
    """Axes and `net_balance` to three decimals; drivers as they are stored; the axes none of
    whose inputs is present; the terms that fell back to a default, with the default."""

    axes: dict[str, float]
    net_balance: float
    pressures: list[dict[str, Any]]
    buffers: list[dict[str, Any]]
    axes_without_data: tuple[str, ...]
    defaulted_terms: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The snapshot's `balance` block."""
        return {
            **self.axes,
            "net_balance": self.net_balance,
            "pressures": self.pressures,
            "buffers": self.buffers,
        }


class _Tally:
    """Gathers the drivers and defaults of one region's axes while they are computed."""

    def __init__(self) -> None:
        self.drivers: list[dict[str, Any]] = []
        self.defaults: list[str] = []

    def driver(
        self, axis: str, description: str, magnitude: float, evidence_ids: Sequence[str] = ()
    ) -> None:
        self.drivers.append(
            {
                "axis": axis,
                "description": description,
                "magnitude": round3(magnitude),
                "evidence_ids": list(evidence_ids),
                "orientation": "buffer" if axis in BUFFERS else "pressure",
            }
        )

    def default(self, term: str, value: float) -> float:
        self.defaults.append(f"{term} = {value:g}")
        return value


def balance(world: "World", region_id: str) -> Balance:
    """The balance of one region."""
    region = REGIONS[region_id]
    tally = _Tally()
    axes = {
        "coercive_pressure": _coercive_pressure(world, region, tally),
        "domestic_fragility": _domestic_fragility(world, region, tally),
        "capital_stress": _capital_stress(world, region, tally),
        "energy_vulnerability": _energy_vulnerability(world, region, tally),
        "alliance_cohesion": _alliance_cohesion(world, region, tally),
        "maritime_access": _maritime_access(world, region, tally),
        "energy_leverage": _energy_leverage(region, tally),
    }
    axes = {axis: clip(value) for axis, value in axes.items()}
    net = _mean([axes[a] for a in BUFFERS]) - _mean([axes[a] for a in PRESSURES])
    return Balance(
        axes={axis: round3(value) for axis, value in axes.items()},
        net_balance=round3(net),
        pressures=[d for d in tally.drivers if d["orientation"] == "pressure"],
        buffers=[d for d in tally.drivers if d["orientation"] == "buffer"],
        axes_without_data=_axes_without_data(world),
        defaulted_terms=tuple(tally.defaults),
    )


def _coercive_pressure(world: "World", region: Region, tally: _Tally) -> float:
    axis = "coercive_pressure"
    signals = [s for s in world.signals.get(region.id, ()) if s.coercive]
    severities = [s.severity for s in signals]
    critical, high = severities.count("CRITICAL"), severities.count("HIGH")
    rising = [
        f.trend in RISING and f.domain in ("military", "conflict")
        for f in world.forecasts.get(region.id, ())
    ].count(True)
    if not world.present("cross_source_signals"):
        tally.default(f"{axis}.signals", 0)
    if not world.present("forecasts"):
        tally.default(f"{axis}.forecasts", 0)
    severity = clip(0.4 * critical + 0.15 * high)
    count = clip(len(signals) / 50)
    forecast = clip(rising / 5)
    if severity > 0.05:
        ids = [s.id or f"xss:{s.type}" for s in signals[:5]]
        tally.driver(axis, f"{critical} critical and {high} high signals", severity, ids)
    if forecast > 0:
        tally.driver(axis, f"{rising} military or conflict forecasts rising", forecast)
    return (0.30 * severity + 0.25 * count + 0.15 * forecast) / 0.70


def _domestic_fragility(world: "World", region: Region, tally: _Tally) -> float:
    axis = "domestic_fragility"
    scores = world.risk_scores.get(region.id)
    if not scores:
        return tally.default(axis, 0)
    weights = [criticality(s.country) for s in scores]
    values = clipped([s.score / 100 for s in scores])
    weighted = [n * w for n, w in zip(values, weights, strict=True)]
    average = total(weighted) / total(weights)
    magnitude = max(weighted)
    position = weighted.index(magnitude)
    worst, n = scores[position].country, values[position]
    if n > 0.3:
        tally.driver(
            axis, f"{worst} instability at {round3(100 * n):g} of 100", magnitude, [f"cii:{worst}"]
        )
    return 0.4 * average + 0.4 * _p90(values) + 0.2 * max(values)


def _capital_stress(world: "World", region: Region, tally: _Tally) -> float:
    axis = "capital_stress"
    if world.macro_verdict in ("CASH", "BUY"):
        macro = 1.0 if world.macro_verdict == "CASH" else 0.0
    else:
        macro = tally.default(f"{axis}.macro", 0.5)
    ratios = world.debt_ratios.get(region.id)
    ratio = _mean(ratios) if ratios else tally.default(f"{axis}.debt_to_gdp", 60)
    debt = clip((ratio - 60) / 80)
    score = world.stress_score
    stress = clip((tally.default(f"{axis}.stress", 0) if score is None else score) / 100)
    if macro > 0.6:
        tally.driver(axis, "macro verdict: cash", macro, ["macro:verdict"])
    if debt > 0.4:
        tally.driver(axis, f"debt at {ratio:.0f} % of GDP on average", debt, ["debt:region-avg"])
    if stress > 0.5:
        tally.driver(
            axis, f"financial stress at {100 * stress:.0f} of 100", stress, ["stress:composite"]
        )
    return 0.25 * macro + 0.20 * debt + 0.30 * stress


def _energy_vulnerability(world: "World", region: Region, tally: _Tally) -> float:
    axis = "energy_vulnerability"
    mix = world.import_shares.get(region.id)
    if not mix:
        return tally.default(axis, 0)
    shares = clipped([share / 100 for share in mix if share is not None])
    imports = _mean(shares) if shares else tally.default(f"{axis}.imports", 0)
    if region.eu_gas and world.gas_fill is not None:
        gas = 1 - clip(world.gas_fill / 0.8)
    else:
        gas = tally.default(f"{axis}.gas", 0.5)
    days = world.reserve_days
    reserves = 1 - clip((tally.default(f"{axis}.reserve_days", 90) if days is None else days) / 90)
    if imports > 0.4:
        tally.driver(
            axis, f"{100 * imports:.0f} % of energy imported on average", imports, ["energy:mix"]
        )
    return 0.5 * imports + 0.25 * gas + 0.25 * reserves


def _alliance_cohesion(world: "World", region: Region, tally: _Tally) -> float:
    if not world.present("forecasts"):
        tally.default("alliance_cohesion.references", 0)
    forecasts = world.forecasts.get(region.id, ())
    references = [f.mentions.alliance for f in forecasts].count(True)
    share = clip(references / 5)
    if share > 0.2:
        tally.driver("alliance_cohesion", f"{references} forecasts speak of alliances", share)
    return 0.4 * share + 0.3


def _maritime_access(world: "World", region: Region, tally: _Tally) -> float:
    axis = "maritime_access"
    access = weight = 0.0
    for corridor in region.corridors:
        level = world.chokepoints.get(corridor.chokepoint or "")
        if level is None:
            continue
        passage = THREATS[level].passage
        if level == UNKNOWN:
            tally.default(f"{axis}.{corridor.id}.level", passage)
        transit = world.transits.get(corridor.chokepoint or "")
        change = transit.wow_change_pct if transit else None
        if change is None:
            change = tally.default(f"{axis}.{corridor.id}.wow_change_pct", 0)
        access += corridor.weight * (0.6 * passage + 0.4 * clip((100 + change) / 120))
        weight += corridor.weight
        if passage < 0.6:
            tally.driver(
                axis,
                f"{corridor.name} at threat level {words(level)}",
                1 - passage,
                [f"chokepoint:{corridor.chokepoint}"],
            )
    return access / weight if weight else tally.default(axis, 0.7)


def _energy_leverage(region: Region, tally: _Tally) -> float:
    producers = sorted(region.countries & _ENERGY_PRODUCERS)
    count = len(producers)
    if not count:
        return 0.0
    leverage = 0.6 if count < 3 else min(1.0, 0.6 + 0.1 * count)
    tally.driver(
        "energy_leverage",
        f"energy producers: {', '.join(producers)}",
        leverage,
        [f"producer:{country}" for country in producers],
    )
    return leverage


def _axes_without_data(world: "World") -> tuple[str, ...]:
    return tuple(
        axis for axis, names in _INPUTS_OF_AXIS.items() if not any(map(world.present, names))
    )


def _mean(values: Sequence[float]) -> float:
    return total(values) / len(values)


def _p90(values: Sequence[float]) -> float:
    """The 90th percentile, by linear interpolation between order statistics."""
    ordered = sorted(values)
    position = 0.9 * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])
