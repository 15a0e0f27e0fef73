"""Regions, their countries, places and corridors: the built-in tables, and the look-ups that any
such tables give (SPEC 1)."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, NamedTuple

import msgspec

from regional_assets.intelligence.scoring import Words


class Corridor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A shipping corridor; `name` stands for it in texts, `weight` is its share in maritime access.
    `chokepoint` is its id in what is written ("": it has no feed), `live_id` in the feeds where
    that differs; `claimed_by` are theaters that own it besides its own."""

    id: str
    name: str
    theater: str
    chokepoint: str
    tier: int
    weight: Annotated[float, msgspec.Meta(gt=0)]
    live_id: str = ""
    claimed_by: Words = ()


CORRIDORS: tuple[Corridor, ...] = (
    Corridor("hormuz", "Strait of Hormuz", "persian-gulf", "hormuz", 1, 1.0, "hormuz_strait"),
    Corridor("suez", "Suez Canal", "red-sea", "suez", 1, 1.0),
    Corridor(
        *("babelm", "Bab el-Mandeb", "red-sea", "babelm", 1, 0.9, "bab_el_mandeb"),
        claimed_by=("horn-of-africa",),
    ),
    Corridor("taiwan-strait", "Taiwan Strait", "east-asia", "taiwan_strait", 1, 0.9),
    Corridor("bosphorus", "Bosphorus", "eastern-europe", "bosphorus", 1, 0.7),
    Corridor("malacca", "Strait of Malacca", "southeast-asia", "malacca", 2, 0.8, "malacca_strait"),
    Corridor(
        "panama", "Panama Canal", "north-america", "panama", 2, 0.6, claimed_by=("caribbean",)
    ),
    Corridor("danish", "Danish Straits", "baltic", "danish", 2, 0.5),
    Corridor(
        "cape-of-good-hope", "Cape of Good Hope", "southern-africa", "cape_of_good_hope", 3, 0.4
    ),
    Corridor("south-china-sea", "South China Sea", "southeast-asia", "", 3, 0.6),
    Corridor("english-channel", "English Channel", "western-europe", "dover_strait", 3, 0.4),
)


# The mean of countries that all weigh nothing is not known.
_Weight = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Criticality(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much a country weighs in domestic fragility (SPEC 1.2): `high` and `medium` list the
    countries that weigh `high_weight` and `medium_weight`; any other weighs `low_weight`."""

    high: Words = tuple("IR OM AE SA EG YE CN TW TR US RU CA".split())
    medium: Words = tuple("MY SG ID PA DK DE FR GB JP IN BR MX KR IL IQ KW QA NG AU".split())
    high_weight: _Weight = 1.0
    medium_weight: _Weight = 0.6
    low_weight: _Weight = 0.3


class Box(NamedTuple):
    """Latitudes and longitudes in degrees, bounds included. Where boxes overlap, the one with the
    lowest `rank` decides (SPEC 4, Mobility)."""

    rank: int
    south: float
    north: float
    west: float
    east: float


class AirportWord(NamedTuple):
    """A word in the region text of an airport's feed. Where a text has several, the one with the
    lowest `rank` decides (SPEC 4, Mobility)."""

    rank: int
    word: str


class Region(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A region; countries are ISO 3166 alpha-2 codes (World Bank's for JG and XK).

    `aliases` are words that place a signal by containment, `places` names that place a signal or
    a forecast exactly, as `label` does, `jamming_areas` the labels of GPS jamming. `eu_gas` marks
    the region that the EU's gas storage belongs to, `narrated` those with narratives and weekly
    briefs, `every_forecast` those that every forecast belongs to.
    """

    id: str
    label: str
    forecast_label: str = ""
    theaters: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    key_countries: tuple[str, ...] = ()
    countries: frozenset[str] = frozenset()
    places: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    airport_words: tuple[AirportWord, ...] = ()
    jamming_areas: tuple[str, ...] = ()
    eu_gas: bool = False
    narrated: bool = True
    every_forecast: bool = False


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split("|"))


