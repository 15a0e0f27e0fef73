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
from regional_assets.intelligence.timing import HOUR_MS
from regional_assets.intelligence.world import worlds
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


@pytest.mark.parametrize("name", list(WORLDS))
def test_taking_away_and_putting_back_is_no_news(name: str) -> None:
    stored = WORLDS[name]
    rng = random.Random(name)
    names = [spec.name for spec in BUILT_IN.inputs]
    subsets = list(chosen()) if name == "sample" else [(name,) for name in names]
    subsets += [tuple(rng.sample(names, rng.randint(1, 16))) for _ in range(40)]
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
