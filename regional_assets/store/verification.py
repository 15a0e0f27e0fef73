"""Checks that the stored data of a region is consistent."""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
import redis
from redis.client import Pipeline
from redis.exceptions import NoPermissionError

from regional_assets.intelligence.diff import is_of_other_versions
from regional_assets.intelligence.model import Model
from regional_assets.intelligence.stored import BodyError, read_body, read_seed_meta, read_summary
from regional_assets.intelligence.timing import FUTURE_TOLERANCE_MS
from regional_assets.redis_link.refusals import refusal
from regional_assets.redis_link.text import as_text
from regional_assets.store.batches import batched
from regional_assets.store.history_verification import Indexed, history_problems
from regional_assets.store.keys import (
    DAY,
    OBSERVATION_EXPIRY,
    SNAPSHOT_EXPIRY,
    SUMMARY_EXPIRY,
    Keys,
    is_snapshot_id,
)
from regional_assets.store.latest import copied_from
from regional_assets.store.wire import confirmation, observations

# Regions that are looked at, and snapshots that are read, in one round trip.
PER_TRIP = 640
# How often to look at a region that other runs keep writing.
_LOOKS = 3
# Keys that are looked through in one round trip.
_SCANNED = 10_000
# What the server gives for the expiry of a key that never expires, and of one that is not there.
_NEVER, _ABSENT = -1, -2
_HEALS = "the next snapshot of the region puts that right"
_MAY_NOT_SCAN = (
    "nothing stored, and this user may not look for snapshots without a pointer (SCAN): verify as "
    "a user who may, or run the region"
)


def verify(
    client: redis.Redis, keys: Keys, model: Model, regions: Iterable[str], now: int
) -> dict[str, list[str]]:
    """Region id → inconsistencies at `now` (ms), empty for none: of the pointer, every snapshot by
    id and at its time, the index, the regime history, the observations, and when they expire. A
    region of which nothing is stored has none, when the user may look through all keys."""
    found: dict[str, list[str]] = {}
    empty: set[str] = set()
    for batch in batched(regions, PER_TRIP):
        views = look(client, keys, model, batch)
        found |= _settled(client, keys, model, views, now)
        empty |= {v.region for v in views if not (any(v.written[:2]) or found[v.region])}
    if empty:
        for region, problem in _without_pointer(client, keys, empty).items():
            found[region].append(problem)
    return found


def verify_summary(client: redis.Redis, keys: Keys) -> list[str]:
    """What is wrong with the summary of all regions and its record for health checks: with each of
    them and its expiry, and whether both are there."""
    parsers = {keys.summary: read_summary, keys.summary_seed_meta: read_seed_meta}
    with client.pipeline(transaction=True) as pipeline:
        pipeline.time()
        for name in parsers:
            # MGET, unlike GET, treats a key of another type as absent.
            pipeline.mget(name)
            pipeline.pexpiretime(name)
        time, *replies = pipeline.execute()
    values, expiries = replies[::2], replies[1::2]
    problems = []
    for (name, read), [value], expires_at in zip(parsers.items(), values, expiries, strict=True):
        if value is not None:
            try:
                read(value)
            except BodyError as error:
                problems.append(f"{name} is {error}")
        elif any(other != _ABSENT for other in expiries):
            problems.append(f"{name} is {'absent' if expires_at == _ABSENT else 'no string'}")
        problems += _expiry_problems(name, expires_at, _milliseconds(time), SUMMARY_EXPIRY)
    return problems


def look(client: redis.Redis, keys: Keys, model: Model, regions: Iterable[str]) -> list["View"]:
    """Each region as it is stored, all at one moment; one round trip."""
    views = [View(keys, model, region) for region in regions]
    # One transaction gives a view of one moment; a snapshot never changes under its id.
    with client.pipeline(transaction=True) as pipeline:
        pipeline.time()
        for view in views:
            view.queue(pipeline)
        time, *replies = pipeline.execute(raise_on_error=False)
    waiting = iter(replies)
    for view in views:
        view.take(_milliseconds(time), waiting)
    return views


def _settled(
    client: redis.Redis, keys: Keys, model: Model, views: Sequence["View"], now: int
) -> dict[str, list[str]]:
    """Region → problems. A region that has any is looked at again, because another run may have
    written it meanwhile."""
    found: dict[str, list[str]] = {}
    for _ in range(_LOOKS):
        found |= _all_problems(client, keys, views, now)
        troubled = {view.region: view for view in views if found[view.region]}
        if not troubled:
            break
        again = look(client, keys, model, list(troubled))
        views = [view for view in again if view.written != troubled[view.region].written]
    return found


