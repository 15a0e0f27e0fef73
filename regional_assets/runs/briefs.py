"""One run of the weekly briefs: one read, all regions asked side by side, each written as soon as
it is there (SPEC 6, Weekly brief)."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Literal

import msgspec

from regional_assets.errors import StoreError
from regional_assets.intelligence.brief import (
    MAX_LACKING,
    STANDS_IN_WORDS,
    Brief,
    lacking,
    of_the_week,
    stands,
    written_at,
)
from regional_assets.intelligence.stored import (
    Body,
    BodyError,
    WeeklyBrief,
    read_transitions,
    read_weekly_brief,
)
from regional_assets.intelligence.timing import HOUR_MS, YOUNG_MS, last_confirmed
from regional_assets.narrative.answer import Reader, read_brief
from regional_assets.narrative.narrator import Narrator
from regional_assets.narrative.prompt import Prompt, brief_prompt
from regional_assets.narrative.reply import Reply
from regional_assets.store.brief_store import BriefRead, BriefStore
from regional_assets.store.latest import StoredSnapshot
from regional_assets.store.snapshot_store import Summary


class BriefResult(msgspec.Struct, frozen=True):
    """What became of one region's brief: `written`; `skipped`, because the stored one is young
    enough or there is no young snapshot to write it from; `unanswered`, because no model gave a
    valid answer; or `failed`, because the store refused or what it is made of is damaged.

    `brief` is the stored one, of this run or young enough, `reply` what the models said, `changes`
    how many regime changes the week had, `reason` why it was not written.
    """

    region_id: str
    outcome: Literal["written", "skipped", "unanswered", "failed"]
    brief: WeeklyBrief | None = None
    reply: Reply[Brief] | None = None
    changes: int = 0
    reason: str = ""

    @property
    def failed(self) -> bool:
        """Whether something has to be set right."""
        return self.outcome in ("unanswered", "failed")


class NoGroundError(Exception):
    """There is no snapshot that a brief may be written from; the message completes "skipped: …"."""


def ground(region: str, stored: StoredSnapshot | None, now: int) -> tuple[Body, int]:
    """The snapshot that the region's brief is written from, and when it was last written or
    confirmed (ms). Raises `NoGroundError` when there is none, or none that is young enough at `now`
    (ms), and `BodyError` when it cannot be read."""
    if stored is None:
        raise NoGroundError("it has no snapshot yet")
    snapshot = stored.parsed(region)
    at = last_confirmed(now, snapshot.generated_at, stored.confirmed_at)
    if not at:
        raise NoGroundError("its snapshot is dated after this machine's clock")
    if now - at >= YOUNG_MS:
        raise NoGroundError(f"its snapshot is {(now - at) // HOUR_MS} hours old")
    return snapshot, at


def without_ground(sources: Mapping[str, BriefRead], now: int) -> dict[str, str]:
    """The regions of which no brief can be written at `now` (ms), each with the reason. Those whose
    data are damaged are not among them: a run fails them, and so shows what is wrong."""
    found = {}
    for region, source in sources.items():
        if source.error is None:
            try:
                ground(region, source.snapshot, now)
            except NoGroundError as error:
                found[region] = str(error)
            except BodyError:
                continue
    return found


def write_briefs(
    store: BriefStore, narrator: Narrator, regions: Sequence[str], now: int, *, force: bool = False
) -> Generator[BriefResult, None, None]:
    """Writes the brief of each region at `now` (ms), the results as they come.

    `force` writes briefs also where the stored one is young enough, but never from an old snapshot.
    Raises `StoreError` when nothing can be read.
    """
    questions: dict[str, tuple[Prompt, Reader[Brief]]] = {}
    changes: dict[str, int] = {}
    for region, found in store.read(regions).items():
        if found.error:
            yield BriefResult(region, "failed", reason=found.error)
        elif not force and stands(written_at(region, found.brief), now):
            young = f"its brief is younger than {STANDS_IN_WORDS}"
            brief = read_weekly_brief(region, found.brief or b"")
            yield BriefResult(region, "skipped", brief, reason=young)
        else:
            week = of_the_week(read_transitions(region, found.history)[0], now)
            changes[region] = len(week)
            try:
                snapshot, as_of = ground(region, found.snapshot, now)
                prompt = brief_prompt(
                    store.model.region(region).label, snapshot, week, now=now, as_of=as_of
                )
            except NoGroundError as error:
                yield BriefResult(region, "skipped", reason=str(error))
            except BodyError as error:
                yield BriefResult(region, "failed", reason=str(error))
            except ValueError as error:
                assert found.snapshot is not None
                reason = f"{found.snapshot.key}: {error}"
                yield BriefResult(region, "failed", reason=reason)
            else:
                questions[region] = (prompt, read_brief)
    with closing(narrator.ask(questions)) as batches:
        for replies in batches:
            briefs = {
                region: reply.value.of(region, now, reply.provider, reply.model)
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

    store.update_summary(store.model.narrated, summarise)
    return without
