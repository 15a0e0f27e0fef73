"""The reference tables say what the libraries say that they were made from."""

import csv

import pytest

from regional_assets_tests.support.built_in import REGIONS
from scripts.make_reference import (
    REFERENCE,
    country_names,
    icao_prefixes,
    subregions,
    us_states,
)


def table(name: str) -> dict[str, str]:
    with (REFERENCE / name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    return {key: iso2 for key, iso2 in rows[1:]}  # noqa: C416 - rows of two, checked here


# countryguess leaves the file of its data to the garbage collector to close.
@pytest.mark.filterwarnings("ignore:.*_countrydata.json:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed file.*_countrydata.json:ResourceWarning")
def test_country_names() -> None:
    kept, source = table("country_names.csv"), country_names()
    # A newer library may know more names; none may mean another country.
    assert {name: source.get(name, iso2) for name, iso2 in kept.items()} == kept
    countries = {iso2 for region in REGIONS.values() for iso2 in region.countries}
    # The Channel Islands have a code of the World Bank's only.
    assert countries - set(kept.values()) == {"JG"}


def test_icao_prefixes() -> None:
    kept, source = table("icao_prefixes.csv"), icao_prefixes()
    assert {prefix: source.get(prefix, iso2) for prefix, iso2 in kept.items()} == kept
    assert len(kept) > 250


def test_subregions_and_states() -> None:
    for name, source in (("subregions.csv", subregions()), ("us_states.csv", us_states())):
        kept = table(name)
        assert {key: source.get(key, value) for key, value in kept.items()} == kept
    assert len(table("us_states.csv")) == 2 * 51
