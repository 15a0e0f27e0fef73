"""Checks that the stored data of a region is consistent."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice

import redis
from redis.exceptions import NoPermissionError

from regional_assets.intelligence.diff import versions_of
from regional_assets.intelligence.model import Model
from regional_assets.intelligence.stored import BodyError, read_body, read_seed_meta, read_summary
from regional_assets.intelligence.timing import FUTURE_TOLERANCE_MS
from regional_assets.redis_link.text import as_text
from regional_assets.store.history_verification import Kept, history_problems
from regional_assets.store.keys import (
    DAY,
    OBSERVATION_EXPIRY,
    SNAPSHOT_EXPIRY,
    SUMMARY_EXPIRY,
    Keys,
    is_snapshot_id,
)
from regional_assets.store.latest import copied_from
from regional_assets.store.verification_views import (
    BATCH,
    Stored,
    View,
    bodies_of,
    look,
    milliseconds,
    stored_snapshots,
)
from regional_assets.store.wire import confirmation, observations

# How often to look at a region that other runs keep writing.
_LOOKS = 3
# Keys that are looked through in one round trip.
_SCANNED = 10_000
# What the server gives for the expiry of a key that is not there.
_ABSENT = -2
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
    waiting = iter(regions)
    while batch := list(islice(waiting, BATCH)):
        views = look(client, keys, model, batch)
        found |= _settled(client, keys, model, views, now)
        empty |= {v.region for v in views if not (v.errors or v.latest or v.index)}
    empty = {region for region in empty if not found[region]}
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
    problems = []
    expiries = replies[1::2]
    for (name, read), [value], expires_at in zip(
        parsers.items(), replies[::2], expiries, strict=True
    ):
        if value is not None:
            try:
                read(value)
            except BodyError as error:
                problems.append(f"{name} is {error}")
        elif any(expires_at != _ABSENT for expires_at in expiries):
            problems.append(f"{name} is {'absent' if expires_at == _ABSENT else 'no string'}")
        problems += _expiry_problems(name, expires_at, milliseconds(time), SUMMARY_EXPIRY, None)
    return problems


def _settled(
    client: redis.Redis, keys: Keys, model: Model, views: Sequence[View], now: int
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
        views = [view for view in again if not view.is_same(troubled[view.region])]
    return found


def _all_problems(
    client: redis.Redis, keys: Keys, views: Sequence[View], now: int
) -> dict[str, list[str]]:
    members = {view.region: _members(client, view, now) for view in views if not view.errors}
    stored = stored_snapshots(
        client, keys, ((r, id, at) for r, (ids, _) in members.items() for id, at in ids.items())
    )
    return {
        view.region: list(view.errors)
        or _problems(client, view, *members[view.region], stored, now)
        for view in views
    }


def _members(client: redis.Redis, view: View, now: int) -> tuple[dict[str, float], list[str]]:
    """The snapshots of the region (id → time, ms) by its index and its pointer, and what is wrong
    with these two."""
    keys = view.keys
    latest_name, index_name, _, confirmed_name, *_ = view.expiries
    index = view.times
    members = {id: at for id, at in index.items() if at > _oldest(now) and is_snapshot_id(id)}
    problems = []
    if not all(map(is_snapshot_id, index)):
        problems.append(f"{index_name} lists something else than snapshot ids")
    latest_id = as_text(view.latest or b"")
    if view.latest is None and not index:
        problems += [
            _lost(keys, view.region, name)
            for name in (confirmed_name, *view.observed)
            if view.expiries[name] != _ABSENT
        ]
    elif view.latest is None and members:
        problems.append(f"{latest_name} is absent, but {index_name} lists snapshots")
    elif view.latest is not None and not is_snapshot_id(latest_id):
        problems.append(f"{latest_name} holds no snapshot id")
    elif view.latest is not None and latest_id not in members:
        [body] = bodies_of(client, keys, [latest_id])
        try:
            generated_at = read_body(view.region, latest_id, body or b"").generated_at
            members[latest_id] = index.get(latest_id, generated_at)
        except BodyError as error:
            name = keys.snapshot_by_id(latest_id)
            what = "absent" if body is None else error
            problems.append(f"{latest_name} names {latest_id}: {name} is {what}")
    return members, problems


def _oldest(now: int) -> int:
    """From when on snapshots are still stored at `now` (ms): they expire on their own, entries of
    the index only with the region's next commit."""
    return now - SNAPSHOT_EXPIRY * 1000 + FUTURE_TOLERANCE_MS


