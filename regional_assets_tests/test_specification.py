"""The specification has the numbers, words and rows of the built-in model."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from regional_assets.intelligence.scoring import Scoring
from regional_assets_tests.support.built_in import MODEL

SPECIFICATION = Path(__file__).parent.parent / "docs" / "specification.md"


def number(value: float, form: str = "g") -> str:
    return f"{value:{form}}".replace("-", "−")


def the_words(scoring: Scoring) -> Iterator[str]:
    """How the specification says each number and word list, in its order."""
    rules = scoring.confidence
    yield f"round3({number(rules.present)} · present/17 + {number(rules.fresh)} · fresh/present)"
    yield f"not after now + {number(rules.valid_hours)} h"
    reading = scoring.reading
    yield f"whose `wowChangePct` is above {number(reading.collapsed_pct)} or absent"
    yield f"in waves of the last {number(reading.siren_minutes)} minutes"
    yield f"Signals: the types {', '.join(reading.not_coercive)} (with"
    levels = {name: level for name, level in reading.threats.items() if name != "unknown"}
    yield "; T by its level: " + ", ".join(
        f"{name} {number(level.passage)}" for name, level in reading.threats.items()
    )
    named = [f"{name} {number(level.severity)}" for name, level in levels.items()]
    yield f"threat_level → {', '.join(named[:-1])}, normal or unknown 0"
    axis = scoring.coercive_pressure
    weights = (axis.severity.weight, axis.signals.weight, axis.forecasts.weight)
    s, c, f = (number(weight, ".2f") for weight in weights)
    yield f"**coercive_pressure** = ({s}·s + {c}·c + {f}·f) / {axis.divisor:.2f}"
    yield f"s = clip({number(axis.critical)}·critical + {number(axis.high)}·high)"
    yield f"c = clip(signals in region / {number(axis.full_signals)})"
    yield f"f = clip(rising/{number(axis.full_forecasts)})"
    yield f"Driver when s > {number(axis.severity_driver)} (magnitude s"
    yield f"driver when f > {number(axis.forecasts_driver)} (magnitude f"
    fragility = scoring.domestic_fragility
    yield (
        f"= {number(fragility.average.weight)}·(average of n weighted by criticality) + "
        f"{number(fragility.quantile.weight)}·p{number(100 * fragility.quantile_at)}(n) + "
        f"{number(fragility.worst.weight)}·max(n)"
    )
    yield f"{number(fragility.without_score)} when there are none"
    yield f"when its n > {number(fragility.driver)} (magnitude n·criticality"
    capital = scoring.capital_stress
    yield (
        f"**capital_stress** = {capital.macro.weight:.2f}·m + {capital.debt.weight:.2f}·d + "
        f"{capital.stress.weight:.2f}·t"
    )
    yield (
        f"CASH → {number(capital.cash)}, BUY → {number(capital.buy)}, "
        f"else {number(capital.macro.default)}"
    )
    yield f"d = clip((avg − {number(capital.debt_from)})/{number(capital.debt_range)})"
    yield f"is a country of the region, {number(capital.debt.default)} when none"
    yield (
        f"m > {number(capital.macro_driver)} (evidence `macro:verdict`), "
        f"d > {number(capital.debt_driver)} (`debt:region-avg`), "
        f"t > {number(capital.stress_driver)} (`stress:composite`)"
    )
    energy = scoring.energy_vulnerability
    yield (
        f"**energy_vulnerability** = {number(energy.imports.weight)}·i + "
        f"{number(energy.gas.weight)}·g + {number(energy.reserves.weight)}·r; "
        f"{number(energy.without_mix)} when the energy mix is absent"
    )
    yield f"g = 1 − clip(fill/{number(energy.enough_gas)})"
    yield f"g is {number(energy.gas.default)} when unknown"
    yield f"r = 1 − clip(days/{number(energy.enough_days)})"
    yield f"reserve days of cover, {number(energy.reserves.default)} when unknown"
    yield f"Driver when i > {number(energy.driver)} (evidence `energy:mix`)"
    alliance = scoring.alliance_cohesion
    yield f"= {number(alliance.references.weight)}·a + {number(alliance.base)}. "
    yield f"a = clip(refs/{number(alliance.full_references)})"
    yield f"Driver when a > {number(alliance.driver)} (buffer"
    sea = scoring.maritime_access
    yield (
        f"of {number(sea.passage.weight)}·T + {number(sea.flow.weight)}·clip((100 + wowChangePct)/"
        f"{number(sea.full_flow)})"
    )
    yield f"summary, {number(sea.flow.default)} when absent"
    yield f"{number(sea.without_corridor)} when nothing matches or the region owns no corridor"
    yield f"Driver per corridor with T < {number(sea.driver)} (buffer"
    leverage = scoring.energy_leverage
    yield f"countries among {' '.join(leverage.producers)}:"
    yield (
        f"0 if k = 0, {number(leverage.few)} if k < {leverage.many}, else "
        f"min(1, {number(leverage.few)} + {number(leverage.per_producer)}·k)"
    )
    short = {"coercive_pressure": "coercive", "net_balance": "net", "alliance_cohesion": "alliance"}
    for place, rule in enumerate(scoring.regime.rules, 1):
        bounds = [(axis, ">", bound) for axis, bound in rule.above.items()]
        bounds += [(axis, "<", bound) for axis, bound in rule.below.items()]
        conditions = " and ".join(f"{short[a]} {sign} {number(b)}" for a, sign, b in bounds)
        yield f"| {place} | {conditions} | `{rule.label}` |"
    mentions, actors = scoring.mentions, scoring.actors
    aliases: dict[str, list[str]] = {}
    for alias, actor in mentions.aliases:
        yield alias
        aliases.setdefault(actor, []).append(alias)
    for actor in aliases:
        yield f"→ {actor}"
    for domain, words in mentions.domains.items():
        yield f"{domain} if {'the text has ' if domain == 'economic' else ''}{listed(words, 'or')}"
    yield f"mentions {listed((*mentions.alliance, *mentions.alliances), 'or')}."
    yield f"if the case file mentions {listed(mentions.breaking, 'or')}"
    yield (f"mentions / max({number(actors.least_mentions)}, total/{number(1 / actors.share)})")
    yield f"`aggressor` for {listed(actors.aggressors, 'or')} with the military domain"
    yield f"`stabilizer` for {', '.join(actors.stabilizers)};"
    yield {10: "the ten highest by score"}[actors.most]
    yield {5: "to its evidence, at most five"}[actors.most_evidence]
    close = number(scoring.triggers.close)
    yield f"target − {close}·|target| ≤ value"
    yield f"value ≤ target + {close}·|target|"
    yield f"at least {scoring.triggers.least_observations} of them"
    yield {0.25: "span at least a quarter of the window"}[scoring.triggers.least_span]
    lanes = scoring.scenarios
    base, *others = map(number, lanes.before.values())
    yield f"Raw score: {base} for base, else {' '.join(set(others))};"
    for words_of_trend, lane, p in (
        ("rising or escalating", "escalation", "probability if trend (any case) is rising"),
        ("falling or de-escalating", "containment", "p if falling"),
        ("stable", "base", "p if stable"),
    ):
        for word in words_of_trend.split(" or "):
            assert lanes.trends[word].lane == lane
        yield f"{lane} + {number(lanes.trends[word].weight)}·{p}"
    yield f"fragmentation + {number(lanes.breaking)}·p"
    yield f"plus {number(lanes.active_trigger)} per active trigger of the lane"
    yield f"airports: severity rank ≥ {scoring.mobility.disrupted_rank}"
    yield f"clip(flights in region / {number(scoring.mobility.full_flights)})"
    evidence = scoring.evidence
    shown = [f"{number(v)} {word}" for word, v in evidence.signal_confidence.items()]
    yield f"by its severity: {', '.join(shown)}, else {number(evidence.unknown_confidence)}"
    yield f"each risk score ≥ {number(evidence.score_from)} of a key country"
    yield f"risk-scores, confidence {number(evidence.score_confidence)}"
    yield f"supply-chain, {number(evidence.chokepoint_confidence)}, observed_at now"
    yield f"with probability ≥ {number(evidence.forecast_from)}: id"
    yield f"at most {evidence.most}; `theater`"
    change = scoring.difference
    yield f"when |Δprobability| > {number(change.scenario_jump)}"
    yield f"maritime_access fell by more than {number(change.corridor_break)}"
    yield f"when |to − from| > {number(change.leverage_shift)}"
    yield f"a buffer axis fell by more than {change.buffer_failure:.2f}"
    alerts = scoring.alerts
    yield (
        f"`regional_regime_shift` (critical when the new label is "
        f"{listed(alerts.critical_regimes, 'or')}, else {alerts.regime_shift})"
    )
    yield f"`regional_trigger_activation` ({alerts.trigger_activation}, one each)"
    yield f"`regional_corridor_break` ({alerts.corridor_break}, one each)"
    yield f"`regional_buffer_failure` ({alerts.buffer_failure}, one each)"


def listed(words: Iterable[str], last: str) -> str:
    *others, end = words
    return f"{', '.join(others)} {last} {end}"


def the_rows() -> Iterator[str]:
    """How the specification's tables begin for each row of the model."""
    for region in MODEL.regions:
        columns = (region.label, region.forecast_label or "(empty: matches every forecast)")
        yield f"| {region.id} | {' | '.join(columns)} | {', '.join(region.theaters)} | "
        yield f"| {' '.join(region.key_countries)} |"
        if region.countries:
            yield f"- {region.id}: {' '.join(sorted(region.countries))}\n"
        if region.places:
            yield f"* {region.id}: {', '.join(region.places)}\n"
    weights = MODEL.criticality
    yield f"{weights.high_weight} for {' '.join(weights.high)}; "
    yield f"{number(weights.medium_weight)} for {' '.join(weights.medium)}; "
    yield f"{number(weights.low_weight)} for any other."
    for corridor in MODEL.corridors:
        yield (
            f"| {corridor.id} | {corridor.name} | {corridor.theater} | "
            f"{corridor.chokepoint or '(none)'} | {corridor.tier} | {corridor.weight} |"
        )
        if corridor.live_id:
            yield f"`{corridor.live_id}` = {corridor.chokepoint}"
        for theater in corridor.claimed_by:
            yield f"{theater} claims {corridor.id}"
    for spec in MODEL.inputs:
        yield f"| {spec.name} | {spec.key} | {spec.max_age_minutes} "
        days, hours = divmod(spec.hold_hours, 24)
        held = f"{days} d" if days > 3 else f"{24 * days + hours} h"
        yield f" {held if spec.hold_hours else 'none'} |"
        if spec.companion:
            yield f" {spec.companion} |"
    for trigger in MODEL.triggers:
        value = number(trigger.value, ".2f") if trigger.value < 0 else number(trigger.value)
        yield (
            f"| {trigger.id} | {trigger.region} | {trigger.lane} | {trigger.metric} | "
            f"{trigger.operator} | {value} | {trigger.window_minutes} | {trigger.baseline} |"
        )
    for template in MODEL.templates:
        regions = " ".join(template.regions)
        yield f"| {template.id} · {template.trigger} · {template.corridor} · {regions} | "
        for step in template.steps:
            yield (
                f"{step.severity[0].upper()} {step.latency_hours} {step.asset_class} "
                f"{number(step.low)} {number(step.high)} {step.unit} {step.confidence:.2f} ("
            )


