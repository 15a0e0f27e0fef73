"""Places → regions (SPEC 1)."""

import csv
from pathlib import Path

import pytest

from regional_assets.errors import UnknownRegionError
from regional_assets.intelligence.gazetteer import _any_of
from regional_assets.intelligence.geography import CORRIDORS, Region
from regional_assets_tests.support.built_in import MODEL, REGIONS

gazetteer = MODEL.gazetteer

with (Path(__file__).parents[1] / "cases" / "places.csv").open(encoding="utf-8") as cases:
    PLACES = [(row["name"], set(row["regions"].split())) for row in csv.DictReader(cases)]


def forecast_regions(text: str) -> tuple[str, ...]:
    return gazetteer.with_every_forecast(gazetteer.forecast_named(text))


@pytest.mark.parametrize(("name", "regions"), PLACES)
def test_names_as_public_lists_write_them(name: str, regions: set[str]) -> None:
    assert set(gazetteer.signal_regions(name)) == regions
    assert set(forecast_regions(name)) == regions | {"global"}


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("USA", "north-america"),
        ("UK", "europe"),
        ("UAE", "mena"),
        ("South Korea", "east-asia"),
        ("DR Congo (Zaire)", "sub-saharan-africa"),
        ("Myanmar (Burma)", "east-asia"),
        ("Turkey", "mena"),
        ("Türkiye", "mena"),
        ("Ivory Coast", "sub-saharan-africa"),
        ("Côte d’Ivoire", "sub-saharan-africa"),
        ("UA", "europe"),
        ("irn", "mena"),
        ("south_korea", "east-asia"),
        (" Taiwan ", "east-asia"),
        ("Kosovo", "europe"),
        ("Russia (Soviet Union)", "europe"),
        ("Yemen (North Yemen)", "mena"),
        ("Pakistan", "south-asia"),
        ("Mexico", "north-america"),
        ("Bosnia-Herzegovina", "europe"),
        ("Indo-Pacific", "east-asia"),
        ("Turkey-Caucasus", "mena"),
        ("Western Pacific", "east-asia"),
        ("black sea", "europe"),
        ("North Africa", "mena"),
        ("Global Markets", "global"),
    ],
)
def test_exact_names(name: str, region: str) -> None:
    assert gazetteer.places(name) == (region,)
    assert gazetteer.signal_regions(name) == (region,)


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("Sarajevo, Bosnia and Herzegovina", "europe"),
        ("Goma, North Kivu, Democratic Republic of Congo", "sub-saharan-africa"),
        # A postal code comes before a country's code, a state in the US before anything.
        ("Chicago, IL", "north-america"),
        ("Paris, FR", "europe"),
        ("Lebanon, Tennessee", "north-america"),
        ("Georgia, United States", "north-america"),
        # Two answers are none.
        ("Tbilisi, Georgia", None),
        ("Iran, Russia", None),
        ("Puerto Rico, USA", None),
        ("Atlanta, Georgia (US)", None),
        # A country and its own code are one answer.
        ("Israel, IL", "mena"),
        ("Germany, DE", "europe"),
        # Neither a name nor a place.
        ("Kabul, somewhere", None),
        (", Chile", "latam"),
        (",", None),
    ],
)
def test_the_last_comma(text: str, region: str | None) -> None:
    assert gazetteer.places(text) == ((region,) if region else ())


def test_a_state_of_the_us_in_brackets_is_no_country() -> None:
    assert gazetteer.places("Georgia") == gazetteer.places("Georgia, Armenia") == ("europe",)
    assert gazetteer.places("Georgia (US)") == gazetteer.places("Georgia (U.S. state)") == ()


@pytest.mark.parametrize("region", REGIONS.values(), ids=lambda region: region.id)
def test_a_label_is_the_name_of_its_region_alone(region: Region) -> None:
    assert gazetteer.signal_regions(region.label) == (region.id,)
    assert gazetteer.forecast_named(region.label) == (region.id,)


def test_words_of_containment_may_end_in_punctuation() -> None:
    assert _any_of("Zone (9)").search("near zone (9) and beyond")
    assert not _any_of("arctic").search("antarctica")


