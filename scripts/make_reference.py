"""Writes `regional_assets/intelligence/reference/` from the libraries that know these things.

Country names come from `countryinfo` and `countryguess`, ICAO prefixes from `airportsdata`. The
tables are kept in the repository because a run has no use for three libraries and 28,000 airports
to learn what a few hundred rows say. `make reference` runs this; a test compares the tables with
the libraries.
"""

import csv
import re
from collections import Counter, defaultdict
from pathlib import Path

import airportsdata
import countryguess
from countryinfo import all_countries

from regional_assets.intelligence.gazetteer import normalise
from regional_assets.intelligence.geography import region_of_country

REFERENCE = Path(__file__).parent.parent / "regional_assets" / "intelligence" / "reference"


def country_names() -> dict[str, str]:
    """Normalised name or code → ISO2, for the countries of the regions; none that is ambiguous."""
    codes_of: dict[str, set[str]] = defaultdict(set)
    own_codes: dict[str, str] = {}
    for country in all_countries():
        iso2, iso3 = country.iso().get("alpha2", ""), country.iso().get("alpha3", "")
        own_codes |= {normalise(iso2): iso2, normalise(iso3): iso2}
        for name in (country.name(), *country.alt_spellings()):
            codes_of[normalise(name)].add(iso2)
    for entry in countryguess.CountryData().countries:
        iso2 = entry["iso2"]
        own_codes |= {normalise(iso2): iso2, normalise(entry["iso3"]): iso2}
        for name in (entry["name_short"], entry["name_official"]):
            codes_of[normalise(name)].add(iso2)
    names = {name: codes.pop() for name, codes in codes_of.items() if len(codes) == 1}
    return {
        name: iso2
        for name, iso2 in sorted((names | own_codes).items())
        if name and region_of_country(iso2)
    }


def icao_prefixes() -> dict[str, str]:
    """First two letters of an ICAO location indicator → ISO2 of most airports that have them."""
    countries: dict[str, Counter[str]] = defaultdict(Counter)
    for icao, airport in airportsdata.load("ICAO").items():
        # The source also lists local identifiers of small US fields, most of them with digits,
        # and counts Puerto Rico's fields as US ones.
        local = airport["country"] == "US" and icao[0] not in "KP"
        if re.fullmatch("[A-Z]{4}", icao) and not local:
            countries[icao[:2]][airport["country"]] += 1
    prefixes = {prefix: count.most_common(1)[0][0] for prefix, count in countries.items()}
    return {p: iso2 for p, iso2 in sorted(prefixes.items()) if region_of_country(iso2)}


def write(name: str, columns: tuple[str, str], rows: dict[str, str]) -> None:
    with (REFERENCE / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows.items())


if __name__ == "__main__":
    write("country_names.csv", ("name", "iso2"), country_names())
    write("icao_prefixes.csv", ("prefix", "iso2"), icao_prefixes())