def test_the_specification_has_the_numbers_of_the_built_in_model() -> None:
    specification = SPECIFICATION.read_text(encoding="utf-8")
    words = [*the_words(MODEL.scoring), *the_rows()]
    assert [found for found in words if found not in specification] == []


def test_every_number_of_the_scoring_is_compared_with_the_specification() -> None:
    """Each of them, changed alone, makes another sentence."""
    said = list(the_words(MODEL.scoring))
    unsaid = []
    for path, changed in changed_numbers(MODEL.scoring):
        # A name that the sentences do not know is another sentence as well.
        with suppress(KeyError, AssertionError):
            if list(the_words(changed)) == said:
                unsaid.append(path)
    dormant = {"coercive_pressure.vessels", "capital_stress.sanctions"}
    assert {path for path in unsaid if path.rpartition(".")[0] not in dormant} == NOT_READ


# Defaults that nothing reads: the term is a sum over records, which is 0 without any.
NOT_READ = {
    f"{axis}.{name}.default"
    for axis, names in {
        "coercive_pressure": ("severity", "signals", "forecasts"),
        "domestic_fragility": ("average", "quantile", "worst"),
        "capital_stress": ("stress",),
        "energy_vulnerability": ("imports",),
        "alliance_cohesion": ("references",),
        "maritime_access": ("passage",),
    }.items()
    for name in names
}


def changed_numbers(value: Any) -> Iterator[tuple[str, Any]]:
    """Each number below `value`, by its path, and a copy of `value` in which it is another."""
    for name in value.__struct_fields__:
        found = getattr(value, name)
        if isinstance(found, bool | str | tuple | dict):
            continue
        if isinstance(found, int | float):
            other = found / 2 if found and isinstance(found, float) else found + 1
            yield name, replace(value, **{name: other})
        else:
            for path, changed in changed_numbers(found):
                yield f"{name}.{path}", replace(value, **{name: changed})
