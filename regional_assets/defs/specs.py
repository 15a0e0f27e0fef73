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


def later_step(name: str, *outputs: str, after: int) -> Callable[..., dg.OpDefinition]:
    """A step without inputs, whose outputs need not come.

    With @dg.asset it would depend on the output of `regional_snapshot`. That step reports its
    partitions one by one and has no output, so Dagster would skip this one. The spec alone has the
    lineage. In a run of both, this step comes later, because the in-process executor takes the
    steps that are ready in the order of their priority: those with a greater `after` last."""
    return dg.op(
        name=name,
        out={output: dg.Out(dg.Nothing, is_required=False) for output in outputs},
        tags={"dagster/priority": str(-after)},
    )


def made_by(step: dg.OpDefinition, spec: dg.AssetSpec, **options: Any) -> dg.AssetsDefinition:
    """The asset that such a step makes, whose one output is named like the asset."""
    return dg.AssetsDefinition(
        keys_by_input_name={},
        keys_by_output_name={spec.key.to_python_identifier(): spec.key},
        node_def=step,
        specs=[spec],
        **options,
    )