def _problems(
    client: redis.Redis,
    view: View,
    members: Mapping[str, float],
    known: Sequence[str],
    stored: Iterator[Stored],
    now: int,
) -> list[str]:
    """The problems of a region: those that are `known`, and those of its `members`, of which
    `stored` gives what is stored."""
    _, index_name, history_name, confirmed_name, copy_name, *_ = view.expiries
    latest_id = as_text(view.latest or b"")
    kept, unreadable = _read_snapshots(view, members, stored, now)
    problems = [*known, *unreadable]
    latest = kept[latest_id].snapshot if latest_id in kept else None
    if latest:
        problems += _pointer_problems(view, latest.generated_at, latest_id, view.times, now)
    newest: float = now + FUTURE_TOLERANCE_MS
    if latest and latest.generated_at > newest:
        # That has been reported; what was written with it is no news.
        newest = math.inf
    confirmed_at = confirmation(view.confirmed)
    if view.confirmed is not None and (confirmed_at is None or confirmed_at > newest):
        problems.append(f"{confirmed_name} holds no time, or one of the future; {_HEALS}")
    expires_at = view.expiries[confirmed_name]
    problems += _expiry_problems(confirmed_name, expires_at, view.at, SNAPSHOT_EXPIRY, None)
    expires_at = view.expiries[copy_name]
    problems += _expiry_problems(copy_name, expires_at, view.at, SNAPSHOT_EXPIRY, None)
    for name, observed in view.observed.items():
        problems += _observation_problems(view, name, observed, now, newest)
    problems += [
        f"{name} expires, and must not: PERSIST it"
        for name in (index_name, history_name)
        if view.expiries[name] >= 0
    ]
    return problems + history_problems(
        history_name,
        view.region,
        view.history,
        kept,
        latest.regime.label if latest else None,
        _oldest(now),
        partial(bodies_of, client, view.keys),
    )


def _pointer_problems(
    view: View, generated_at: int, latest_id: str, index: Mapping[str, float], now: int
) -> list[str]:
    latest_name, index_name, *_ = view.expiries
    problems = []
    if generated_at > now + FUTURE_TOLERANCE_MS:
        problems.append(
            f"{latest_name} names a snapshot dated {(generated_at - now) // 1000} s after this "
            "machine's clock: what is written until then will be late. Set the wrong clock right; "
            f"to start the region anew, delete {latest_name}, and ZREM {latest_id} from "
            f"{index_name}"
        )
    if index.get(latest_id) != generated_at:
        problems.append(f"{index_name} does not hold {latest_id} at {generated_at}")
    if any(at > generated_at for at in index.values()):
        problems.append(f"{latest_name} is not the newest in {index_name}")
    expires_at = view.expiries[latest_name]
    return problems + _expiry_problems(
        latest_name, expires_at, view.at, SNAPSHOT_EXPIRY, now - generated_at
    )


def _read_snapshots(
    view: View, members: Mapping[str, float], stored: Iterator[Stored], now: int
) -> tuple[dict[str, Kept], list[str]]:
    """The readable ones of the snapshots in the index (`members`: id → time), and the problems of
    all, by id and at their times."""
    keys = view.keys
    kept: dict[str, Kept] = {}
    problems: list[str] = []
    # Two snapshots of one time share the key of that time, which holds the one written last.
    at_their_times: dict[str, str] = {}
    right: set[str] = set()
    for id, at in members.items():
        found = next(stored)
        name, copy_name = keys.snapshot_by_id(id), keys.snapshot_at(view.region, f"{at:.0f}")
        if found.body is None:
            problems.append(f"{keys.index(view.region)} lists {id}: {name} is absent")
            continue
        try:
            snapshot = read_body(view.region, id, found.body)
        except BodyError as error:
            stated = versions_of(found.body)
            # One of another version may have another form.
            if not all(stated.values()) or stated == view.model.stored_versions:
                problems.append(f"{name} is {error}")
            continue
        kept[id] = Kept(snapshot, found.expires_at)
        if view.copy and view.copy != found.body and copied_from(id, view.copy):
            name_of_copy = keys.latest_body(view.region)
            problems.append(f"{name_of_copy} is not the snapshot {id}: delete it")
        if snapshot.generated_at != at:
            problems.append(f"{name} has another time than in {keys.index(view.region)}")
            continue
        if found.copy == found.body:
            right.add(copy_name)
        else:
            what = "absent" if found.copy is None else f"not the snapshot {id}"
            at_their_times[copy_name] = f"{copy_name} is {what}"
        for key, expires_at in ((name, found.expires_at), (copy_name, found.copy_expires_at)):
            age = now - snapshot.generated_at
            problems += _expiry_problems(key, expires_at, view.at, SNAPSHOT_EXPIRY, age)
    problems += [words for name, words in at_their_times.items() if name not in right]
    return kept, problems


def _observation_problems(
    view: View, name: str, members: Sequence[tuple[bytes, float]], now: int, newest: float
) -> list[str]:
    try:
        found = observations(member for member, _ in members)
    except ValueError:
        found = []
    if [at for at, _ in found] != [at for _, at in members]:
        return [f"{name} holds something else than observations"]
    last = max((at for at, _ in found), default=now)
    if last > newest:
        return [f"{name} has an observation of the future; {_HEALS}"]
    age = now - last
    return _expiry_problems(name, view.expiries[name], view.at, OBSERVATION_EXPIRY, age)


def _expiry_problems(name: str, expires_at: int, at: int, lasts: int, age: int | None) -> list[str]:
    """Whether a key whose value is `age` ms old or less (None: unknown) expires (`expires_at`)
    `lasts` s after it was written, but for differences between clocks; `at` is the server's clock.
    Times in ms."""
    if expires_at == -1:
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
