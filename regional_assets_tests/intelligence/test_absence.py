"""Taking inputs away never makes news, and putting them back as they were does not either; a real
change elsewhere comes through (SPEC 2.4). Over single inputs, all pairs and random choices, in many
worlds, without Redis: what a run reads is given as values."""

import random
from collections.abc import Collection, Iterator, Mapping
from itertools import combinations
from typing import Any

import pytest

from regional_assets.intelligence.inputs import StoredValue
from regional_assets.intelligence.last_words import LastWords, Memory
from regional_assets.intelligence.model import BUILT_IN
from regional_assets.intelligence.snapshot import Snapshot, assess, complete, region_content
from regional_assets.intelligence.timing import DAY_MS, HOUR_MS
from regional_assets.intelligence.world import worlds
from regional_assets_tests.support.waiting import LONG
from regional_assets_tests.support.worlds import (
    KEY,
    NOW,
    as_previous,
    encoded,
    golden_cases,
    sample_values,
)

COMPANION = {spec.key: spec.companion for spec in BUILT_IN.inputs}


class Store:
    """What runs leave for the next: memory of inputs, observations, the previous snapshots."""

    def __init__(self) -> None:
        self.words: dict[str, LastWords] = {}
        self.previous: dict[str, Snapshot] = {}
        self.observed: dict[str, list[tuple[int, float]]] = {}
        self.runs = 0

    def run(self, stored: Mapping[str, StoredValue], now: int) -> dict[str, Snapshot]:
        memory = Memory({key: words.seen for key, words in self.words.items()}, self.words)
        published, decided = worlds(BUILT_IN, stored, now, memory)
        assessment = assess(published, self.observed, decided)
        self.runs += 1
        made = {
            region: complete(
                region_content(assessment, region),
                as_previous(self.previous.get(region)),
                f"{self.runs}-{region}",
            )
            for region in BUILT_IN.region_ids
        }
        for state in published.inputs.values():
            value = stored.get(state.spec.key)
            if state.present and value is not None and value.data is not None:
                beside = stored.get(state.spec.companion)
                self.words[state.spec.key] = LastWords(
                    value.data, beside.data if beside else None, now
                )
        for trigger in BUILT_IN.trailing_triggers:
            seen = made[trigger.region].observations
            if trigger.metric in seen:
                self.observed.setdefault(trigger.id, []).append((now, seen[trigger.metric]))
        self.previous = made
        return made


def without(stored: Mapping[str, StoredValue], names: Collection[str]) -> dict[str, StoredValue]:
    """The values less those inputs; their companions stay, as those of feeds do."""
    gone = {KEY[name] for name in names}
    return {key: value for key, value in stored.items() if key not in gone}


def decisions(made: Mapping[str, Snapshot]) -> dict[str, tuple[str, list[str]]]:
    return {
        region: (s.body.regime.label, sorted(t.id for t in s.body.triggers.active))
        for region, s in made.items()
    }


def news(made: Mapping[str, Snapshot]) -> list[str]:
    """What readers would hear of."""
    return [
        f"{region}: {what}"
        for region, s in made.items()
        for what in (
            *(f"alert {alert.eventType}" for alert in s.alerts),
            *(["history"] if s.history_entry else []),
            *([s.changes.trigger_reason] if s.changes.trigger_reason != "scheduled_6h" else []),
        )
    ]


def chosen() -> Iterator[tuple[str, ...]]:
    names = [spec.name for spec in BUILT_IN.inputs]
    yield from ((name,) for name in names)
    yield from combinations(names, 2)
    yield tuple(names[1:])


def many_worlds() -> dict[str, dict[str, StoredValue]]:
    found = {"sample": {k: StoredValue(v) for k, v in sample_values().items()}}
    for case in golden_cases():
        for n, step in enumerate(case.steps, 1):
            found[f"{case.name}-{n}"] = encoded(step.inputs)
    return found


WORLDS = many_worlds()


HOURS = (0.1, 6, 13, 25, 80)


def copied(store: Store) -> Store:
    other = Store()
    other.words, other.previous = dict(store.words), store.previous
    other.observed = {k: list(v) for k, v in store.observed.items()}
    return other


def told(store: Store, stored: Mapping[str, StoredValue], hours: float) -> tuple[Any, Any]:
    made = store.run(stored, NOW + int(hours * HOUR_MS))
    return news(made), decisions(made)


# With LONG some 2,000 random choices of inputs in all.
RANDOM = 85 if LONG else 8


@pytest.mark.parametrize("name", list(WORLDS))
def test_taking_away_and_putting_back_is_no_news(name: str) -> None:
    stored = WORLDS[name]
    rng = random.Random(name)
    names = [spec.name for spec in BUILT_IN.inputs]
    subsets = list(chosen()) if name == "sample" else [(name,) for name in names]
    subsets += [tuple(rng.sample(names, rng.randint(1, 16))) for _ in range(RANDOM)]
    start = Store()
    start.run(stored, NOW)
    control = copied(start)
    # With all inputs, sirens fade all the same.
    expected = {hours: told(control, stored, hours) for hours in (*HOURS, 86)}
    for gone in subsets:
        store = copied(start)
        for hours in HOURS:
            assert told(store, without(stored, gone), hours) == expected[hours], (gone, hours)
        assert told(store, stored, 86) == expected[86], gone


