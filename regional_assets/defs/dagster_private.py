"""What this project uses of Dagster that is no part of its public interface.

A release of Dagster may change any of it without notice; `test_dagster_private.py` says which. The
rest of the project imports `dagster` alone.
"""

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

# The materialisation that a check's result is about. `AssetCheckEvaluation` takes one, but its type
# is exported nowhere. Without it Dagster relates the result to an older materialisation and shows
# the partition as not checked.
CheckTarget = AssetCheckEvaluationTargetMaterializationData

# `@dg.multi_asset_check` makes the step depend on the output of the checked asset. An asset that
# reports its partitions one by one has no such output, and Dagster would skip the checks.
create_checks = dg.AssetChecksDefinition.create
