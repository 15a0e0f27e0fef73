"""How a stored value becomes the payload of a catalogued input (SPEC 2)."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import msgspec

from regional_assets.intelligence.catalogue import InputSpec
from regional_assets.intelligence.declared import declared
from regional_assets.intelligence.numbers import is_number
from regional_assets.intelligence.timing import FUTURE_TOLERANCE_MS, MINUTE_MS, age

# What a server-side cache of the platform stores when it has nothing.
NEGATIVE_SENTINEL = "__WM_NEG__"

TIMESTAMP_FIELDS = ("fetchedAt", "generatedAt", "timestamp", "updatedAt", "lastUpdate", "seededAt")

# True at the top of a value or in its envelope: an invented one, which no feed wrote.
SAMPLE_FIELD = "_sample"

# Raises `msgspec.DecodeError` or UnicodeDecodeError for what it does not take.
Decoder = Callable[[bytes], Any]

# A value this many times older than its allowed age is as good as none.
_BEYOND = 5

Freshness = Literal["fresh", "stale", "held", "missing"]


class StoredValue(msgspec.Struct, frozen=True):
    """What the store holds under a key: bytes, nothing, or the server's error. `key` is the whole
    key, with what the store puts before the catalogue's."""

    data: bytes | None = None
    error: str | None = None
    key: str = ""


_NOTHING = StoredValue()


class InputState(msgspec.Struct, frozen=True):
    """One input as it was read: its timestamp in ms since the epoch, its stored size in bytes, and
    what was wrong with it, if anything. One that is `held` is missing and speaks with its last
    words. `seen` is when a held or missing one was last seen usable (ms); a missing one without it
    has no source."""

    spec: InputSpec
    freshness: Freshness
    timestamp: int | None
    size: int
    problem: str | None
    seen: int | None = None

    @property
    def present(self) -> bool:
        """Whether it is there itself."""
        return self.freshness in ("fresh", "stale")

    @property
    def unknown(self) -> bool:
        """Whether nothing says what its value is. The absence of one without a hold is a value,
        unless something is wrong with it."""
        gone = self.freshness == "missing" and self.seen is not None
        return gone and bool(self.spec.hold_hours or self.problem)


def read_inputs(
    inputs: Iterable[InputSpec], stored: Mapping[str, StoredValue], now: int
) -> dict[str, InputState]:
    """The state of each input by name; see `read_input`."""
    return {spec.name: read_input(spec, stored, now)[0] for spec in inputs}


def read_input(
    spec: InputSpec,
    stored: Mapping[str, StoredValue],
    now: int,
    decode: Decoder | None = None,
) -> tuple[InputState, dict[str, Any] | None]:
    """An input's state and payload (None when missing), from what the store holds under its key
    and companion. `decode` may give less than what is stored: what the input's reader asks for, an
    envelope and times; where it raises, the whole is decoded."""
    value = stored.get(spec.key, _NOTHING)
    size = len(value.data or b"")
    payload, seed, problem = _payload(value, decode)
    beside = stored.get(spec.companion, _NOTHING)
    companion, companion_problem = parse_json(beside)
    companion = companion if isinstance(companion, dict) else {}
    # These date an attempt to fetch, not the data that is stored.
    failed = companion.get("status") == "error" or companion.get("quotaExhausted") is True
    if payload is None:
        if failed and not problem:
            problem = "its writer reports that it failed"
        return InputState(spec, "missing", None, size, problem), None
    if companion_problem:
        problem = f"{beside.key or spec.companion}: {companion_problem}"
    timestamp = None if failed else _timestamp(companion)
    if timestamp is None:
        timestamp = _timestamp(payload)
    if timestamp is None and is_number(seed.get("fetchedAt")):
        timestamp = seed["fetchedAt"]
    freshness: Freshness = "stale"
    if timestamp is not None:
        allowed, old = spec.max_age_minutes * MINUTE_MS, now - timestamp
        if -FUTURE_TOLERANCE_MS <= old <= allowed:
            freshness = "fresh"
        elif old > _BEYOND * allowed:
            freshness, problem = "missing", f"{age(old)} old, beyond five times its allowed age"
    said = declared(spec.name, seed, payload, {} if failed else companion, now, milliseconds)
    if said and freshness != "missing":
        freshness, problem = said
    at = None if timestamp is None else int(timestamp)
    state = InputState(spec, freshness, at, size, problem)
    return state, None if freshness == "missing" else payload


