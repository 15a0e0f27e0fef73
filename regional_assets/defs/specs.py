"""What the assets have in common, and the steps that depend on no other."""

from collections.abc import Callable
from typing import Any

import dagster as dg

OWNERS = ["team:regional-intelligence"]
TAGS = {"domain": "regional-intelligence"}


def made_asset(key: dg.AssetKey, description: str, *kinds: str, **options: Any) -> dg.AssetSpec:
    """An asset that this project makes from what is in Redis."""
    return dg.AssetSpec(
        key,
        description=description,
        group_name="snapshots",
        kinds={"python", "redis", *kinds},
        owners=OWNERS,
        tags=TAGS,
        skippable=True,
        **options,
    )


def later_asset(
    write: Callable[..., Any], spec: dg.AssetSpec, *, after: int, **options: Any
) -> dg.AssetsDefinition:
    """The asset that `write` makes in a step without inputs, whose output need not come.

    With @dg.asset it would depend on the output of `regional_snapshot`. That step reports its
    partitions one by one and has no output, so Dagster would skip this one. The spec alone has the
    lineage. In a run of both, this step comes later, because the in-process executor takes the
    steps that are ready in the order of their priority: those with a greater `after` last."""
    name = spec.key.to_python_identifier()
    step = dg.op(
        name=name,
        out={name: dg.Out(dg.Nothing, is_required=False)},
        tags={"dagster/priority": str(-after)},
    )
    return dg.AssetsDefinition(
        keys_by_input_name={},
        keys_by_output_name={name: spec.key},
        node_def=step(write),
        specs=[spec],
        **options,
    )
