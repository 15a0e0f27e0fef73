"""Ranges of partitions that hold none."""

import dagster as dg
import pytest
import redis

from regional_assets.defs.jobs import CHECK_JOB, HISTORY_JOB, SNAPSHOT_JOB
from regional_assets.defs.partitions import range_tags
from regional_assets_tests.support.dagster_runs import DEFS


@pytest.mark.parametrize("job", [SNAPSHOT_JOB, CHECK_JOB, HISTORY_JOB])
def test_a_range_that_is_reversed_fails_with_words(
    instance: dg.DagsterInstance, client: redis.Redis, job: str
) -> None:
    result = DEFS.resolve_job_def(job).execute_in_process(
        instance=instance, tags=range_tags("global", "mena"), raise_on_error=False
    )
    assert not result.success
    [failure] = result.get_step_failure_events()
    data = failure.step_failure_data.user_failure_data
    assert data
    assert (data.description or "").startswith("there is no region from global to mena: ")