def _all_problems(
    client: redis.Redis, keys: Keys, views: Sequence["View"], now: int
) -> dict[str, list[str]]:
    checks = {view.region: _Check(client, view, now) for view in views if not view.errors}
    members = (
        (region, id, at) for region, check in checks.items() for id, at in check.members.items()
    )
    stored = _stored_snapshots(client, keys, members)
    for check in checks.values():
        check.compare(stored)
    return {v.region: checks[v.region].problems if not v.errors else v.errors for v in views}


class View:
    """The keys of a region, but for those of its snapshots, and what they held at one moment (`at`,
    ms, by the server's clock): their values, when they expire (ms), or the server's `errors`."""

    def __init__(self, keys: Keys, model: Model, region: str) -> None:
        self.keys, self.region, self.versions = keys, region, model.stored_versions
        self.latest, self.latest_body = keys.latest(region), keys.latest_body(region)
        self.confirmed = keys.confirmed(region)
        self.index, self.history = keys.index(region), keys.regime_history(region)
        metrics = {t.metric: None for t in model.applicable_triggers if t.region == region}
        self.observed = [keys.observations(region, metric) for metric in metrics]
        self.at = 0
        self.values: dict[str, Any] = {}
        self.expiries: dict[str, int] = {}
        self.errors: list[str] = []

    def queue(self, pipeline: Pipeline) -> None:
        """Queues the reads: of each key its value, and when it expires."""
        for name in (self.latest, self.latest_body, self.confirmed):
            pipeline.get(name)
            pipeline.pexpiretime(name)
        pipeline.lrange(self.history, 0, -1)
        pipeline.pexpiretime(self.history)
        for name in (self.index, *self.observed):
            pipeline.zrange(name, 0, -1, withscores=True)
            pipeline.pexpiretime(name)

    def take(self, at: int, replies: Iterator[Any]) -> None:
        """Takes the replies to what was queued; `at` is the server's time."""
        self.at = at
        names = (self.latest, self.latest_body, self.confirmed, self.history, self.index)
        for name in (*names, *self.observed):
            self.values[name], self.expiries[name] = next(replies), next(replies)
            if isinstance(self.values[name], Exception):
                self.errors.append(f"{name}: {refusal(self.values[name])}")

    @property
    def written(self) -> tuple[Any, ...]:
        """What a run that writes a snapshot changes: pointer, index and history."""
        return tuple(self.values[name] for name in (self.latest, self.index, self.history))