def test_every_row_of_the_table_can_be_found() -> None:
    names = MODEL.tables.table("country_names")
    assert [name for name in names if gazetteer.country(name) != names[name]] == []


def test_a_name_listed_twice_belongs_to_both() -> None:
    assert set(gazetteer.places("Panama Canal")) == {"north-america", "latam"}
    assert set(gazetteer.places("Bab el-Mandeb")) == {"mena", "sub-saharan-africa"}


@pytest.mark.parametrize(
    "text",
    ["Tirana", "Gulf of Oman", "East China Sea", "Iran-Iraq border", "", "Other", "toString"],
)
def test_a_part_of_a_name_is_no_name(text: str) -> None:
    assert gazetteer.places(text) == ()


@pytest.mark.parametrize(
    ("text", "regions"),
    [
        ("the Persian-Gulf area", {"mena"}),
        ("Horn of Africa corridor", {"sub-saharan-africa"}),
        ("European Union", {"europe"}),
        ("latin-america", {"latam"}),
        ("LATAM", {"latam"}),
        ("east-asia and southeast asia", {"east-asia"}),
        ("Mars", set()),
        ("   ", set()),
        ("x" * 300 + " the Levant", {"mena"}),
        (" " * 300 + "Iran", {"mena"}),
    ],
)
def test_containment_of_signals(text: str, regions: set[str]) -> None:
    assert set(gazetteer.signal_regions(text)) == regions


@pytest.mark.parametrize(
    ("text", "regions"),
    [
        ("Middle East / Gulf", {"mena", "global"}),
        ("Southern Africa", {"sub-saharan-africa", "global"}),
        ("Middle East, North Africa, Afghanistan & Pakistan", {"mena", "global"}),
        ("Near East and Northern Africa", {"global"}),
        ("Europe and Africa", {"europe", "sub-saharan-africa", "global"}),
        ("Iran", {"mena", "global"}),
        ("Americas", {"north-america", "global"}),
        ("", {"global"}),
        ("Global", {"global"}),
        ("Moon", {"global"}),
    ],
)
def test_forecasts(text: str, regions: set[str]) -> None:
    found = forecast_regions(text)
    assert set(found) == regions
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("icao", "region"),
    [("OIIE", "mena"), ("LTFM", "mena"), ("ENGM", "europe"), ("KJFK", "north-america"),
     ("MMMX", "north-america"), ("VHHH", "east-asia"), ("FBSK", "sub-saharan-africa"),
     ("SBGR", "latam"), ("VIDP", "south-asia"), ("Q000", None), ("", None),
     # South Sudan; then places that belong to France, Britain and the Netherlands.
     ("HJJJ", "sub-saharan-africa"), ("TFFR", "latam"), ("SOCA", "latam"), ("NTAA", "east-asia"),
     ("NLWW", "east-asia"), ("FMEE", "sub-saharan-africa"), ("FHAW", "sub-saharan-africa"),
     ("TXKF", "north-america"), ("TNCC", "latam"), ("TRPG", "latam"), ("SFAL", "latam")],
)  # fmt: skip
def test_icao_prefixes(icao: str, region: str | None) -> None:
    assert gazetteer.icao_region(icao) == region


def test_corridors_of_a_region() -> None:
    def ids(region: str) -> list[str]:
        return [c.id for c in MODEL.geography.corridors_of[region]]

    assert ids("mena") == ["hormuz", "suez", "babelm"]
    assert ids("sub-saharan-africa") == ["babelm", "cape-of-good-hope"]
    assert ids("latam") == ["panama"]
    assert ids("europe") == ["bosphorus", "danish", "english-channel"]
    assert ids("global") == ids("south-asia") == []
    assert len(CORRIDORS) == 11


def test_no_country_is_in_two_regions() -> None:
    countries = [c for region in REGIONS.values() for c in region.countries]
    assert len(countries) == len(set(countries)) >= 218


def test_unknown_regions_are_one_error_that_names_them_all() -> None:
    with pytest.raises(UnknownRegionError, match="'atlantis', '__class__'; the regions are mena,"):
        MODEL.checked_regions(["mena", "atlantis", "__class__"])
    assert MODEL.checked_regions(["mena", "mena"]) == ("mena",)
