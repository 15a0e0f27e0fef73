"""Stored snapshots of other versions, and damaged ones of this: the same bodies, each with one
thing that this code does not find there or does not understand."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from regional_assets.intelligence.scoring import BUFFERS
from regional_assets.intelligence.stored import Body
from regional_assets_tests.support.built_in import MODEL

Json = dict[str, Any]
Path = tuple[str | int, ...]

THESE: Mapping[str, str] = MODEL.stored_versions

# What is compared of a snapshot, each by its path, and values that this code does not take there.
COMPARED: Mapping[Path, tuple[Any, ...]] = {
    ("regime",): (None, [], "calm"),
    ("regime", "label"): (None, 7, "serene"),
    ("balance",): (None, [], 0.5),
    **{("balance", axis): (None, "0.5", [], 7, -0.1) for axis in BUFFERS},
    ("scenario_sets",): (None, {}, [None], "24h"),
    ("scenario_sets", 0, "horizon"): (None, 24),
    ("scenario_sets", 0, "lanes"): (None, {}, [1]),
    ("scenario_sets", 0, "lanes", 0, "name"): (None, 1),
    ("scenario_sets", 0, "lanes", 0, "probability"): (None, "high", 2),
    ("triggers",): (None, [], "x"),
    ("triggers", "active"): (None, {}, ["oref_cluster"]),
    ("triggers", "active", 0, "id"): (None, 1),
    ("actors",): (None, {}, ["iran"]),
    ("actors", 0, "actor_id"): (None, 1),
    ("actors", 0, "leverage_score"): (None, "much", 7),
}
TOP_LEVEL = tuple((name,) for name in Body.__struct_fields__)
NOT_COMPARED = [
    path for path in TOP_LEVEL if path not in COMPARED and path not in (("region_id",), ("meta",))
]


def of_versions(body: Json, **versions: str | None) -> Json:
    """A copy of the body that states these versions, of which None is none."""
    found = copy.deepcopy(body)
    found["meta"] |= versions
    for name, version in versions.items():
        if version is None:
            del found["meta"][name]
    return found


# A name → the versions that a snapshot states.
OTHERS: Mapping[str, Mapping[str, str | None]] = {
    "a former model": {"model_version": "0.0.1"},
    "a former scoring": {"scoring_version": "1.1.0"},
    "a former geography": {"geography_version": "0.9.0"},
    "a model to come": {"model_version": "99.0.0"},
    "all to come": dict.fromkeys(THESE, "99.0.0"),
    "no geography": {"geography_version": None},
    "none": dict.fromkeys(THESE),
}


def without(body: Json, path: Path) -> Json:
    """A copy of the body that lacks what is at that path."""
    found = copy.deepcopy(body)
    *parents, last = path
    del _part(found, parents)[last]
    return found


def with_value(body: Json, path: Path, value: Any) -> Json:
    """A copy of the body with that value at the path."""
    found = copy.deepcopy(body)
    *parents, last = path
    _part(found, parents)[last] = value
    return found


def _part(body: Any, path: list[str | int]) -> Any:
    for name in path:
        body = body[name]
    return body


def strange(body: Json) -> Iterator[tuple[str, Json]]:
    """What is compared, lacking or of another form, each with a name."""
    for path, values in COMPARED.items():
        name = ".".join(map(str, path))
        yield f"without {name}", without(body, path)
        for value in values:
            yield f"{name} of {value!r}", with_value(body, path, value)


def very_strange(body: Json) -> Iterator[tuple[str, Json]]:
    """What a later or earlier schema may have done, however much."""
    for path in TOP_LEVEL:
        if path not in (("region_id",), ("meta",)):
            yield f"without {path[0]}", without(body, path)
    axes = body["balance"] | {"cyber_resilience": 0.5}
    yield "an axis more", with_value(body, ("balance",), axes)
    renamed = {name: value for name, value in axes.items() if name != "maritime_access"}
    yield "an axis for another", with_value(body, ("balance",), renamed)
    yield "axes in a table", with_value(body, ("balance",), {"axes": [["maritime_access", 0.5]]})
    yield "without a region", without(body, ("region_id",))
    yield "nothing but its versions", {"meta": body["meta"]}
