"""The balance vector of a region: four pressures, three buffers, net balance (SPEC 3)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from regional_assets.intelligence.geography import Region
from regional_assets.intelligence.numbers import clip, clipped, round3, total
from regional_assets.intelligence.scoring import BUFFERS, PRESSURES, UNKNOWN
from regional_assets.intelligence.stored import Balance, Driver
from regional_assets.intelligence.text import words

if TYPE_CHECKING:
    # Definitions need this module's names alone; its readers load when a run needs them.
    from regional_assets.intelligence.world import World

RISING = ("rising", "escalating")


class Weighed(msgspec.Struct, frozen=True):
    """A region's balance, the axes none of whose inputs is present, and the terms that fell back
    to a default, with the default."""

    balance: Balance
    axes_without_data: tuple[str, ...]
    defaulted_terms: tuple[str, ...]


class _Tally:
    """Gathers the drivers and defaults of one region's axes while they are computed."""

    def __init__(self) -> None:
        self.drivers: list[Driver] = []
        self.defaults: list[str] = []

    def driver(
        self, axis: str, description: str, magnitude: float, evidence_ids: Sequence[str] = ()
    ) -> None:
        orientation = "buffer" if axis in BUFFERS else "pressure"
        self.drivers.append(
            Driver(axis, description, round3(magnitude), tuple(evidence_ids), orientation)
        )

    def of(self, orientation: str) -> tuple[Driver, ...]:
        return tuple(d for d in self.drivers if d.orientation == orientation)

    def default(self, term: str, value: float) -> float:
        self.defaults.append(f"{term} = {value:g}")
        return value


def weighed(world: "World", region_id: str) -> Weighed:
    """The balance of one region."""
    region = world.model.region(region_id)
    tally = _Tally()
    axes = {axis: clip(term(world, region, tally)) for axis, term in _AXES.items()}
    net = _mean([axes[a] for a in BUFFERS]) - _mean([axes[a] for a in PRESSURES])
    return Weighed(
        Balance(
            **{axis: round3(value) for axis, value in axes.items()},
            net_balance=round3(net),
            pressures=tally.of("pressure"),
            buffers=tally.of("buffer"),
        ),
        axes_without_data=_axes_without_data(world),
        defaulted_terms=tuple(tally.defaults),
    )


def _coercive_pressure(world: "World", region: Region, tally: _Tally) -> float:
    axis = "coercive_pressure"
    rules = world.model.scoring.coercive_pressure
    signals = [s for s in world.signals.get(region.id, ()) if s.coercive]
    severities = [s.severity for s in signals]
    critical, high = severities.count("CRITICAL"), severities.count("HIGH")
    rising = [
        f.trend in RISING and f.domain in ("military", "conflict")
        for f in world.forecasts.get(region.id, ())
    ].count(True)
    if not world.present("cross_source_signals"):
        tally.default(f"{axis}.signals", rules.signals.default)
    if not world.present("forecasts"):
        tally.default(f"{axis}.forecasts", rules.forecasts.default)
    severity = clip(rules.critical * critical + rules.high * high)
    count = clip(len(signals) / rules.full_signals)
    forecast = clip(rising / rules.full_forecasts)
    if severity > rules.severity_driver:
        ids = [s.id for s in signals[:5]]
        tally.driver(axis, f"{critical} critical and {high} high signals", severity, ids)
    if forecast > rules.forecasts_driver:
        tally.driver(axis, f"{rising} military or conflict forecasts rising", forecast)
    weighted = rules.severity.weight * severity + rules.signals.weight * count
    return (weighted + rules.forecasts.weight * forecast) / rules.divisor


def _domestic_fragility(world: "World", region: Region, tally: _Tally) -> float:
    axis = "domestic_fragility"
    rules, criticality = world.model.scoring.domestic_fragility, world.model.geography.criticality
    scores = world.risk_scores.get(region.id)
    if not scores:
        return tally.default(axis, rules.without_score)
    weights = [criticality(s.country) for s in scores]
    values = clipped([s.score / 100 for s in scores])
    weighted = [n * w for n, w in zip(values, weights, strict=True)]
    average = total(weighted) / total(weights)
    magnitude = max(weighted)
    position = weighted.index(magnitude)
    worst, n = scores[position].country, values[position]
    if n > rules.driver:
        tally.driver(
            axis, f"{worst} instability at {round3(100 * n):g} of 100", magnitude, [f"cii:{worst}"]
        )
    return (
        rules.average.weight * average
        + rules.quantile.weight * _quantile(values, rules.quantile_at)
        + rules.worst.weight * max(values)
    )


