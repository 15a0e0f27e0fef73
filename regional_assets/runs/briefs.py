"""One run of the weekly briefs: one read, all regions asked side by side, each written as soon as
it is there (SPEC 6, Weekly brief)."""

import json
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from regional_assets.intelligence.brief import (
    MAX_LACKING,
    Brief,
    lacking,
    stands,
    transitions,
    written_at,
)
from regional_assets.intelligence.narrative import NARRATED_REGIONS
from regional_assets.intelligence.stored import BodyError
from regional_assets.narrative.answer import Reader, read_brief
from regional_assets.narrative.narrator import Narrator
from regional_assets.narrative.prompt import Prompt, brief_prompt
from regional_assets.narrative.reply import Reply
from regional_assets.store import keys
from regional_assets.store.brief_store import BriefStore
from regional_assets.store.errors import StoreError
from regional_assets.store.snapshot_store import Summary

_NO_SNAPSHOT = "it has no snapshot yet; materialise regional_snapshot for it first"


@dataclass(frozen=True, slots=True)
class BriefResult:
    """What became of one region's brief: `written`; `skipped`, because the stored one is young
    enough; `unanswered`, because no model gave a valid answer; or `failed`, because the store
    refused or lacks what it is made of.

    `brief` is the stored one, `reply` what the models said, `changes` how many regime changes the
    week had, `error` what is wrong with the last two outcomes.
    """

    region_id: str
    outcome: Literal["written", "skipped", "unanswered", "failed"]
    brief: dict[str, Any] | None = None
    reply: Reply[Brief] | None = None
    changes: int = 0
    error: str = ""

    @property
    def failed(self) -> bool:
        """Whether the region has no brief that is young enough."""
        return self.outcome in ("unanswered", "failed")


def write_briefs(
    store: BriefStore, narrator: Narrator, regions: Sequence[str], now: int, *, force: bool = False
) -> Generator[BriefResult, None, None]:
    """Writes the brief of each region at `now` (ms), the results as they come.

    `force` writes briefs also where the stored one is young enough. Raises `StoreError` when
    nothing can be read.
    """
    questions: dict[str, tuple[Prompt, Reader[Brief]]] = {}
    changes: dict[str, int] = {}
    for region, found in store.read(regions).items():
        if found.error:
            yield BriefResult(region, "failed", error=found.error)
        elif found.brief and not force and stands(written_at(region, found.brief), now):
            yield BriefResult(region, "skipped", json.loads(found.brief))
        elif found.snapshot is None:
            yield BriefResult(region, "failed", error=_NO_SNAPSHOT)
        else:
            week = transitions(found.history, now)
            changes[region] = len(week)
            try:
                snapshot = found.snapshot.parsed(region)
                prompt = brief_prompt(
                    region,
                    msgspec.to_builtins(snapshot),
                    week,
                    now=now,
                    as_of=snapshot.generated_at,
                )
            except BodyError as error:
                yield BriefResult(region, "failed", error=str(error))
            except ValueError as error:
                name = keys.snapshot_by_id(found.snapshot.snapshot_id)
                yield BriefResult(region, "failed", error=f"{name}: {error}")
            else:
                questions[region] = (prompt, read_brief)
    with closing(narrator.ask(questions)) as batches:
        for replies in batches:
            briefs = {
                region: reply.value.as_json(region, now, reply.provider, reply.model)
                for region, reply in replies.items()
                if reply.value
            }
            try:
                refused = store.write(briefs) if briefs else {}
            except StoreError as error:
                refused = dict.fromkeys(briefs, str(error))
            for region, reply in replies.items():
                count = changes[region]
                if region not in briefs:
                    yield BriefResult(region, "unanswered", None, reply, count, reply.problem)
                elif region in refused:
                    yield BriefResult(region, "failed", None, reply, count, refused[region])
                else:
                    yield BriefResult(region, "written", briefs[region], reply, count)


def update_summary(store: BriefStore, results: Iterable[BriefResult], now: int) -> list[str]:
    """After a run in which no region failed: stores the summary of the week's briefs, from what is
    stored of all regions, and returns the regions that lack one. Raises `StoreError`."""
    outcomes = [result.outcome for result in results]
    without: list[str] = []

    def summarise(briefs: dict[str, bytes | None]) -> Summary:
        nonlocal without
        without = lacking({region: written_at(region, b) for region, b in briefs.items()}, now)
        covered = len(without) <= MAX_LACKING
        return Summary(
            {
                "generatedAt": now,
                "regionsGenerated": outcomes.count("written"),
                "regionsSkipped": outcomes.count("skipped"),
                "coverageOk": covered,
            },
            {"fetchedAt": now, "recordCount": len(briefs) - len(without) if covered else 0},
        )

    store.update_summary(NARRATED_REGIONS, summarise)
    return without