# In the order of the partitions.
REGIONS: tuple[Region, ...] = (
    Region(
        "mena",
        "Middle East & North Africa",
        "Middle East",
        theaters=_words("levant persian-gulf red-sea north-africa"),
        aliases=("middle east", "mena"),
        key_countries=_words("SA IR IL AE EG IQ TR YE SY PS LB LY"),
        countries=frozenset(
            _words("AE BH DJ DZ EG IL IQ IR JO KW LB LY MA MT OM PS QA SA SY TN TR YE")
        ),
        places=_names(
            "Red Sea|Persian Gulf|Israel/Gaza|Gaza|Eastern Mediterranean|Strait of Hormuz|"
            "Bab el-Mandeb|Suez Canal|Turkey-Caucasus|North Africa|Levant|Gaza Strip|West Bank|"
            "West Bank and Gaza|Occupied Palestinian Territory|West Asia|Mediterranean|"
            "Mediterranean Sea|Maghreb|Arabian Peninsula"
        ),
        boxes=(Box(1, 12, 42, 20, 63),),
        airport_words=(AirportWord(4, "MENA"),),
        jamming_areas=_words("iran-iraq levant israel-sinai yemen-horn turkey-caucasus"),
    ),
    Region(
        "east-asia",
        "East Asia & Pacific",
        "East Asia",
        theaters=_words("east-asia southeast-asia"),
        aliases=("asia pacific", "apac"),
        key_countries=_words("CN JP KR TW AU SG ID"),
        countries=frozenset(
            _words(
                "AS AU BN CN FJ FM GU HK ID JP KH KI KP KR LA MH MM MN MO MP MY NC NR NZ PF PG "
                "PH PW SB SG TH TL TO TV TW VN VU WS"
            )
        ),
        places=_names(
            "Western Pacific|Indo-Pacific|Asia-Pacific|Korean Peninsula|South China Sea|"
            "Taiwan Strait|Strait of Malacca|Lombok Strait|Korea Strait|Oceania|Southeast Asia|"
            "South-East Asia|East Asia|Australasia|Australia and New Zealand|Melanesia|"
            "Micronesian Region|Polynesia|Korea"
        ),
        boxes=(Box(5, -45, 55, 90, 180),),
        airport_words=(AirportWord(2, "APAC"),),
        jamming_areas=_words("southeast-asia east-asia"),
    ),
    Region(
        "europe",
        "Europe & Central Asia",
        "Europe",
        theaters=_words("eastern-europe western-europe baltic arctic"),
        aliases=("europe", "european union"),
        key_countries=_words("DE FR GB UA RU PL IT"),
        countries=frozenset(
            _words(
                "AD AL AM AT AZ BA BE BG BY CH CY CZ DE DK EE ES FI FO FR GB GE GI GL GR HR HU "
                "IE IM IS IT JG KG KZ LI LT LU LV MC MD ME MK NL NO PL PT RO RS RU SE SI SK SM "
                "TJ TM UA UZ XK"
            )
        ),
        places=_names(
            "Northern Europe|Eastern Europe|Western Europe|Black Sea|Baltic Sea|Bosporus Strait|"
            "Kerch Strait|Dover Strait|Strait of Gibraltar|Arctic|Central Asia|Caucasus|"
            "South Caucasus|Caucasus and Central Asia|Balkans|Mediterranean|Mediterranean Sea"
        ),
        boxes=(Box(2, 35, 72, -10, 60),),
        airport_words=(AirportWord(3, "EUROPE"),),
        jamming_areas=_words("ukraine-russia russia-north northern-europe western-europe"),
        eu_gas=True,
    ),
    Region(
        "north-america",
        "North America",
        "North America",
        theaters=("north-america",),
        key_countries=_words("US CA MX"),
        countries=frozenset(_words("BM CA MX US")),
        places=("Americas", "Panama Canal"),
        boxes=(Box(6, 16, 75, -170, -50),),
        jamming_areas=("north-america",),
    ),
    Region(
        "south-asia",
        "South Asia",
        "South Asia",
        theaters=("south-asia",),
        key_countries=_words("IN PK BD LK AF"),
        countries=frozenset(_words("AF BD BT IN LK MV NP PK")),
        boxes=(Box(4, 5, 38, 60, 97),),
        jamming_areas=("afghanistan-pakistan",),
    ),
    Region(
        "latam",
        "Latin America & Caribbean",
        "Latin America",
        theaters=_words("latin-america caribbean"),
        aliases=("latam",),
        key_countries=_words("BR AR CO CL VE PE HT CU"),
        countries=frozenset(
            _words(
                "AG AR AW BB BO BR BS BZ CL CO CR CU CW DM DO EC GD GT GY HN HT JM KN KY LC MF "
                "NI PA PE PR PY SR SV SX TC TT UY VC VE VG VI"
            )
        ),
        places=_names(
            "Panama Canal|Latin America|Caribbean|Central America|South America|Virgin Islands"
        ),
        boxes=(
            # Its northern bound alone belongs to the neighbour.
            Box(7, -56, math.nextafter(16, 0), -120, -34),
        ),
        airport_words=(AirportWord(1, "AMERICAS"),),
    ),
    Region(
        "sub-saharan-africa",
        "Sub-Saharan Africa",
        "Africa",
        theaters=_words("horn-of-africa sahel southern-africa central-africa"),
        aliases=("sub-saharan africa", "subsaharan africa"),
        key_countries=_words("NG ZA KE ET SD CD ML BF NE CM"),
        countries=frozenset(
            _words(
                "AO BF BI BJ BW CD CF CG CI CM CV ER ET GA GH GM GN GQ GW KE KM LR LS MG ML MR "
                "MU MW MZ NA NE NG RW SC SD SL SN SO SS ST SZ TD TG TZ UG ZA ZM ZW"
            )
        ),
        places=_names(
            "Africa|Cape of Good Hope|Bab el-Mandeb|Horn of Africa|Sahel|West Africa|East Africa|"
            "Central Africa|Middle Africa|Southern Africa"
        ),
        boxes=(Box(3, -35, 20, -18, 52),),
        airport_words=(AirportWord(5, "AFRICA"),),
        jamming_areas=_words("sudan-sahel east-africa"),
    ),
    Region(
        "global",
        "Global",
        theaters=("global-markets",),
        aliases=("global",),
        key_countries=_words("US CN RU DE JP IN GB SA"),
        places=("Global Markets",),
        narrated=False,
        every_forecast=True,
    ),
)

