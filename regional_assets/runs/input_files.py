"""Input feeds from a folder of JSON files, one per input, into the store.

A file is named after its input in the catalogue (`forecasts.json`), a companion after its input
(`risk_scores.companion.json`). A text `{now-5m}` (s, m, h, d) stands for that time in ms,
`{now-5m|iso}` for the same as ISO 8601, so that a sample is as fresh as when it was made.
"""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from regional_assets.errors import InputFilesError
from regional_assets.intelligence.model import BUILT_IN, Model

SAMPLE_INPUTS = Path(__file__).parents[1] / "sample_inputs"

_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
# The count of a time after 1970 has fewer digits, whatever its unit.
_DIGITS = 16
_RELATIVE = re.compile(r"\{now-(\d+)([smhd])(\|iso)?\}")


def read_input_files(model: Model, folder: Path, now: int) -> dict[str, bytes]:
    """Redis key → value for every file of `folder`, relative times resolved at `now` (ms)."""
    key_of = _keys(model)
    # Files of inputs that the model does not read are left out.
    known = _keys(BUILT_IN).keys() | key_of.keys()
    values: dict[str, bytes] = {}
    for path in sorted(folder.glob("*.json")):
        if path.name in known - key_of.keys():
            continue
        if path.name not in key_of:
            raise InputFilesError(
                f"{path}: no input is called that; the files may be {', '.join(sorted(key_of))}"
            )
        try:
            content = _resolve(json.loads(path.read_bytes()), now)
            resolved = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        except RecursionError:
            raise InputFilesError(f"{path}: its values are nested too deeply") from None
        except (OSError, ValueError) as error:
            raise InputFilesError(f"{path}: {error}") from None
        values[key_of[path.name]] = resolved.encode("utf-8", "surrogatepass")
    if not values:
        raise InputFilesError(f"{folder} holds no input files (*.json)")
    return values


def _keys(model: Model) -> dict[str, str]:
    """File name → Redis key."""
    found = {f"{spec.name}.json": spec.key for spec in model.inputs}
    companions = (spec for spec in model.inputs if spec.companion)
    return found | {f"{spec.name}.companion.json": spec.companion for spec in companions}


def _resolve(value: Any, now: int) -> Any:
    if isinstance(value, dict):
        return {name: _resolve(item, now) for name, item in value.items()}
    if isinstance(value, list):
        return [_resolve(item, now) for item in value]
    if isinstance(value, str) and (relative := _RELATIVE.fullmatch(value)):
        at = now - int(relative[1][:_DIGITS]) * _UNITS[relative[2]]
        if at < 0 or len(relative[1]) > _DIGITS:
            raise ValueError(f"{value[:40]} is before 1970")
        if relative[3]:
            return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
        return at
    return value
