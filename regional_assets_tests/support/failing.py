"""Run as a program: every command, and the jobs and the sensor behind the UI, on a server that
fails them; everything they say goes to standard output and error."""

import os
import traceback

import dagster as dg
from click.testing import CliRunner

from regional_assets.cli.main import main as command
from regional_assets.definitions import defs
from regional_assets.defs.resources import ClockResource, SnapshotStoreResource
from regional_assets.defs.sensors.inputs import input_sensor
from regional_assets.store.state_folder import use_dagster_home
from regional_assets_tests.support.built_in import MODEL

COMMANDS = (
    "run",
    "status",
    "show mena",
    "alerts",
    "inputs status",
    "inputs load --samples --yes",
    "verify",
    "doctor",
)
JOBS = ("regional_check_job", "regional_history_job", "observe_inputs_job")


def main() -> None:
    """Not in an argument, where it would be found: addresses are in `FAILING_URLS`, a line each."""
    for url in os.environ["FAILING_URLS"].splitlines():
        os.environ["REDIS_URL"] = url
        for typed in COMMANDS:
            said = CliRunner().invoke(command, typed.split())
            print(f"$ {typed}\n{said.output}exit code {said.exit_code}")
            if said.exc_info and not isinstance(said.exception, SystemExit):
                traceback.print_exception(said.exception)
    use_dagster_home()
    with dg.DagsterInstance.get() as instance:
        for name in JOBS:
            job = defs().resolve_job_def(name)
            tags = {"dagster/partition": "mena"} if job.partitions_def else {}
            result = job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
            print(f"{name}: {'success' if result.success else 'failure'}")
            for event in result.all_events:
                print(event.message, event.event_specific_data)
        with dg.build_sensor_context(
            instance=instance,
            resources={
                "regional_model": MODEL,
                "regional_store": SnapshotStoreResource(),
                "regional_clock": ClockResource(),
            },
        ) as context:
            print(f"input_sensor: {input_sensor(context)}")


if __name__ == "__main__":
    main()
