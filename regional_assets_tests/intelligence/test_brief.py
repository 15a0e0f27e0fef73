"""The weekly brief: which week a brief belongs to, and what is read of a regime history."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from regional_assets.intelligence.brief import (
    STANDS,
    WEEK,
    is_of_this_week,
    lacking,
    of_the_week,
    stands,
    week_start,
    written_at,
)
from regional_assets.intelligence.stored import Transition, WeeklyBrief, read_transitions
from regional_assets_tests.support.briefs import stored_brief
from regional_assets_tests.support.worlds import NOW

HOUR = 3_600_000


def ms(day: int, hour: int = 0, minute: int = 0) -> int:
    """A moment of August 2026, whose 2nd is a Sunday."""
    return int(datetime(2026, 8, day, hour, minute, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize("now", [ms(2), ms(2, 0, 1), ms(5, 12), ms(8, 23, 59)])
def test_a_week_begins_on_sunday_at_midnight(now: int) -> None:
    assert week_start(now) == ms(2)
    assert week_start(ms(2) - 1) == ms(2) - WEEK


def test_a_brief_stands_for_six_and_a_half_days() -> None:
    assert stands(NOW, NOW)
    assert stands(NOW - STANDS + 1, NOW)
    assert not stands(NOW - STANDS, NOW)
    assert not stands(None, NOW)
    # A clock that went wrong does not block the briefs for ever.
    assert stands(NOW + 4 * 60_000, NOW)
    assert not stands(NOW + HOUR, NOW)


def test_a_brief_of_sunday_counts_for_the_whole_week() -> None:
    for now in (ms(2), ms(5), ms(8, 20)):
        assert is_of_this_week(ms(2), now)
        assert not is_of_this_week(ms(9) - WEEK - STANDS, now)
    assert not stands(ms(2), ms(8, 20))


def test_a_brief_that_was_skipped_on_sunday_counts_for_the_week() -> None:
    wednesday_before = ms(2) - 4 * 24 * HOUR
    assert stands(wednesday_before, ms(2))
    for now in (ms(2), ms(8, 20)):
        assert is_of_this_week(wednesday_before, now)
    assert not is_of_this_week(wednesday_before, ms(9))
    # Exactly those that are skipped on Sunday count.
    for at in (ms(2) - STANDS, ms(2) - STANDS + 1):
        assert is_of_this_week(at, ms(7)) is stands(at, ms(2))


def test_regions_that_lack_a_brief() -> None:
    written = {"mena": ms(2), "europe": ms(2) - STANDS, "latam": None}
    assert lacking(written, ms(8, 20)) == ["europe", "latam"]


@pytest.mark.parametrize(
    ("stored", "at"),
    [
        (None, None),
        (b"", None),
        (b"\xff", None),
        (b"[]", None),
        (b"[" * 100_000, None),
        (b'{"region_id": "mena"}', None),
        (b'{"region_id": "mena", "generated_at": "7"}', None),
        (b'{"region_id": "mena", "generated_at": NaN}', None),
        (b'{"region_id": "latam", "generated_at": 7}', None),
        # Damaged, whatever it says of its time.
        (b'{"region_id": "mena", "generated_at": 7}', None),
        (stored_brief("mena", 7 + WEEK), 7 + WEEK),
    ],
)
def test_when_a_stored_brief_was_written(stored: bytes | None, at: int | None) -> None:
    assert written_at("mena", stored) == at


@pytest.mark.parametrize("name", WeeklyBrief.__struct_fields__)
def test_a_brief_that_is_damaged_in_any_field_is_a_lacking_one(name: str) -> None:
    whole: dict[str, Any] = json.loads(stored_brief("mena", NOW))
    assert written_at("mena", json.dumps(whole).encode()) == NOW
    assert written_at("latam", json.dumps(whole).encode()) is None
    lacks = {field: value for field, value in whole.items() if field != name}
    for damaged in (lacks, whole | {name: None}, whole | {name: {}}, whole | {name: [None]}):
        at = written_at("mena", json.dumps(damaged).encode())
        assert at is None
        assert lacking({"mena": at}, NOW) == ["mena"]


def entry(**changes: Any) -> bytes:
    return json.dumps(
        {
            "region_id": "mena",
            "snapshot_id": "s",
            "label": "calm",
            "previous_label": "stressed_equilibrium",
            "transitioned_at": NOW - HOUR,
            "transition_driver": "regime_shift",
        }
        | changes
    ).encode()


def test_the_weeks_changes_newest_first_and_malformed_ones_skipped() -> None:
    changes, _ = read_transitions(
        "mena",
        [
            entry(),
            b"not JSON",
            b"[]",
            b"[" * 100_000,
            entry(label=7),
            entry(label="serene"),
            entry(previous_label="serene"),
            entry(region_id="europe"),
            entry(transitioned_at="yesterday"),
            entry(transitioned_at=1e300),
            entry(transitioned_at=NOW - WEEK, label="coercive_stalemate"),
            entry(transitioned_at=NOW - WEEK - 1),
        ],
    )
    driver = "regime_shift"
    assert of_the_week(changes, NOW) == [
        Transition("mena", "calm", "stressed_equilibrium", NOW - HOUR, driver, "s"),
        Transition("mena", "coercive_stalemate", "stressed_equilibrium", NOW - WEEK, driver, "s"),
    ]
