"""Places → regions (SPEC 1)."""

import pytest

from regional_assets.intelligence import gazetteer
from regional_assets.intelligence.geography import (
    CORRIDORS,
    REGIONS,
    UnknownRegionError,
    checked_regions,
)


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
        ("Iran", {"mena", "global"}),
        ("Americas", {"north-america", "global"}),
        ("", {"global"}),
        ("Global", {"global"}),
        ("Moon", {"global"}),
    ],
)
def test_forecasts(text: str, regions: set[str]) -> None:
    found = gazetteer.forecast_regions(text)
    assert set(found) == regions
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("icao", "region"),
    [("OIIE", "mena"), ("LTFM", "mena"), ("ENGM", "europe"), ("KJFK", "north-america"),
     ("MMMX", "north-america"), ("VHHH", "east-asia"), ("FBSK", "sub-saharan-africa"),
     ("SBGR", "latam"), ("VIDP", "south-asia"), ("Q000", None), ("", None)],
)  # fmt: skip
def test_icao_prefixes(icao: str, region: str | None) -> None:
    assert gazetteer.icao_region(icao) == region


def test_corridors_of_a_region() -> None:
    def ids(region: str) -> list[str]:
        return [c.id for c in REGIONS[region].corridors]

    assert ids("mena") == ["hormuz", "suez", "babelm"]
    assert ids("sub-saharan-africa") == ["babelm", "cape-of-good-hope"]
    assert ids("latam") == ["panama"]
    assert ids("europe") == ["bosphorus", "danish", "english-channel"]
    assert ids("global") == ids("south-asia") == []
    assert len(CORRIDORS) == 11


def test_no_country_is_in_two_regions() -> None:
    countries = [c for region in REGIONS.values() for c in region.countries]
    assert len(countries) == len(set(countries)) == 218


def test_unknown_regions_are_one_error_that_names_them_all() -> None:
    with pytest.raises(UnknownRegionError, match="'atlantis', '__class__'; the regions are mena,"):
        checked_regions(["mena", "atlantis", "__class__"])
    assert checked_regions(["mena", "mena"]) == ("mena",)
