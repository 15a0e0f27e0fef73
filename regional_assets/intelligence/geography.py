"""The eight regions, their countries and corridors: the one source of truth (SPEC 1)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

GEOGRAPHY_VERSION = "1.0.0"


class UnknownRegionError(ValueError):
    """A region id that is not one of the eight; the message names those that are."""


@dataclass(frozen=True, slots=True)
class Corridor:
    """A shipping corridor; `weight` is its share in maritime access, `chokepoint` its feed id."""

    id: str
    theater: str
    chokepoint: str | None
    tier: int
    weight: float


@dataclass(frozen=True, slots=True)
class Region:
    """A region; countries are ISO 3166 alpha-2 codes (World Bank's for JG and XK)."""

    id: str
    label: str
    forecast_label: str
    theaters: tuple[str, ...]
    aliases: tuple[str, ...]
    key_countries: tuple[str, ...]
    countries: frozenset[str]
    corridors: tuple[Corridor, ...]


CORRIDORS: tuple[Corridor, ...] = (
    Corridor("hormuz", "persian-gulf", "hormuz", 1, 1.0),
    Corridor("suez", "red-sea", "suez", 1, 1.0),
    Corridor("babelm", "red-sea", "babelm", 1, 0.9),
    Corridor("taiwan-strait", "east-asia", "taiwan_strait", 1, 0.9),
    Corridor("bosphorus", "eastern-europe", "bosphorus", 1, 0.7),
    Corridor("malacca", "southeast-asia", "malacca", 2, 0.8),
    Corridor("panama", "north-america", "panama", 2, 0.6),
    Corridor("danish", "baltic", "danish", 2, 0.5),
    Corridor("cape-of-good-hope", "southern-africa", "cape_of_good_hope", 3, 0.4),
    Corridor("south-china-sea", "southeast-asia", None, 3, 0.6),
    Corridor("english-channel", "western-europe", "dover_strait", 3, 0.4),
)

# Theaters that also claim a corridor that lies in another theater.
_CLAIMS = {"horn-of-africa": "babelm", "caribbean": "panama"}

_LIVE_CHOKEPOINT_IDS = {
    "hormuz_strait": "hormuz",
    "bab_el_mandeb": "babelm",
    "malacca_strait": "malacca",
}


def _region(
    id: str,
    label: str,
    forecast_label: str,
    theaters: str,
    aliases: tuple[str, ...],
    key_countries: str,
    countries: str,
) -> Region:
    own = tuple(theaters.split())
    claimed = {_CLAIMS[theater] for theater in own if theater in _CLAIMS}
    return Region(
        id=id,
        label=label,
        forecast_label=forecast_label,
        theaters=own,
        aliases=aliases,
        key_countries=tuple(key_countries.split()),
        countries=frozenset(countries.split()),
        corridors=tuple(c for c in CORRIDORS if c.theater in own or c.id in claimed),
    )


REGIONS: Mapping[str, Region] = MappingProxyType(
    {
        region.id: region
        for region in (
            _region(
                "mena",
                "Middle East & North Africa",
                "Middle East",
                "levant persian-gulf red-sea north-africa",
                ("middle east", "mena"),
                "SA IR IL AE EG IQ TR YE SY PS LB LY",
                "AE BH DJ DZ EG IL IQ IR JO KW LB LY MA MT OM PS QA SA SY TN TR YE",
            ),
            _region(
                "east-asia",
                "East Asia & Pacific",
                "East Asia",
                "east-asia southeast-asia",
                ("asia pacific", "apac"),
                "CN JP KR TW AU SG ID",
                "AS AU BN CN FJ FM GU HK ID JP KH KI KP KR LA MH MM MN MO MP MY NC NR NZ PF PG "
                "PH PW SB SG TH TL TO TV TW VN VU WS",
            ),
            _region(
                "europe",
                "Europe & Central Asia",
                "Europe",
                "eastern-europe western-europe baltic arctic",
                ("europe", "european union"),
                "DE FR GB UA RU PL IT",
                "AD AL AM AT AZ BA BE BG BY CH CY CZ DE DK EE ES FI FO FR GB GE GI GL GR HR HU "
                "IE IM IS IT JG KG KZ LI LT LU LV MC MD ME MK NL NO PL PT RO RS RU SE SI SK SM "
                "TJ TM UA UZ XK",
            ),
            _region(
                "north-america",
                "North America",
                "North America",
                "north-america",
                (),
                "US CA MX",
                "BM CA MX US",
            ),
            _region(
                "south-asia",
                "South Asia",
                "South Asia",
                "south-asia",
                (),
                "IN PK BD LK AF",
                "AF BD BT IN LK MV NP PK",
            ),
            _region(
                "latam",
                "Latin America & Caribbean",
                "Latin America",
                "latin-america caribbean",
                ("latam",),
                "BR AR CO CL VE PE HT CU",
                "AG AR AW BB BO BR BS BZ CL CO CR CU CW DM DO EC GD GT GY HN HT JM KN KY LC MF "
                "NI PA PE PR PY SR SV SX TC TT UY VC VE VG VI",
            ),
            _region(
                "sub-saharan-africa",
                "Sub-Saharan Africa",
                "Africa",
                "horn-of-africa sahel southern-africa central-africa",
                ("sub-saharan africa", "subsaharan africa"),
                "NG ZA KE ET SD CD ML BF NE CM",
                "AO BF BI BJ BW CD CF CG CI CM CV ER ET GA GH GM GN GQ GW KE KM LR LS MG ML MR "
                "MU MW MZ NA NE NG RW SC SD SL SN SO SS ST SZ TD TG TZ UG ZA ZM ZW",
            ),
            _region(
                "global",
                "Global",
                "",
                "global-markets",
                ("global",),
                "US CN RU DE JP IN GB SA",
                "",
            ),
        )
    }
)

REGION_IDS: tuple[str, ...] = tuple(REGIONS)
GLOBAL = "global"

_CRITICALITY = dict.fromkeys("IR OM AE SA EG YE CN TW TR US RU CA".split(), 1.0) | dict.fromkeys(
    "MY SG ID PA DK DE FR GB JP IN BR MX KR IL IQ KW QA NG AU".split(), 0.6
)

_REGION_OF_COUNTRY = {
    country: region.id for region in REGIONS.values() for country in region.countries
}

_REGIONS_OF_KEY_COUNTRY = {
    country: tuple(region.id for region in REGIONS.values() if country in region.key_countries)
    for keyed in REGIONS.values()
    for country in keyed.key_countries
}


def checked_regions(ids: Iterable[str]) -> tuple[str, ...]:
    """`ids` without repeats; raises one `UnknownRegionError` that names all unknown ones."""
    chosen = tuple(dict.fromkeys(ids))
    unknown = [id for id in chosen if id not in REGIONS]
    if unknown:
        raise UnknownRegionError(
            f"unknown region {', '.join(map(repr, unknown))}; the regions are "
            + ", ".join(REGION_IDS)
        )
    return chosen


def criticality(country: str) -> float:
    """How much a country weighs in domestic fragility: 1.0, 0.6 or 0.3."""
    return _CRITICALITY.get(country, 0.3)


def region_of_country(iso2: str) -> str | None:
    """The region whose country table lists `iso2`, if any."""
    return _REGION_OF_COUNTRY.get(iso2)


def regions_of_key_country(iso2: str) -> tuple[str, ...]:
    """The regions that `iso2` is a key country of."""
    return _REGIONS_OF_KEY_COUNTRY.get(iso2, ())


def region_of_position(lat: float, lon: float) -> str | None:
    """The region of a position in degrees: the first box of SPEC 4 that holds it decides."""
    if 12 <= lat <= 42 and 20 <= lon <= 63:
        return "mena"
    if 35 <= lat <= 72 and -10 <= lon <= 60:
        return "europe"
    if -35 <= lat <= 20 and -18 <= lon <= 52:
        return "sub-saharan-africa"
    if 5 <= lat <= 38 and 60 <= lon <= 97:
        return "south-asia"
    if -45 <= lat <= 55 and 90 <= lon <= 180:
        return "east-asia"
    if 16 <= lat <= 75 and -170 <= lon <= -50:
        return "north-america"
    # It alone leaves its northern bound to its neighbour.
    if -56 <= lat < 16 and -120 <= lon <= -34:
        return "latam"
    return None


def chokepoint_id(live_id: str) -> str:
    """A chokepoint's id in the spelling of the corridor table, whatever the feed spells."""
    return _LIVE_CHOKEPOINT_IDS.get(live_id, live_id)