class _Check:
    """Compares what is stored of one region; `problems` are those found so far, and `members` its
    snapshots by index and pointer (id → time, ms)."""

    def __init__(self, client: redis.Redis, view: View, now: int) -> None:
        self.problems: list[str] = []
        self._view, self._keys, self._now = view, view.keys, now
        self._bodies_of = partial(_bodies_of, client, view.keys)
        self._pointer: bytes | None = view.values[view.latest]
        self._latest_id = as_text(self._pointer or b"")
        self._index = {as_text(member): at for member, at in view.values[view.index]}
        # Snapshots expire on their own, entries of the index only with the region's next commit.
        self._oldest = now - SNAPSHOT_EXPIRY * 1000 + FUTURE_TOLERANCE_MS
        self.members = self._members()

    def _members(self) -> dict[str, float]:
        view, index, id = self._view, self._index, self._latest_id
        members = {i: at for i, at in index.items() if at > self._oldest and is_snapshot_id(i)}
        if not all(map(is_snapshot_id, index)):
            self.problems.append(f"{view.index} lists something else than snapshot ids")
        if self._pointer is None and not index:
            left = [n for n in (view.confirmed, *view.observed) if view.expiries[n] != _ABSENT]
            self.problems += [_lost(self._keys, view.region, name) for name in left]
        elif self._pointer is None and members:
            self.problems.append(f"{view.latest} is absent, but {view.index} lists snapshots")
        elif self._pointer is not None and not is_snapshot_id(id):
            self.problems.append(f"{view.latest} holds no snapshot id")
        elif self._pointer is not None and id not in members:
            [body] = self._bodies_of([id])
            try:
                generated_at = read_body(view.region, id, body or b"").generated_at
                members[id] = index.get(id, generated_at)
            except BodyError as error:
                found = f"{self._keys.snapshot_by_id(id)} is {'absent' if body is None else error}"
                if not self._may_differ(id, body):
                    self.problems.append(f"{view.latest} names {id}: {found}")
        return members

    def _may_differ(self, id: str, body: bytes | None) -> bool:
        """Whether it is a snapshot of other versions, which may have another form."""
        versions = self._view.versions
        return is_of_other_versions(self._view.region, id, body or b"", versions)

    def compare(self, stored: Iterator[tuple["_Value", "_Value"]]) -> None:
        """Compares all there is with the snapshots: `stored` gives the next members."""
        view, newest = self._view, float(self._now + FUTURE_TOLERANCE_MS)
        indexed = self._read_snapshots(stored)
        latest = indexed[self._latest_id].snapshot if self._latest_id in indexed else None
        if latest:
            self._check_pointer(latest.generated_at)
            if latest.generated_at > newest:
                # That has been reported; what was written with it is no news.
                newest = math.inf
        confirmed = view.values[view.confirmed]
        confirmed_at = confirmation(confirmed)
        if confirmed is not None and (confirmed_at is None or confirmed_at > newest):
            self.problems.append(f"{view.confirmed} holds no time, or one of the future; {_HEALS}")
        for name in (view.confirmed, view.latest_body):
            self._check_expiry(name, SNAPSHOT_EXPIRY)
        for name in view.observed:
            self._check_observations(name, newest)
        for name in (view.index, view.history):
            if view.expiries[name] >= 0:
                self.problems.append(f"{name} expires, and must not: PERSIST it")
        self.problems += history_problems(
            view.history,
            view.region,
            view.values[view.history],
            indexed,
            latest.regime.label if latest else None,
            self._oldest,
            self._bodies_of,
        )

    def _check_pointer(self, generated_at: int) -> None:
        view, id, ahead = self._view, self._latest_id, generated_at - self._now
        if ahead > FUTURE_TOLERANCE_MS:
            self.problems.append(
                f"{view.latest} names a snapshot dated {ahead // 1000} s after this machine's "
                "clock: what is written until then will be late. Set the wrong clock right; to "
                f"start the region anew, delete {view.latest}, and ZREM {id} from {view.index}"
            )
        if self._index.get(id) != generated_at:
            self.problems.append(f"{view.index} does not hold {id} at {generated_at}")
        if any(at > generated_at for at in self._index.values()):
            self.problems.append(f"{view.latest} is not the newest in {view.index}")
        self._check_expiry(view.latest, SNAPSHOT_EXPIRY, -ahead)

    def _read_snapshots(self, stored: Iterator[tuple["_Value", "_Value"]]) -> dict[str, Indexed]:
        """The readable ones of the members; the problems of all, by id and at their times."""
        view, latest_body = self._view, self._view.values[self._view.latest_body]
        indexed: dict[str, Indexed] = {}
        # Two snapshots of one time share the key of that time, which holds the one written last.
        wrong: dict[str, str] = {}
        right: set[str] = set()
        for (id, at), (by_id, by_time) in zip(self.members.items(), stored, strict=False):
            if by_id.body is None:
                self.problems.append(f"{view.index} lists {id}: {by_id.name} is absent")
                continue
            try:
                snapshot = read_body(view.region, id, by_id.body)
            except BodyError as error:
                if not self._may_differ(id, by_id.body):
                    self.problems.append(f"{by_id.name} is {error}")
                continue
            indexed[id] = Indexed(snapshot, by_id.expires_at)
            if latest_body and latest_body != by_id.body and copied_from(id, latest_body):
                self.problems.append(f"{view.latest_body} is not the snapshot {id}: delete it")
            if snapshot.generated_at != at:
                self.problems.append(f"{by_id.name} has another time than in {view.index}")
                continue
            if by_time.body == by_id.body:
                right.add(by_time.name)
            else:
                what = "absent" if by_time.body is None else f"not the snapshot {id}"
                wrong[by_time.name] = f"{by_time.name} is {what}"
            age = self._now - snapshot.generated_at
            for value in (by_id, by_time):
                self.problems += _expiry_problems(
                    value.name, value.expires_at, view.at, SNAPSHOT_EXPIRY, age
                )
        self.problems += [words for name, words in wrong.items() if name not in right]
        return indexed

    def _check_observations(self, name: str, newest: float) -> None:
        members = self._view.values[name]
        try:
            times = [at for at, _ in observations(member for member, _ in members)]
        except ValueError:
            times = []
        last = max(times, default=self._now)
        if times != [at for _, at in members]:
            self.problems.append(f"{name} holds something else than observations")
        elif last > newest:
            self.problems.append(f"{name} has an observation of the future; {_HEALS}")
        else:
            self._check_expiry(name, OBSERVATION_EXPIRY, self._now - last)

    def _check_expiry(self, name: str, lasts: int, age: int | None = None) -> None:
        expires_at = self._view.expiries[name]
        self.problems += _expiry_problems(name, expires_at, self._view.at, lasts, age)