def _capital_stress(world: "World", region: Region, tally: _Tally) -> float:
    axis = "capital_stress"
    rules = world.model.scoring.capital_stress
    if world.macro_verdict in ("CASH", "BUY"):
        macro = rules.cash if world.macro_verdict == "CASH" else rules.buy
    else:
        macro = tally.default(f"{axis}.macro", rules.macro.default)
    ratios = world.debt_ratios.get(region.id)
    ratio = _mean(ratios) if ratios else tally.default(f"{axis}.debt_to_gdp", rules.debt.default)
    debt = clip((ratio - rules.debt_from) / rules.debt_range)
    score = world.stress_score
    if score is None:
        score = tally.default(f"{axis}.stress", rules.stress.default)
    stress = clip(score / 100)
    if macro > rules.macro_driver:
        tally.driver(axis, "macro verdict: cash", macro, ["macro:verdict"])
    if debt > rules.debt_driver:
        tally.driver(axis, f"debt at {ratio:.0f} % of GDP on average", debt, ["debt:region-avg"])
    if stress > rules.stress_driver:
        tally.driver(
            axis, f"financial stress at {100 * stress:.0f} of 100", stress, ["stress:composite"]
        )
    return rules.macro.weight * macro + rules.debt.weight * debt + rules.stress.weight * stress


def _energy_vulnerability(world: "World", region: Region, tally: _Tally) -> float:
    axis = "energy_vulnerability"
    rules = world.model.scoring.energy_vulnerability
    mix = world.import_shares.get(region.id)
    if not mix:
        return tally.default(axis, rules.without_mix)
    shares = clipped([share / 100 for share in mix if share is not None])
    imports = _mean(shares) if shares else tally.default(f"{axis}.imports", rules.imports.default)
    if region.eu_gas and world.gas_fill is not None:
        gas = 1 - clip(world.gas_fill / rules.enough_gas)
    else:
        gas = tally.default(f"{axis}.gas", rules.gas.default)
    days = world.reserve_days
    if days is None:
        days = tally.default(f"{axis}.reserve_days", rules.reserves.default)
    reserves = 1 - clip(days / rules.enough_days)
    if imports > rules.driver:
        tally.driver(
            axis, f"{100 * imports:.0f} % of energy imported on average", imports, ["energy:mix"]
        )
    return (
        rules.imports.weight * imports + rules.gas.weight * gas + rules.reserves.weight * reserves
    )


def _alliance_cohesion(world: "World", region: Region, tally: _Tally) -> float:
    rules = world.model.scoring.alliance_cohesion
    if not world.present("forecasts"):
        tally.default("alliance_cohesion.references", rules.references.default)
    forecasts = world.forecasts.get(region.id, ())
    references = [f.mentions.alliance for f in forecasts].count(True)
    share = clip(references / rules.full_references)
    if share > rules.driver:
        tally.driver("alliance_cohesion", f"{references} forecasts speak of alliances", share)
    return rules.references.weight * share + rules.base


def _maritime_access(world: "World", region: Region, tally: _Tally) -> float:
    axis = "maritime_access"
    rules, threats = world.model.scoring.maritime_access, world.model.scoring.reading.threats
    access = weight = 0.0
    for corridor in world.model.geography.corridors_of[region.id]:
        level = world.chokepoints.get(corridor.chokepoint)
        if level is None:
            continue
        passage = threats[level].passage
        if level == UNKNOWN:
            tally.default(f"{axis}.{corridor.id}.level", passage)
        transit = world.transits.get(corridor.chokepoint)
        change = transit.wow_change_pct if transit else None
        if change is None:
            change = tally.default(f"{axis}.{corridor.id}.wow_change_pct", rules.flow.default)
        flow = clip((100 + change) / rules.full_flow)
        access += corridor.weight * (rules.passage.weight * passage + rules.flow.weight * flow)
        weight += corridor.weight
        if passage < rules.driver:
            tally.driver(
                axis,
                f"{corridor.name} at threat level {words(level)}",
                1 - passage,
                [f"chokepoint:{corridor.chokepoint}"],
            )
    return access / weight if weight else tally.default(axis, rules.without_corridor)


def _energy_leverage(world: "World", region: Region, tally: _Tally) -> float:
    rules = world.model.scoring.energy_leverage
    producers = sorted(region.countries.intersection(rules.producers))
    count = len(producers)
    if not count:
        return 0.0
    leverage = rules.few if count < rules.many else min(1.0, rules.few + rules.per_producer * count)
    tally.driver(
        "energy_leverage",
        f"energy producers: {', '.join(producers)}",
        leverage,
        [f"producer:{country}" for country in producers],
    )
    return leverage


_AXES = {
    "coercive_pressure": _coercive_pressure,
    "domestic_fragility": _domestic_fragility,
    "capital_stress": _capital_stress,
    "energy_vulnerability": _energy_vulnerability,
    "alliance_cohesion": _alliance_cohesion,
    "maritime_access": _maritime_access,
    "energy_leverage": _energy_leverage,
}


def _axes_without_data(world: "World") -> tuple[str, ...]:
    return tuple(
        axis
        for axis, names in world.model.feeds_of_axis.items()
        if not any(map(world.present, names))
    )


def _mean(values: Sequence[float]) -> float:
    return total(values) / len(values)


def _quantile(values: Sequence[float], share: float) -> float:
    """The quantile, by linear interpolation between order statistics."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])
