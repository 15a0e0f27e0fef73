"""The probes of `regional-assets doctor`: the state folder, and the server with what is stored
there."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path

import msgspec
from redis.exceptions import NoPermissionError, ResponseError

from regional_assets.errors import STORE_ERRORS
from regional_assets.intelligence.inputs import read_inputs
from regional_assets.intelligence.model import Model
from regional_assets.redis_link.errors import LinkError
from regional_assets.redis_link.folders import write_problem
from regional_assets.redis_link.probes import PROBES, Probe, size
from regional_assets.redis_link.refusals import UNREACHABLE, refusal
from regional_assets.redis_link.results import Result, Verdict
from regional_assets.redis_link.text import as_text, one_line
from regional_assets.redis_link.tried import fields
from regional_assets.settings import StoreSettings
from regional_assets.store import access
from regional_assets.store.identity import MetStore, present_store
from regional_assets.store.rights import rights
from regional_assets.store.snapshot_store import SnapshotStore

# Inputs age in minutes and alerts are guarded for hours, by this machine's clock.
CLOCK_WARNING_MS = 1_000
CLOCK_PROBLEM_MS = 60_000
DISK_WARNING = 100_000_000


class Finding(msgspec.Struct, frozen=True):
    """What one check found, and what to do about it."""

    check: str
    verdict: Verdict
    found: str
    advice: str = ""


class _Examined(msgspec.Struct, dict=True):
    """The store under examination; it and what its server says of itself are asked for once."""

    settings: StoreSettings
    model: Model
    now: Callable[[], int]
    on_record: Callable[[], MetStore | None]

    @cached_property
    def store(self) -> SnapshotStore:
        return SnapshotStore.open(self.model, self.settings)

    @cached_property
    def probe(self) -> Probe:
        hello = self.store.attempt(partial(self.store.client.execute_command, "HELLO"))
        return Probe(self.store.server, fields(hello), self.settings.replicas)


def diagnose(
    settings: StoreSettings | None,
    model: Model,
    now: Callable[[], int],
    on_record: Callable[[], MetStore | None],
) -> Iterator[Finding]:
    """The findings of all probes, one after the other. With `settings` None, because they are
    invalid, every probe is skipped. `on_record` gives the store of the runs before. Changes
    nothing, but starts the embedded server where that is configured."""
    if settings is None:
        for name in ("reachability", *_CHECKS):
            yield Finding(name, "skipped", "needs settings that are understood")
        return
    it = _Examined(settings, model, now, on_record)
    yield examined("state folder", partial(_state_folder, settings.state_dir))
    yield (reached := examined("reachability", partial(_reachability, it)))
    for name, look in _CHECKS.items():
        if reached.verdict == "ok":
            yield examined(name, partial(look, it))
        else:
            yield Finding(name, "skipped", "needs a server that answers")
    if "store" in vars(it):
        it.store.client.close()


def examined(check: str, look: Callable[[], Result]) -> Finding:
    """The finding of one check, whatever goes wrong in it."""
    try:
        return Finding(check, *look())
    except NoPermissionError as error:
        advice = "grant that to have it checked"
        return Finding(check, "skipped", f"this user may not look: {error}", advice)
    except ResponseError as error:
        return Finding(check, "skipped", f"the server does not answer this: {refusal(error)}")
    except (*STORE_ERRORS, LinkError, *UNREACHABLE) as error:
        return Finding(check, "problem", one_line(error))
    except KeyError as error:
        return Finding(check, "skipped", f"the server does not report {error}")
    # No check may keep the others from being made.
    except Exception as error:
        words = f"the check itself failed: {type(error).__name__}: {one_line(error)}"
        return Finding(check, "problem", words)


def _state_folder(folder: Path) -> Result:
    if not folder.exists():
        return Result("ok", f"{folder} will be created when it is needed")
    if problem := write_problem(folder):
        return Result("problem", problem)
    free = shutil.disk_usage(folder).free
    found = f"{folder}: {size(free)} free"
    if free >= DISK_WARNING:
        return Result("ok", found)
    return Result("warning", found, "make room: runs and snapshots are kept there")


def _reachability(it: _Examined) -> Result:
    return Result("ok", f"{it.store.server} answers ({it.probe.hello['server']})")


def _of_server(look: Callable[[Probe], Result]) -> Callable[[_Examined], Result]:
    return lambda it: look(it.probe)


def _types(it: _Examined) -> Result:
    keys = it.store.keys
    plain = (*access.read_only_keys(keys, it.model), *access.write_only_keys(keys))
    needed = dict.fromkeys(plain, "string")
    for region in it.model.region_ids:
        needed |= {key: found.kind for key, found in access.stored_keys(keys, region, "0").items()}
    for trigger in it.model.trailing_triggers:
        needed[keys.observations(trigger.region, trigger.metric)] = "zset"
    replies = it.store.server.each([("TYPE", name) for name in needed])
    held = {
        name: as_text(reply)
        for name, reply in zip(needed, replies, strict=True)
        if not isinstance(reply, Exception)
    }
    if not held:
        raise replies[0]
    wrong = [
        f"{name} holds a {kind} where a {needed[name]} belongs"
        for name, kind in held.items()
        if kind not in ("none", needed[name])
    ]
    if wrong:
        return Result("problem", "; ".join(wrong), "RENAME it to keep it, or delete it")
    return Result("ok", f"{sum(kind != 'none' for kind in held.values())} keys, each of its type")


def _clock(it: _Examined) -> Result:
    before = it.now()
    seconds, microseconds = it.store.client.time()
    after = it.now()
    ahead = seconds * 1000 + microseconds / 1000 - (before + after) / 2
    # The reply may have taken all of that time.
    surely = max(0.0, abs(ahead) - (after - before) / 2)
    found = f"the server is {abs(ahead) / 1000:.1f} s {'ahead' if ahead > 0 else 'behind'}"
    if surely <= CLOCK_WARNING_MS:
        return Result("ok", found)
    verdict: Verdict = "problem" if surely > CLOCK_PROBLEM_MS else "warning"
    return Result(verdict, found, "synchronise the clocks of both machines by NTP")


def _identity(it: _Examined) -> Result:
    present, known = present_store(it.store.client, it.store.keys), it.on_record()
    if known is None:
        return Result("ok", f"{present}; no run has put a store on record yet")
    if present.identity == known.identity:
        return Result("ok", f"{present}, that of the runs before")
    if not present.identity and present.address == known.address:
        advice = "restore it, if it should not be empty; the next run begins anew in it"
        return Result(
            "warning", f"{present} was emptied: it had the identity {known.identity}", advice
        )
    advice = "correct REDIS_URL or REGIONAL_KEY_PREFIX; if it is meant, `regional-assets adopt`"
    return Result("problem", f"{present} is not the store of the runs before, {known}", advice)


def _inputs(it: _Examined) -> Result:
    states = read_inputs(it.model.inputs, it.store.read([]).values, it.now())
    by_freshness: dict[str, list[str]] = {}
    for name, state in states.items():
        shown = f"{name} ({state.problem})" if state.problem else name
        by_freshness.setdefault(state.freshness, []).append(shown)
    missing = by_freshness.pop("missing", [])
    found = f"{len(states) - len(missing)} of {len(states)} present"
    if len(missing) == len(states):
        advice = "start the feeds' writers"
        # Elsewhere alerts from an invented world would reach people.
        if it.settings.redis_url is None:
            advice += "; `regional-assets inputs load` loads samples"
        return Result("warning", found, advice)
    for word, names in (("missing", missing), ("stale", by_freshness.get("stale", []))):
        found += f"; {word}: {', '.join(names)}" if names else ""
    if by_freshness.get("fresh") != list(states):
        advice = "see to their writers; `regional-assets inputs status` shows details"
        return Result("warning", found, advice)
    return Result("ok", f"{found} and fresh")


_CHECKS: Mapping[str, Callable[[_Examined], Result]] = {
    **{name: _of_server(look) for name, look in PROBES.items()},
    "rights": lambda it: rights(it.store.server, it.store.keys, it.model),
    "key types": _types,
    "clock": _clock,
    "store": _identity,
    "inputs": _inputs,
}
