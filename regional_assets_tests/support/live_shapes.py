"""Rewrites inputs in plain shapes into the shapes that live writers write (INPUTS)."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from regional_assets_tests.support.worlds import KEY

LIVE_IDS = {"hormuz": "hormuz_strait", "babelm": "bab_el_mandeb", "malacca": "malacca_strait"}
_FIELDS = ("fetchedAt", "generatedAt", "timestamp", "updatedAt", "lastUpdate", "seededAt")


def as_live(inputs: dict[str, str]) -> dict[str, str]:
    """The same world as live writers would write it."""
    live = {}
    for key, text in inputs.items():
        value = json.loads(text)
        if key.startswith("seed-meta:"):
            live[key] = text
            continue
        envelope = value if isinstance(value.get("_seed"), dict) else None
        payload = envelope["data"] if envelope else value
        rewrite = _REWRITES.get(key)
        if rewrite:
            payload = rewrite(payload)
        if envelope:
            live[key] = json.dumps({"_seed": {**envelope["_seed"], "state": "OK"}, "data": payload})
        else:
            live[key] = json.dumps(_enveloped(payload))
    # What a server-side cache stores when it has nothing is the same as nothing.
    for key in KEY.values():
        live.setdefault(key, '"__WM_NEG__"')
    return live


def _enveloped(payload: dict[str, Any]) -> dict[str, Any]:
    """In an envelope; times as ISO texts. The envelope's own time is the last to count."""
    dated = {
        name: _iso(value) if name in _FIELDS and isinstance(value, int) else value
        for name, value in payload.items()
    }
    if not any(name in dated for name in _FIELDS):
        return dated
    return {"_seed": {"fetchedAt": 0, "recordCount": 1, "state": "OK"}, "data": dated}


def _iso(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _risk_scores(payload: dict[str, Any]) -> dict[str, Any]:
    for row in payload["ciiScores"]:
        row["trend"] = f"TREND_DIRECTION_{row['trend']}"
    return payload


def _forecasts(payload: dict[str, Any]) -> dict[str, Any]:
    # A Lua round trip turns empty lists into empty objects.
    payload["predictions"] = payload["predictions"] or {}
    return payload


def _chokepoints(payload: dict[str, Any]) -> dict[str, Any]:
    for row in payload["chokepoints"]:
        row["id"] = LIVE_IDS.get(row["id"], row["id"])
        level = row.pop("threatLevel", None)
        if level is not None:
            row["warRiskTier"] = f"WAR_RISK_TIER_{level.upper()}"
            row["status"] = "green"
    return payload


def _transits(payload: dict[str, Any]) -> dict[str, Any]:
    summaries = {
        LIVE_IDS.get(id, id): {**row, "dataAvailable": True}
        for id, row in payload["summaries"].items()
    }
    # A zero-filled placeholder is no reading.
    for id in ("suez", "panama", "taiwan_strait"):
        summaries.setdefault(id, {"todayTotal": 0, "wowChangePct": 0, "dataAvailable": False})
    return {**payload, "summaries": summaries}


def _signals(payload: dict[str, Any]) -> dict[str, Any]:
    for row in payload["signals"]:
        row["contributingTypes"] = []
        row["signalCount"] = 0
    return payload


def _gas(payload: dict[str, Any]) -> dict[str, Any]:
    months = payload.pop("months", None) or []
    if months:
        newest_first = [{"date": "x", "fillPct": m["fillPct"]} for m in reversed(months)]
        payload |= {"history": newest_first}
        if len(months) % 2:
            payload["fillPct"] = months[-1]["fillPct"]
    return payload


def _flights(payload: dict[str, Any]) -> dict[str, Any]:
    for row in payload["flights"]:
        row["onGround"] = False
    payload["flights"].append({"id": "parked", "lat": 30.0, "lon": 40.0, "onGround": True})
    return payload


def _hexes(payload: dict[str, Any]) -> dict[str, Any]:
    # A label that tells nothing: the position decides.
    positions = {"levant": (33.5, 36.3), "sudan-sahel": (8.0, 10.0)}
    for row in payload["hexes"]:
        if row["region"] in positions:
            row["lat"], row["lon"] = positions[row["region"]]
            row["region"] = "other"
    return payload


def _airports(payload: dict[str, Any]) -> dict[str, Any]:
    for row in payload["alerts"]:
        word = row["severity"].upper().removeprefix("FLIGHT_DELAY_SEVERITY_")
        row["severity"] = f"FLIGHT_DELAY_SEVERITY_{word}"
        row["delayType"] = f"FLIGHT_DELAY_TYPE_{'CLOSURE' if word == 'SEVERE' else 'GENERAL'}"
    return payload


_REWRITES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    KEY["risk_scores"]: _risk_scores,
    KEY["forecasts"]: _forecasts,
    KEY["chokepoints"]: _chokepoints,
    KEY["transit_summaries"]: _transits,
    KEY["cross_source_signals"]: _signals,
    KEY["eu_gas_storage"]: _gas,
    KEY["military_flights"]: _flights,
    KEY["gps_jamming"]: _hexes,
    KEY["faa_delays"]: _airports,
    KEY["intl_delays"]: _airports,
}
