"""Snapshots one after another, made without a run's reading, for many commits in a short time."""

from collections.abc import Iterable

from msgspec.structs import replace

from regional_assets.intelligence.snapshot import (
    Content,
    Snapshot,
    assess,
    complete,
    region_content,
)
from regional_assets_tests.support.built_in import REGION_IDS
from regional_assets_tests.support.worlds import NOW, as_previous, sample_world, world_of


class Chain:
    """Each snapshot of a region says something else than the one before it and is compared with
    it; every other one changes regimes and activates triggers."""

    def __init__(self, start: int = NOW) -> None:
        self._start = start
        self._contents = [
            {region: region_content(assess(world), region) for region in REGION_IDS}
            for world in (sample_world(start), world_of(start))
        ]
        self._previous: dict[str, Snapshot] = {}
        self._length = dict.fromkeys(REGION_IDS, 0)

    def next(self, regions: Iterable[str] = REGION_IDS) -> list[Snapshot]:
        """The next snapshot of each of these regions."""
        return [self._next(region) for region in regions]

    def _next(self, region: str) -> Snapshot:
        number = self._length[region]
        content = _at(self._contents[number % 2][region], self._start + number)
        previous = as_previous(self._previous.get(region))
        snapshot = complete(content, previous, f"{region}-{number}")
        self._previous[region] = snapshot
        self._length[region] += 1
        return snapshot


def _at(content: Content, now: int) -> Content:
    return replace(content, world=replace(content.world, now=now))
