"""A service's primary as its Sentinels name it: one plain client, whose connections look it up."""

from collections.abc import Iterator, Sequence
from typing import Any

import redis

from regional_assets.redis_link.errors import LinkError
from regional_assets.redis_link.refusals import UNREACHABLE
from regional_assets.redis_link.results import Result, ok, problem, warning
from regional_assets.redis_link.server import Address, NoRoute, Routed
from regional_assets.redis_link.text import one_line

# What a Sentinel says of a service, by redis-py's names.
State = dict[str, Any]

_CORRECT = "start them, or correct REDIS_URL"


class SentinelService(Routed):
    """The primary of one service, whose Sentinels are asked through a plain client each."""

    silent = "start it, or wait until its Sentinels have chosen another primary, and run again"
    unsettled = (
        "has not taken the command within {deadline:g} s ({error}): see `regional-assets doctor`, "
        "and run again when the Sentinels agree on a primary"
    )

    def __init__(self, like: redis.Redis, sentinels: Sequence[redis.Redis], service: str) -> None:
        super().__init__(like)
        self._sentinels = list(sentinels)
        self._service = service
        self._named = ",".join(str(Address.of(sentinel)) for sentinel in sentinels)

    def __str__(self) -> str:
        primary = f"primary {self.home}" if self.home else "primary not known yet"
        return f"service {self._service} of the Sentinels {self._named} ({primary})"

    @property
    def host(self) -> str:
        return self.home.host if self.home else super().host

    def locate(self) -> Address:
        """The primary, by the first Sentinel that has one (asked first from then on). Raises
        `NoRoute` when none answers, `LinkError` when none knows the service, redis-py's error
        while the primary is down."""
        silent, unknown, down = [], [], []
        for sentinel, state in self._ask():
            at = str(Address.of(sentinel))
            if isinstance(state, Exception):
                why = one_line(state) or type(state).__name__
                silent.append(f"{at}: {'it is no Sentinel' if 'unknown command' in why else why}")
            elif state is None:
                unknown.append(at)
            elif trouble := _trouble(state):
                down.append(f"{at}: {_primary(state)} {trouble}")
            else:
                self._sentinels.sort(key=lambda other: other is not sentinel)
                return _primary(state)
        rest = f" ({'; '.join(silent)})" if silent else ""
        if down:
            raise redis.ConnectionError(
                "its Sentinels name no primary that is alive, and have chosen no other yet: "
                f"{'; '.join(down)}{rest}"
            )
        if unknown:
            raise LinkError(
                f"the Sentinels {', '.join(unknown)} know no service {self._service}{rest}: "
                "correct its name in REDIS_URL, or add it to them (SENTINEL MONITOR)"
            )
        raise NoRoute(
            f"no Sentinel of the service {self._service} answers{rest}: {_CORRECT} "
            "(their password is ?sentinel_password=)"
        )

    def others(self) -> Sequence[redis.Redis]:
        return self._sentinels

    def start_over(self, error: Exception) -> None:
        """Another Sentinel is asked first, because this one may be cut off and out of date."""
        super().start_over(error)
        self._sentinels = [*self._sentinels[1:], *self._sentinels[:1]]

    def failover(self) -> Result:
        """Whether the Sentinels agree on a primary, and are enough to choose another."""
        states: list[State] = []
        problems = []
        for sentinel, state in self._ask():
            if isinstance(state, dict):
                states.append(state)
            else:
                what = "answer" if state else f"know the service {self._service}"
                problems.append(f"{Address.of(sentinel)} does not {what}")
        if not states:
            return problem("; ".join(problems), _CORRECT)
        quorum = max(state["quorum"] for state in states)
        primaries = sorted({str(_primary(state)) for state in states})
        agreed = f"{len(states)} of {len(self._sentinels)} Sentinels name {' and '.join(primaries)}"
        found = "; ".join([f"{agreed}, quorum {quorum}", *problems])
        # A majority of all Sentinels, named here or not, has to choose the next primary.
        known = 1 + max(state["num-other-sentinels"] for state in states)
        needed = max(quorum, known // 2 + 1)
        if len(primaries) > 1:
            return warning(found, "a failover is under way, or a Sentinel is cut off: look again")
        if len(states) < needed:
            advice = f"start Sentinels: {needed} of {known} have to agree on a failover"
            return problem(found, advice)
        return warning(found, _CORRECT) if problems else ok(found)

    def _ask(self) -> Iterator[tuple[redis.Redis, State | Exception | None]]:
        """Each Sentinel, and what it says of the service: None when it does not know it; or why it
        does not answer."""
        for sentinel in list(self._sentinels):
            commands: Any = sentinel
            try:
                found: dict[str, State] = commands.sentinel_masters()
            except (redis.RedisError, *UNREACHABLE) as error:
                yield sentinel, error
            else:
                yield sentinel, found.get(self._service)


def _trouble(state: State) -> str:
    """Why what a Sentinel names is no primary to connect to; empty when it is one."""
    if state["is_odown"]:
        return "is down, as the quorum agrees"
    if state["is_sdown"]:
        return "seems down to this one"
    return "" if state["is_master"] else "is no primary"


def _primary(state: State) -> Address:
    return Address(state["ip"], state["port"])