def changed(name: str, at: int) -> dict[str, StoredValue]:
    """A real change of that input at that time."""
    signal = {"type": "X", "theater": "Red Sea", "severity": "CRITICAL", "summary": "", "id": ""}
    values: dict[str, Any] = {
        "cross_source_signals": {
            "signals": [{**signal, "id": str(n), "detectedAt": at} for n in range(30)]
        },
        "oref_alerts": {"history": [{"timestamp": at, "alerts": [{"data": [*"abcdefghijklmno"]}]}]},
        "chokepoints": {"chokepoints": [{"id": "hormuz_strait", "threatLevel": "war_zone"}]},
        "risk_scores": {"ciiScores": [{"region": "BR", "combinedScore": 99}]},
    }
    beside = {c: {"fetchedAt": at} for c in [BUILT_IN.input_of[name].companion] if c}
    return encoded({name: {**values[name], "fetchedAt": at}, **beside})


@pytest.mark.parametrize("change", ["cross_source_signals", "oref_alerts", "chokepoints"])
@pytest.mark.parametrize("gone_for", [1, 30, 29 * 24])
def test_a_real_change_elsewhere_comes_through_at_once(change: str, gone_for: int) -> None:
    """Also of the same axis."""
    quiet = WORLDS["sample"] | encoded({change: {"fetchedAt": NOW}})
    start = Store()
    start.run(quiet, NOW)
    at = NOW + gone_for * HOUR_MS
    names = [spec.name for spec in BUILT_IN.inputs if spec.name != change]

    def heard(gone: Collection[str]) -> tuple[list[str], Any]:
        store = copied(start)
        store.run(without(quiet, gone), at - HOUR_MS // 2)
        made = store.run(without(quiet | changed(change, at), gone), at)
        return news(made), decisions(made)

    expected = heard(())
    assert any("alert" in line for line in expected[0])
    for gone in ((), *((name,) for name in names), *combinations(names[:6], 2), tuple(names)):
        assert heard(gone) == expected, gone


def test_back_with_another_value_is_one_alert_that_says_so() -> None:
    start = Store()
    quiet = WORLDS["sample"] | encoded({"cross_source_signals": {"fetchedAt": NOW}})
    start.run(quiet, NOW)
    start.run(without(quiet, ["cross_source_signals"]), NOW + 30 * HOUR_MS)
    at = NOW + 31 * HOUR_MS
    made = start.run(quiet | changed("cross_source_signals", at), at)
    shifts = [a for s in made.values() for a in s.alerts if a.eventType == "regional_regime_shift"]
    assert shifts
    for alert in shifts:
        assert alert.payload.details["after_silence_of"] == KEY["cross_source_signals"]
    again = start.run(quiet | changed("cross_source_signals", at + HOUR_MS), at + HOUR_MS)
    assert [a for s in again.values() for a in s.alerts] == []


def test_gone_for_29_days_and_back_unchanged_is_no_news() -> None:
    stored = WORLDS["sample"]
    start = Store()
    start.run(stored, NOW)
    start.run(stored, NOW + 2 * HOUR_MS)
    for name in (spec.name for spec in BUILT_IN.inputs):
        store = copied(start)
        for days in (1, 2, 10, 29):
            control = copied(store)
            now = NOW + days * DAY_MS
            expected = news(control.run(stored, now))
            assert news(store.run(without(stored, [name]), now)) == expected == [], (name, days)
        assert news(store.run(stored, NOW + 29 * DAY_MS + HOUR_MS)) == [], name


def test_what_was_never_seen_is_compared_as_its_default_and_listed() -> None:
    store = Store()
    made = store.run(without(WORLDS["sample"], ["forecasts"]), NOW)
    for snapshot in made.values():
        assert snapshot.body.meta.no_source == (KEY["forecasts"],)
        assert not snapshot.body.meta.unknown_axes
    # Its first sight takes what rests on it out of the comparison.
    seen = store.run(WORLDS["sample"], NOW + HOUR_MS // 10)
    assert [line for line in news(seen) if "alert" in line or "history" in line] == []


def test_unknown_ground_is_only_where_the_axis_reads_the_input() -> None:
    store = Store()
    store.run(WORLDS["sample"], NOW)
    gone = without(WORLDS["sample"], ["eu_gas_storage", "chokepoints"])
    made = store.run(gone, NOW + 31 * DAY_MS - HOUR_MS)
    of = {region: s.body.meta.unknown_axes or {} for region, s in made.items()}
    assert {r for r, axes in of.items() if "energy_vulnerability" in axes} <= {"europe"}
    with_corridors = {r for r, axes in of.items() if "maritime_access" in axes}
    corridors = BUILT_IN.geography.corridors_of
    assert with_corridors <= {region for region in BUILT_IN.region_ids if corridors[region]}