def _expiry_problems(
    name: str, expires_at: int, at: int, lasts: int, age: int | None = None
) -> list[str]:
    """Whether a key whose value is `age` ms old or less (None: unknown) expires (`expires_at`)
    `lasts` s after it was written, but for differences between clocks; `at` is the server's clock.
    Times in ms."""
    if expires_at == _NEVER:
        return [f"{name} has no expiry, and would stay for ever"]
    # A value older than that came in late, from a replay; one that is absent is reported elsewhere.
    if expires_at == _ABSENT or (age or 0) > lasts * 1000:
        return []
    least = 0 if age is None else lasts - max(0, age) / 1000
    left, slack = (expires_at - at) / 1000, lasts / 30
    if least - slack <= left <= lasts + slack:
        return []
    days = f"{least / DAY:.3g} to {lasts / DAY:.3g} days"
    return [f"{name} expires in {left / DAY:.3g} days, and should in {days}"]


class _Value(msgspec.Struct, frozen=True):
    """A snapshot as it is stored under a key, and when that expires (ms)."""

    name: str
    body: bytes | None
    expires_at: int


def _stored_snapshots(
    client: redis.Redis, keys: Keys, members: Iterable[tuple[str, str, float]]
) -> Iterator[tuple[_Value, _Value]]:
    """What is stored of each snapshot (region, id, time in ms), in their order: by id, and at its
    time. It is read in batches across regions, so that few are held at a time."""
    for batch in batched(members, PER_TRIP):
        by_id = [keys.snapshot_by_id(id) for _, id, _ in batch]
        by_time = [keys.snapshot_at(region, f"{at:.0f}") for region, _, at in batch]
        names = (*by_id, *by_time)
        with client.pipeline(transaction=False) as pipeline:
            # MGET, unlike GET, treats a key of another type as absent.
            pipeline.mget(by_id)
            pipeline.mget(by_time)
            for name in names:
                pipeline.pexpiretime(name)
            bodies, copies, *expiries = pipeline.execute()
        values = list(map(_Value, names, (*bodies, *copies), expiries))
        yield from zip(values[: len(batch)], values[len(batch) :], strict=True)


def _bodies_of(client: redis.Redis, keys: Keys, snapshot_ids: Iterable[str]) -> list[bytes | None]:
    """The stored snapshots with these ids, None for one that is absent."""
    found: Any = client.mget([keys.snapshot_by_id(id) for id in snapshot_ids])
    return list(found)


def _milliseconds(time: tuple[int, int]) -> int:
    """The server's time (s, µs) in ms."""
    return time[0] * 1000 + time[1] // 1000


def _without_pointer(client: redis.Redis, keys: Keys, regions: set[str]) -> dict[str, str]:
    """Snapshots of `regions` whose pointer and index are gone. Nothing leads to them, so all keys
    of their kind are looked through, which the user that `regional-assets acl` makes may not."""
    found: dict[str, str] = {}
    try:
        for key in client.scan_iter(match=keys.snapshot_at("*", "*"), count=_SCANNED):
            region, time = as_text(key).split(":")[-2:]
            if region in regions and time.isdigit():
                found[region] = as_text(key)
    except NoPermissionError:
        return dict.fromkeys(regions, _MAY_NOT_SCAN)
    with client.pipeline(transaction=False) as pipeline:
        for region in found:
            pipeline.exists(keys.latest(region))
        # Unless its first snapshot was written just now.
        written = pipeline.execute()
    return {
        region: _lost(keys, region, key)
        for (region, key), there in zip(found.items(), written, strict=True)
        if not there
    }


def _lost(keys: Keys, region: str, name: str) -> str:
    return (
        f"{keys.latest(region)} and {keys.index(region)} are absent, but there is {name}: restore "
        "them, or run the region to start it anew"
    )