_Lookup = Callable[[str], str | None]


class Geography:
    """The look-ups that tables of regions, corridors and criticality give, in the tables' order.

    Raises ValueError when two regions share an id, a country or a jamming area.
    """

    def __init__(
        self,
        table: Iterable[Region],
        corridors: Sequence[Corridor] = (),
        criticality: Criticality | None = None,
    ) -> None:
        rows = tuple(table)
        _owners("id", rows, lambda region: (region.id,))
        self.regions: Mapping[str, Region] = MappingProxyType({r.id: r for r in rows})
        # The region whose countries include an ISO2 code, if any; the one of a label of GPS
        # jamming, in lower case.
        self.region_of_country: _Lookup = _owners("country", rows, lambda r: r.countries).get
        self.region_of_jamming_area: _Lookup = _owners(
            "jamming area", rows, lambda r: r.jamming_areas
        ).get
        of_key_country: dict[str, tuple[str, ...]] = {}
        for region in rows:
            for country in region.key_countries:
                of_key_country[country] = (*of_key_country.get(country, ()), region.id)
        # The regions that an ISO2 code is a key country of, if any.
        self.regions_of_key_country: Callable[[str], tuple[str, ...] | None] = of_key_country.get
        boxes = sorted((*box, region.id) for region in rows for box in region.boxes)
        # By whole degrees of latitude, so that a position is compared with few.
        self._boxes: dict[float, list[tuple[int, float, float, float, float, str]]] = {
            degree: [box for box in boxes if box[1] < degree + 1 and box[2] >= degree]
            for degree in range(-90, 91)
        }
        self._airport_words = sorted(
            (*word, region.id) for region in rows for word in region.airport_words
        )
        # By region id: the corridors in its theaters or claimed by one of them, in their order.
        self.corridors_of: Mapping[str, tuple[Corridor, ...]] = {
            r.id: tuple(c for c in corridors if {c.theater, *c.claimed_by} & {*r.theaters})
            for r in rows
        }
        self._chokepoints = {c.live_id: c.chokepoint for c in corridors if c.live_id}
        criticality = criticality or Criticality()
        self._criticality = dict.fromkeys(criticality.medium, criticality.medium_weight)
        self._criticality |= dict.fromkeys(criticality.high, criticality.high_weight)
        self._low = criticality.low_weight

    def criticality(self, country: str) -> float:
        """How much a country weighs in domestic fragility."""
        return self._criticality.get(country, self._low)

    def chokepoint(self, live_id: str) -> str:
        """A chokepoint's id in the spelling of the corridors, whatever the feed spells."""
        return self._chokepoints.get(live_id, live_id)

    def region_of_position(self, lat: float, lon: float) -> str | None:
        """The region of a position in degrees: the first box that holds it decides."""
        for _, south, north, west, east, region in self._boxes.get(lat // 1, ()):
            if west <= lon <= east and south <= lat <= north:
                return region
        return None

    def region_of_airport_text(self, text: str) -> str | None:
        """The region that an airport's region text, in upper case, names."""
        return next((region for _, word, region in self._airport_words if word in text), None)


def _owners(
    what: str, table: Iterable[Region], members: Callable[[Region], Iterable[str]]
) -> dict[str, str]:
    """Member → the id of the one region that has it."""
    owners: dict[str, str] = {}
    for region in table:
        for member in members(region):
            if member in owners:
                raise ValueError(
                    f"{what} {member!r} is in two regions, {owners[member]} and {region.id}"
                )
            owners[member] = region.id
    return owners