def payload_of(value: StoredValue, decode: Decoder | None = None) -> dict[str, Any] | None:
    """The payload of a stored value, out of its envelope; None where there is none."""
    return _payload(value, decode)[0]


def parse_json(value: StoredValue, decode: Decoder | None = None) -> tuple[Any, str | None]:
    """The JSON value stored, and what is wrong with it; (None, None) when nothing is stored."""
    if value.error is not None:
        return None, value.error
    if value.data is None:
        return None, None
    try:
        return _decode(value.data, decode), None
    except RecursionError:
        return None, "nested too deeply"
    except ValueError as error:
        # The decoder's message names the place but never quotes the input.
        return None, f"not JSON ({error})" if isinstance(error, json.JSONDecodeError) else (
            "not JSON (not UTF-8)"
        )


def is_sample(value: StoredValue) -> bool:
    """Whether what is stored says that it is a sample. What cannot be read does not say so."""
    parsed, _ = parse_json(value)
    if not isinstance(parsed, dict):
        return False
    wrapped = parsed.get("data") if "_seed" in parsed else None
    inner = wrapped if isinstance(wrapped, dict) else {}
    return parsed.get(SAMPLE_FIELD) is True or inner.get(SAMPLE_FIELD) is True


def _reject_constant(name: str) -> Any:
    raise json.JSONDecodeError(f"{name} is not JSON", name, 0)


_DECODER = json.JSONDecoder(parse_constant=_reject_constant)
_FLOAT_DECODER = json.JSONDecoder(parse_constant=_reject_constant, parse_int=float)


def _decode(data: bytes, decode: Decoder | None) -> Any:
    # Twice as fast, and what it takes it reads alike. What it refuses may still be JSON to the
    # standard library (other encodings, lone surrogates), whose words also name the place.
    try:
        return decode(data) if decode else msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        if decode:
            return _decode(data, None)
    text = data.decode(json.detect_encoding(data), "surrogatepass")
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # Python refuses to read integers of thousands of digits; as floats they are infinite,
        # which every reader takes for no number. Slower, so only here.
        return _FLOAT_DECODER.decode(text)


def _payload(
    value: StoredValue, decode: Decoder | None
) -> tuple[dict[str, Any] | None, Mapping[str, Any], str | None]:
    """The payload, the head of its envelope, empty if it had none, and why there is no payload."""
    parsed, problem = parse_json(value, decode)
    head: Mapping[str, Any] = {}
    if isinstance(parsed, dict):
        seed = parsed.get("_seed")
        if isinstance(seed, dict) and is_number(seed.get("fetchedAt")):
            head = seed
            parsed = parsed.get("data")
    if isinstance(parsed, dict):
        return parsed, head, None
    if parsed == NEGATIVE_SENTINEL:
        return None, head, "its writer stored that it has nothing"
    if parsed is None:
        return None, head, problem or (None if value.data is None else "null")
    # Every input is an object, so no reader could use this: it counts as missing, in confidence,
    # too, however young its companion is.
    return None, head, f"not an object ({type(parsed).__name__})"


def _timestamp(record: Mapping[str, Any]) -> float | None:
    for field in TIMESTAMP_FIELDS:
        found = milliseconds(record.get(field))
        if found is not None:
            return found
    return None


def milliseconds(value: Any) -> float | None:
    """A number (ms since the epoch) or a date text (ISO 8601, else RFC 2822; UTC where it names
    no zone) as ms since the epoch; None for anything else."""
    if is_number(value):
        return value
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000
    except (OverflowError, ValueError):
        return None
