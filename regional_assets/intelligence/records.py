"""The records of the larger inputs: of each only the fields that its reader asks for are made when
the input is parsed (SPEC 2).

An input that does not have the shape of its schema is parsed whole, and its records are read alike.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from regional_assets.intelligence.inputs import TIMESTAMP_FIELDS
from regional_assets.intelligence.tally import Tally


class Record(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """The feed's own values, of whatever type they are; None where there is none."""


class ScoreRecord(Record, frozen=True):
    region: Any = None
    combined_score: Any = None
    trend: Any = None
    computed_at: Any = None


class ForecastRecord(Record, frozen=True):
    id: Any = None
    domain: Any = None
    region: Any = None
    title: Any = None
    probability: Any = None
    confidence: Any = None
    time_horizon: Any = None
    trend: Any = None
    projections: Any = None
    case_file: Any = None
    signals: Any = None
    updated_at: Any = None


class SignalRecord(Record, frozen=True):
    id: Any = None
    type: Any = None
    theater: Any = None
    summary: Any = None
    severity: Any = None
    detected_at: Any = None


class DebtRecord(Record, frozen=True):
    iso3: Any = None
    debt_to_gdp: Any = None


class AirportRecord(Record, frozen=True):
    iata: Any = None
    icao: Any = None
    name: Any = None
    country: Any = None
    region: Any = None
    delay_type: Any = None
    severity: Any = None
    reason: Any = None


class HexRecord(Record, frozen=True):
    lat: Any = None
    lon: Any = None
    level: Any = None
    region: Any = None


class FlightRecord(Record, frozen=True):
    lat: Any = None
    lon: Any = None
    on_ground: Any = None


R = TypeVar("R", bound=Record)


class Records(Generic[R]):
    """The records that a payload has in one of its fields."""

    def __init__(self, field: str, record: type[R]) -> None:
        self._field, self._record = field, record
        payload = msgspec.defstruct(
            "Payload",
            [(name, Any, None) for name in TIMESTAMP_FIELDS]
            + [(field, tuple[record, ...] | None, None)],  # type: ignore[valid-type]
        )
        self._decoder = msgspec.json.Decoder(
            msgspec.defstruct(
                "Stored", [("_seed", Any, None), ("data", payload | None, None)], bases=(payload,)
            )
        )

    def decode(self, data: bytes) -> dict[str, Any]:
        """The stored object, in an envelope or not, with no more than its envelope, its times and
        its records, which are a tuple. Raises `msgspec.DecodeError` or UnicodeDecodeError for
        anything else."""
        # msgspec looks at the UTF-8 of known fields only.
        data.decode()
        stored = msgspec.structs.asdict(self._decoder.decode(data))
        if stored["data"] is not None:
            stored["data"] = msgspec.structs.asdict(stored["data"])
        return stored

    def of(self, payload: Mapping[str, Any], tally: Tally) -> Sequence[R]:
        """The payload's records, counted; whatever is none is skipped."""
        value = payload.get(self._field)
        if isinstance(value, tuple):
            tally.records += len(value)
            return value
        fields = self._record.__struct_encode_fields__
        return [self._record(*map(row.get, fields)) for row in tally.objects(value)]


AIRPORTS = Records("alerts", AirportRecord)
DEBTS = Records("entries", DebtRecord)
FLIGHTS = Records("flights", FlightRecord)
FORECASTS = Records("predictions", ForecastRecord)
HEXES = Records("hexes", HexRecord)
SCORES = Records("ciiScores", ScoreRecord)
SIGNALS = Records("signals", SignalRecord)

# By the input's name in the catalogue.
RECORDS: Mapping[str, Records[Any]] = {
    "risk_scores": SCORES,
    "forecasts": FORECASTS,
    "cross_source_signals": SIGNALS,
    "national_debt": DEBTS,
    "faa_delays": AIRPORTS,
    "intl_delays": AIRPORTS,
    "gps_jamming": HEXES,
    "military_flights": FLIGHTS,
}
