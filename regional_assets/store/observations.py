"""How a trigger's observations are written: members `time:value` of a sorted set (SPEC 7)."""

from collections.abc import Iterable

from regional_assets.intelligence.baselines import Observation


def member(at: int, value: float) -> str:
    """The member for a value at a time (ms)."""
    return f"{at}:{value!r}"


def observations(members: Iterable[bytes]) -> list[Observation]:
    """What the members say; raises ValueError when one is something else."""
    pairs = (member.split(b":") for member in members)
    return [(int(at), float(value)) for at, value in pairs]
