"""What `regional-assets doctor` finds of replicas and of Sentinels."""

from typing import Any

from regional_assets.store.node_diagnosis import Result
from regional_assets.store.sentinel import Sentinels


def replication(info: dict[str, Any], wanted: int, sentinels: Sentinels | None) -> Result:
    """Verdict, finding, advice: whether as many replicas are in step as have to have each commit
    (`wanted`), by what the primary reports (`info`), and what its Sentinels say."""
    connected = [info[f"slave{number}"] for number in range(info["connected_slaves"])]
    online = sum(replica["state"] == "online" for replica in connected)
    found = f"{online} replicas in step, {wanted} have to have each commit"
    if sentinels:
        verdict, said, advice = _agreement(sentinels)
        found = f"{found}; {said}"
        if verdict != "ok":
            return verdict, found, advice
    if online < wanted:
        return "problem", found, "every commit fails: start replicas, or lower REGIONAL_REPLICAS"
    if sentinels and wanted < online:
        return (
            "warning",
            found,
            f"REGIONAL_REPLICAS={online} keeps each acknowledged commit through a failover; with "
            "less, one may lose what was just written",
        )
    return "ok", found, ""


def _agreement(sentinels: Sentinels) -> Result:
    states: list[dict[str, Any]] = []
    problems = []
    for at, state in sentinels.each():
        if isinstance(state, Exception):
            problems.append(f"{at} does not answer")
        elif state is None:
            problems.append(f"{at} does not know the service {sentinels.service}")
        else:
            states.append(state)
    if not states:
        return "problem", "; ".join(problems), "start them, or correct REDIS_URL"
    count = len(states) + len(problems)
    quorum = max(state["quorum"] for state in states)
    primaries = {f"{state['ip']}:{state['port']}" for state in states}
    named = " and ".join(sorted(primaries))
    said = f"{len(states)} of {count} Sentinels name {named}, quorum {quorum}"
    found = "; ".join([said, *problems])
    # A majority of all Sentinels, named here or not, has to choose the next primary.
    known = 1 + max(state["num-other-sentinels"] for state in states)
    needed = max(quorum, known // 2 + 1)
    if len(primaries) > 1:
        return "warning", found, "a failover is under way, or a Sentinel is cut off: look again"
    if len(states) < needed:
        advice = f"start Sentinels: {needed} of {known} have to agree on a failover"
        return "problem", found, advice
    if problems:
        return "warning", found, "start them, or correct REDIS_URL"
    return "ok", found, ""
