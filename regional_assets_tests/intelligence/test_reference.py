"""The reference tables are whole, and say what the libraries say that they were made from: those
of the group `reference`, which `make reference` installs."""

import csv
from pathlib import Path
from typing import Any

import pytest

import regional_assets
from regional_assets_tests.support.built_in import REGIONS

REFERENCE = Path(regional_assets.__file__).parent / "intelligence" / "reference"


@pytest.fixture(scope="module")
def made() -> Any:
    """The functions that make the tables."""
    return pytest.importorskip("scripts.make_reference")


def table(name: str) -> dict[str, str]:
    with (REFERENCE / name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    return {key: iso2 for key, iso2 in rows[1:]}  # noqa: C416 - rows of two, checked here


def test_the_tables_are_whole() -> None:
    countries = {iso2 for region in REGIONS.values() for iso2 in region.countries}
    # The Channel Islands have a code of the World Bank's only.
    assert countries - set(table("country_names.csv").values()) == {"JG"}
    assert len(table("icao_prefixes.csv")) > 250
    assert len(table("us_states.csv")) == 2 * 51


# countryguess leaves the file of its data to the garbage collector to close.
@pytest.mark.filterwarnings("ignore:.*_countrydata.json:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed file.*_countrydata.json:ResourceWarning")
@pytest.mark.parametrize("name", ["country_names", "icao_prefixes", "subregions", "us_states"])
def test_the_libraries_agree(made: Any, name: str) -> None:
    """A newer library may know more names; none may mean another country."""
    kept, source = table(f"{name}.csv"), getattr(made, name)()
    assert {key: source.get(key, value) for key, value in kept.items()} == kept
