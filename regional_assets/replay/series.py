"""Daily ship transits, and the input feeds as they would have been on each day."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regional_assets.errors import SeriesError
from regional_assets.intelligence.model import Model

if TYPE_CHECKING:
    import pandas as pd

# Daily transits of 2026 at four chokepoints, from IMF PortWatch (portwatch.imf.org).
PORTWATCH_2026 = Path(__file__).parent / "portwatch-2026.csv"

_TOTAL = "_total"
_WEEK = 7


def read_series(path: Path) -> "pd.DataFrame":
    """The daily transits in a CSV file: a row per day (column `date`, without gaps) and a column
    `<id>_total` per chokepoint (empty where unknown), which the result names by the id. Raises
    `SeriesError`."""
    import pandas as pd

    try:
        table = pd.read_csv(path, index_col="date", parse_dates=["date"])
        totals = table.filter(regex=f"{_TOTAL}$").astype("float64")
        totals.columns = totals.columns.str.removesuffix(_TOTAL)
        days = pd.date_range(totals.index[0], periods=len(totals), tz="UTC")
        if not (totals.index.tz_localize("UTC") == days).all():  # type: ignore[attr-defined]
            raise ValueError("its dates are not consecutive days")
        if totals.empty or not ((totals >= 0) & (totals < math.inf) | totals.isna()).all(axis=None):
            raise ValueError(
                f"it needs columns called <chokepoint>{_TOTAL} with finite numbers from 0"
            )
    except (OSError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise SeriesError(f"{path} is no series of daily transits: {error}") from None
    return totals.set_axis(days)


def feeds(model: Model, series: "pd.DataFrame", day: "pd.Timestamp", now: int) -> dict[str, bytes]:
    """Redis key → value at `now` (ms) on that day of the series: the chokepoints, without any known
    threat, and their transits. The series has no figures for the other inputs; they are missing."""
    if missing := {"chokepoints", "transit_summaries"} - model.input_of.keys():
        raise SeriesError(
            f"the model does not read {', '.join(sorted(missing))}: nothing to replay"
        )
    spec = model.input_of["transit_summaries"]
    values: dict[str, Any] = {
        model.input_of["chokepoints"].key: {
            "chokepoints": [{"id": id} for id in series.columns],
            "fetchedAt": now,
        },
        spec.key: {"summaries": dict(_summaries(series.loc[:day])), "fetchedAt": now},
    }
    if spec.companion:
        values[spec.companion] = {"fetchedAt": now, "recordCount": len(series.columns)}
    return {key: json.dumps(value).encode() for key, value in values.items()}


def _summaries(until: "pd.DataFrame") -> Iterator[tuple[str, dict[str, Any]]]:
    """Chokepoint id → its transits on the last day, and how its last week differs from the week
    before (0 while there are less than two weeks, as the writer of the feed does it)."""
    for id, totals in until.items():
        today = totals.iloc[-1]
        if math.isnan(today):
            yield str(id), {"dataAvailable": False}
            continue
        week, before = totals.iloc[-_WEEK:].sum(), totals.iloc[-2 * _WEEK : -_WEEK].sum()
        whole = len(totals) >= 2 * _WEEK and before > 0
        change = round(100 * (week / before - 1), 1) if whole else 0
        yield str(id), {"dataAvailable": True, "todayTotal": int(today), "wowChangePct": change}
