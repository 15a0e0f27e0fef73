"""What `regional-assets doctor` asks Dagster's instance."""

from pathlib import Path

import dagster as dg


def describe_storage(home: Path) -> str:
    """Where the instance of that Dagster home keeps its runs, and how many; raises Dagster's error,
    or the storage's, when it cannot be reached."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        kind = type(instance.run_storage).__name__
        return f"{kind} answers: {instance.get_runs_count()} runs"
