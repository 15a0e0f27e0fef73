"""Which entries of the siren feed are sirens (SPEC 2.6)."""

from typing import Any

import pytest

from regional_assets_tests.support.worlds import NOW, world_of

MINUTE = 60_000
PLACES = [f"Town {n}" for n in range(200)]


def count(*alerts: Any, age: float = 1, **fields: Any) -> float:
    return counts((age, alerts), **fields)


def counts(*waves: tuple[float, Any], **fields: Any) -> float:
    history = [{"timestamp": NOW - a * MINUTE, "alerts": list(alerts)} for a, alerts in waves]
    return world_of(oref_alerts={"history": history, **fields}).active_sirens


def alert(**fields: Any) -> dict[str, Any]:
    return {"id": "n-1", "cat": "ROCKET", "title": "Rocket fire", "data": PLACES[:2], **fields}


@pytest.mark.parametrize(
    "cat", ["MISSILE", "MISSILES", "ROCKET", "DRONE", "MORTAR", "INFILTRATION", "ALERT", "alert"]
)
def test_take_shelter_now(cat: str) -> None:
    assert count(alert(cat=cat, title="")) == 2


@pytest.mark.parametrize("cat", ["EARTHQUAKE", "TSUNAMI", "HAZMAT", "NEWSFLASH", "DRILL"])
def test_no_attack(cat: str) -> None:
    assert count(alert(cat=cat, title="", data=PLACES)) == 0


@pytest.mark.parametrize(
    "title",
    [
        "The event has ended", "האירוע הסתיים", "ניתן לצאת מהמרחב המוגן", "All clear",
        "In the next few minutes alerts are expected in your area",
        "בדקות הקרובות צפויות להתקבל התרעות באזורך", "תרגיל ירי רקטות וטילים", "Drill: rockets",
        "רעידת אדמה", "Earthquake",
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", ["title", "titleHe", "desc"])
@pytest.mark.parametrize("cat", ["ALERT", "1", "10", "13", None])
def test_words_decide_whatever_the_category(title: str, field: str, cat: str | None) -> None:
    assert count({"id": "1", "cat": cat, field: title, "data": PLACES}) == 0


@pytest.mark.parametrize(
    ("number", "live", "history"),
    [
        (1, True, True), (2, True, True), (3, False, True), (6, True, False), (7, False, False),
        (10, False, True), (13, True, False), (14, False, False), (101, False, False),
    ],
)  # fmt: skip
def test_numbers_of_both_feeds(number: int, live: bool, history: bool) -> None:
    for cat in (number, str(number)):
        assert count(alert(cat=cat, title="", date="2026-09-21T14:00:00Z")) == 2 * live
        assert count(alert(cat=cat, title="", alertDate="2026-09-21 17:00:00")) == 2 * history


@pytest.mark.parametrize(("cat", "label"), [("42", "category 42"), ("BALLOON", "category BALLOON")])
def test_unknown_categories_are_skipped_and_named(cat: str, label: str) -> None:
    history = [{"timestamp": NOW, "alerts": [alert(cat=cat, title="")]}]
    world = world_of(oref_alerts={"history": history})
    assert world.active_sirens == 0
    tally = world.tallies["oref_alerts"]
    assert (tally.skipped, tally.labels) == (1, [label])


def test_a_locality_counts_once() -> None:
    assert count(alert(), alert(id="n-2")) == 2
    assert counts((30, [alert()]), (1, [alert(id="n-2", data=PLACES[1:4])])) == 4


def test_an_alert_counts_in_its_first_wave_alone() -> None:
    assert counts((70, [alert()]), (50, [alert()]), (1, [alert()])) == 0
    # Another one in the same places does count.
    assert counts((70, [alert()]), (1, [alert(id="n-2")])) == 2


def test_both_sources_of_one_siren_are_one() -> None:
    names = ["אשקלון - דרום", "זיקים"]
    main = alert(source="tzeva-adom", data=["Ashkelon South", "Zikim"], dataHe=names)
    official = alert(id="9", cat="1", source="oref-direct", data=names, title="ירי רקטות וטילים")
    assert count(main, official) == 2


def test_tests_of_the_source_are_none() -> None:
    assert count(alert(data=["בדיקה מחזורית", "Town 1"])) == 1


def test_counters_count_only_where_no_wave_has_a_time() -> None:
    over = alert(title="Event ended", data=PLACES)
    assert count(over, activeAlertCount=200, historyCount24h=200) == 0
    assert world_of(oref_alerts={"history": [], "activeAlertCount": 12}).active_sirens == 12


@pytest.mark.parametrize("data", [None, "Town", 7])
def test_an_entry_without_a_list_of_places_is_one(data: Any) -> None:
    assert count(alert(data=data), alert(id="n-2", data=data)) == 2


def test_whatever_an_entry_holds_it_is_read() -> None:
    odd: list[Any] = [None, 7, {}, {"id": {}, "cat": [], "title": 5, "data": [None, {}, 3]}]
    assert count(*odd) >= 0


def test_a_siren_whose_description_says_when_it_will_be_over_counts() -> None:
    assert count(alert(desc="Stay in the shelter until the event has ended")) == 2


@pytest.mark.parametrize("cat", ["missilesDrill", "MISSILE_ENDED", "ROCKET_EARLY_WARNING"])
def test_a_word_that_says_it_is_none_is_none(cat: str) -> None:
    assert count(alert(cat=cat, title="")) == 0


def test_ids_and_words_as_they_come() -> None:
    assert count(alert(cat=None, category=13, title="")) == 0
    assert count(alert(cat=" alert ", title="")) == 2
    assert count(alert(title="Extended rocket fire")) == 2
    assert counts((70, [alert(id=5)]), (1, [alert(id=5)])) == 0
    # A warning in advance under the id of the siren that follows.
    assert counts((9, [alert(cat="10", title="")]), (1, [alert(cat="1", title="")])) == 2
