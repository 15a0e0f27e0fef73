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

from regional_assets.intelligence.catalogue import CATALOGUE

SAMPLE_INPUTS = Path(__file__).parents[1] / "sample_inputs"

_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_RELATIVE = re.compile(r"\{now-(\d+)([smhd])(\|iso)?\}")


class InputFilesError(ValueError):
    """A folder that cannot be loaded; the message names the file and what is wrong with it."""


def read_input_files(folder: Path, now: int) -> dict[str, bytes]:
    """Redis key → value for every file of `folder`, relative times resolved at `now` (ms)."""
    key_of = {f"{spec.name}.json": spec.key for spec in CATALOGUE} | {
        f"{spec.name}.companion.json": spec.companion for spec in CATALOGUE if spec.companion
    }
    values: dict[str, bytes] = {}
    for path in sorted(folder.glob("*.json")):
        if path.name not in key_of:
            raise InputFilesError(
                f"{path}: no input is called that; the files may be {', '.join(sorted(key_of))}"
            )
        try:
            content = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise InputFilesError(f"{path}: {error}") from None
        resolved = json.dumps(_resolve(content, now), ensure_ascii=False, separators=(",", ":"))
        values[key_of[path.name]] = resolved.encode("utf-8", "surrogatepass")
    if not values:
        raise InputFilesError(f"{folder} holds no input files (*.json)")
    return values


def _resolve(value: Any, now: int) -> Any:
    if isinstance(value, dict):
        return {name: _resolve(item, now) for name, item in value.items()}
    if isinstance(value, list):
        return [_resolve(item, now) for item in value]
    if isinstance(value, str) and (relative := _RELATIVE.fullmatch(value)):
        at = now - int(relative[1]) * _UNITS[relative[2]]
        if relative[3]:
            return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
        return at
    return value
