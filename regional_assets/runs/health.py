"""Whether all is well: of the regions, and of what starts their runs, as the store has it on record
(SPEC 6.9)."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from regional_assets.intelligence.timing import FUTURE_TOLERANCE_MS, HOUR_MS, YOUNG_MS, age
from regional_assets.store.health import HealthRecord, Problem, Seen

# A watcher writes its record every 30 s.
OLD_RECORD_MS = 90_000
STALE = f"neither written nor confirmed for {YOUNG_MS // HOUR_MS} hours"
# Of more regions with the same trouble, the others are counted.
_MOST_NAMED = 5

Status = Literal["ok", "degraded", "down"]


class RegionHealth(msgspec.Struct, frozen=True):
    """How old a region is (s since it was written or confirmed; None: never, or not known), what
    became of its last attempt (None: none is on record), since when it fails (ISO 8601) and why,
    and whether it is older than twelve hours."""

    age_s: int | None
    last_outcome: str | None
    failing_since: str | None
    stale: bool
    reason: str = ""

    @property
    def trouble(self) -> str:
        """What is wrong with it, in words; "" for nothing."""
        if self.failing_since:
            return f"fails since {self.failing_since}: {self.reason}"
        return STALE if self.stale and self.age_s is not None else ""


class Health(msgspec.Struct, frozen=True):
    """Down: Redis does not answer, or no region is younger than twelve hours. Degraded: any other
    problem."""

    status: Status
    problems: Sequence[Problem]
    regions: Mapping[str, RegionHealth]
    inputs: Mapping[str, str]


def judge(seen: Seen, regions: Sequence[str], now: int) -> Health:
    """The health of these regions at `now` (ms)."""
    found = {region: region_health(seen, region, now) for region in regions}
    problems = [*_regions_problems(found, now), *_watchers_problems(seen.records, now)]
    status: Status = "degraded" if problems else "ok"
    if all(region.stale for region in found.values()):
        status = "down"
    newest = max(seen.records.values(), key=lambda record: record.inputs_at, default=None)
    return Health(status, problems, found, newest.inputs if newest else {})


def unanswered(why: str) -> Health:
    """The health of a store that does not answer."""
    advice = "see `regional-assets doctor`"
    return Health("down", [Problem(why, None, advice)], {}, {})


def region_health(seen: Seen, region: str, now: int) -> RegionHealth:
    """The health of one region at `now` (ms)."""
    run, at = seen.runs.get(region), seen.confirmed.get(region, 0)
    # A time ahead is that of a clock which ran ahead.
    known = 0 < at <= now + FUTURE_TOLERANCE_MS
    failing = run.failing_since if run and run.outcome == "failed" else None
    return RegionHealth(
        max(0, now - at) // 1000 if known else None,
        run.outcome if run else None,
        iso(failing) if failing is not None else None,
        not known or now - at >= YOUNG_MS,
        run.reason if run else "",
    )


def iso(at: float) -> str:
    """A time (ms) as ISO 8601, to the second."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds")


def _regions_problems(regions: Mapping[str, RegionHealth], now: int) -> Iterator[Problem]:
    alike: dict[tuple[str, str], list[str]] = {}
    for name, region in regions.items():
        if region.failing_since:
            alike.setdefault((f"failed: {region.reason}", region.failing_since), []).append(name)
        elif region.age_s is None:
            alike.setdefault(("no snapshot", ""), []).append(name)
        elif region.stale:
            since = iso(now - region.age_s * 1000)
            alike.setdefault((STALE, since), []).append(name)
    for (words, since), names in alike.items():
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        again = " ".join(names) if not more and len(names) < len(regions) else ""
        yield Problem(
            f"{', '.join(names[:_MOST_NAMED])}{more}: {words}",
            since or None,
            f"regional-assets run {again}".rstrip(),
        )


def _watchers_problems(records: Mapping[str, HealthRecord], now: int) -> Iterator[Problem]:
    for name, record in records.items():
        if now - record.at > OLD_RECORD_MS:
            yield Problem(
                f"the {name} has given no sign of life for {age(now - record.at)}",
                iso(record.at),
                "start `regional-assets ui`, or the daemon and the code server, anew",
            )
        else:
            yield from record.problems
