"""The records of the larger inputs, decoded by schema: only the fields that a reader asks for are
made (SPEC 2).

An input with one record that does not fit its schema is parsed whole, and each of its records is
read field by field, to the same result. This takes longer, and bad records are counted.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import GenericAlias
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from regional_assets.intelligence.declared import SIGNS
from regional_assets.intelligence.inputs import TIMESTAMP_FIELDS, Decoder
from regional_assets.intelligence.numbers import is_number, parse_number
from regional_assets.intelligence.tally import Tally
from regional_assets.intelligence.timing import EXACT, time_of

# The types of fields. The schema takes what the live writers write; `_READ` reads everything else.
Text = str | None
Number = float | None
Plain = Annotated[float, msgspec.Meta(description="not as text")] | None
Time = Annotated[int, msgspec.Meta(ge=0, le=EXACT)] | None
Flag = bool | None


class Record(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """A field is None where the feed has nothing of its type. `Any` is the feed's own value."""


class ScoreRecord(Record, frozen=True):
    region: Text = None
    combined_score: Number = None
    trend: Any = None
    computed_at: Time = None


class Projections(Record, frozen=True):
    h24: Number = None
    d7: Number = None
    d30: Number = None


class ForecastRecord(Record, frozen=True):
    id: Any = None
    domain: Text = None
    region: Text = None
    title: Any = None
    probability: Number = None
    confidence: Number = None
    time_horizon: Text = None
    trend: Text = None
    projections: Projections | None = None
    case_file: Any = None
    signals: Any = None
    updated_at: Time = None


class SignalRecord(Record, frozen=True):
    id: Any = None
    type: Text = None
    theater: Text = None
    summary: Any = None
    severity: Text = None
    detected_at: Time = None


class DebtRecord(Record, frozen=True):
    iso3: Text = None
    debt_to_gdp: Number = None


class MixRecord(Record, frozen=True):
    import_share: Plain = None


class AirportRecord(Record, frozen=True):
    iata: Any = None
    icao: Any = None
    name: Any = None
    country: Any = None
    region: Any = None
    delay_type: Text = None
    severity: Text = None
    reason: Any = None


class HexRecord(Record, frozen=True):
    lat: Plain = None
    lon: Plain = None
    level: Any = None
    region: Text = None


class FlightRecord(Record, frozen=True):
    lat: Plain = None
    lon: Plain = None
    on_ground: Flag = None


R = TypeVar("R", bound=Record)


def read_record(record: type[R], row: Mapping[str, Any]) -> R:
    """The record of a JSON object, whatever its fields hold."""
    return record(*[read(row.get(name)) for name, read in _fields(record)])


@cache
def _fields(record: type[Record]) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    """The names of a record's fields in the feed, and how each is read."""
    return tuple((f.encode_name, _READ[f.type]) for f in msgspec.structs.fields(record))


_READ: Mapping[Any, Callable[[Any], Any]] = {
    Any: lambda value: value,
    Text: lambda value: value if isinstance(value, str) else None,
    Number: parse_number,
    Plain: lambda value: value if is_number(value) else None,
    Time: time_of,
    Flag: lambda value: value if isinstance(value, bool) else None,
    Projections | None: lambda value: (
        read_record(Projections, value) if isinstance(value, dict) else None
    ),
}


class Records(Generic[R]):
    """The records that a payload has in one of its fields."""

    def __init__(self, field: str, record: type[R]) -> None:
        self._field, self._record = field, record
        payload = msgspec.defstruct(
            "Payload",
            [(name, Any, None) for name in (*TIMESTAMP_FIELDS, *SIGNS)]
            + [(field, GenericAlias(tuple, (record, ...)) | None, None)],
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
        """The payload's records, counted; what is no object is skipped."""
        value = payload.get(self._field)
        if isinstance(value, tuple):
            tally.records += len(value)
            return value
        return [read_record(self._record, row) for row in tally.objects(value)]


AIRPORTS = Records("alerts", AirportRecord)
DEBTS = Records("entries", DebtRecord)
FLIGHTS = Records("flights", FlightRecord)
FORECASTS = Records("predictions", ForecastRecord)
HEXES = Records("hexes", HexRecord)
SCORES = Records("ciiScores", ScoreRecord)
SIGNALS = Records("signals", SignalRecord)

# The payload itself maps countries to their records; times and a sample's mark are beside them.
_MIXES = msgspec.json.Decoder(dict[str, MixRecord | str | float | int | bool | None])


def decode_mixes(data: bytes) -> dict[str, Any]:
    """As `Records.decode`; takes no envelope."""
    data.decode()
    found = _MIXES.decode(data)
    if "_seed" in found:
        raise msgspec.ValidationError("an envelope")
    return found


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
DECODERS: Mapping[str, Decoder] = {
    **{name: records.decode for name, records in RECORDS.items()},
    "energy_mix": decode_mixes,
}
