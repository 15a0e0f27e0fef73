"""One run over many partitions, in which every partition reports for itself.

To Dagster, a run over a range of partitions is one unit: when the asset raises, all partitions
fail, and when it returns, all are materialised with the same metadata. With a `PartitionReport`,
each partition has a materialisation, metadata and a data version of its own, and fails alone:

    @dg.asset(
        partitions_def=CITIES,
        backfill_policy=dg.BackfillPolicy.single_run(),
        output_required=False,
    )
    def sizes(context: dg.AssetExecutionContext):
        report = PartitionReport(context, context.asset_key, CITIES.get_partition_keys())
        for city in report.partitions:
            try:
                size, digest = measure(city)
            except Exception as error:
                report.failed(city, error)
            else:
                report.materialised(city, {"size": size}, data_version=digest)
        yield from report.finish()

The run then fails if any partition failed.

The file is a recipe to copy: it imports nothing but Dagster and the standard library.
`test_reporting.py` goes with it, and says whether a release of Dagster still has the few private
parts that are used here. What does not report on partitions belongs elsewhere.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import dagster as dg
from dagster._core.events import AssetMaterializationPlannedData, DagsterEventBatchMetadata

DATA_VERSION_TAG = "dagster/data_version"
# Up to so many partitions are looked at one by one. A run over more of them writes little about
# each, and its failure quotes the first errors only.
FEW = 100
# Materialisations that are stored at once.
_BATCH = 250
_QUOTED = 50

StepContext = dg.AssetExecutionContext | dg.OpExecutionContext


class PartitionReport:
    """What became of each of the `partitions` of a run: those that it was launched for; or `every`
    partition of the asset when it was launched without any, as the launchpad and `dagster job
    execute` allow. `brief` says whether they are so many that the metadata of each should be
    little.

    `context` is the step's, `asset_key` the asset whose partitions are reported. `verdict` ends the
    sentence "2 of 8 …" in the failure.
    """

    def __init__(
        self,
        context: StepContext,
        asset_key: dg.AssetKey,
        every: Sequence[str],
        verdict: str = "partitions failed",
    ) -> None:
        self._context = context
        self._asset_key = asset_key
        self._verdict = verdict
        self._done: set[str] = set()
        self._errors: dict[str, str] = {}
        self.partitions = every
        if context.has_partition_key or context.has_partition_key_range:
            self.partitions = context.partition_keys
        else:
            _plan(context, asset_key, every)
        self.brief = len(self.partitions) > FEW

    def materialised(
        self,
        partition: str,
        metadata: Mapping[str, Any] | None = None,
        data_version: str | None = None,
    ) -> None:
        """Materialises the partition now: it stays materialised whatever becomes of the run."""
        self._context.log_event(self._event(partition, metadata, data_version))

    def all_materialised(
        self, partitions: Iterable[tuple[str, Mapping[str, Any], str | None]]
    ) -> None:
        """Materialises each partition as it comes, with its metadata and data version. Of many, 250
        at once are stored, where Dagster's storage can (PostgreSQL, with `DAGSTER_EVENT_BATCH_SIZE`
        set to as many); those that came before an error of `partitions` are stored, too."""
        if not self.brief:
            for each in partitions:
                self.materialised(*each)
            return
        batch: list[dg.AssetMaterialization] = []
        try:
            for each in partitions:
                batch.append(self._event(*each))
                if len(batch) == _BATCH:
                    full, batch = batch, []
                    _log_at_once(self._context, full)
        finally:
            if batch:
                _log_at_once(self._context, batch)

    def _event(
        self, partition: str, metadata: Mapping[str, Any] | None, data_version: str | None
    ) -> dg.AssetMaterialization:
        self._done.add(partition)
        return dg.AssetMaterialization(
            self._asset_key,
            partition=partition,
            metadata=metadata,
            # On the event, as a data version on an output would be that of all partitions.
            tags={DATA_VERSION_TAG: data_version} if data_version else None,
        )

    def observed(self, partition: str, metadata: Mapping[str, Any] | None = None) -> None:
        """Observes the partition, whose newest materialisation stands: another run's is newer than
        what this one made."""
        self._done.add(partition)
        observation = dg.AssetObservation(self._asset_key, partition=partition, metadata=metadata)
        self._context.log_event(observation)

    def failed(self, partition: str, error: Exception | str) -> None:
        """Notes why the partition failed, and logs it; of an exception, the console shows the
        traceback."""
        cause = error if isinstance(error, Exception) else None
        text = f"{type(error).__name__}: {error}" if cause else str(error)
        self._errors[partition] = " ".join(text.split())
        self._context.log.error(f"{partition} failed: {self._errors[partition]}", exc_info=cause)

    def finish(self) -> Iterator[Any]:
        """Raises one `Failure` that names each failed partition with its error, if there is any;
        in a run over many, the first 50.

        A partition about which nothing was reported has failed, too: Dagster would show it as
        missing after a successful run.

        Returns an empty iterator, for `yield from`. It makes a generator of the asset's function.
        Dagster would take what a plain function returns, even None, for an output, and would
        materialise every partition a second time.
        """
        for partition in self.partitions:
            if partition not in self._done and partition not in self._errors:
                self.failed(partition, "the run reported nothing about it")
        if self._errors:
            quoted = dict(islice(self._errors.items(), _QUOTED if self.brief else None))
            words = [f"{partition}: {error}" for partition, error in quoted.items()]
            if more := len(self._errors) - len(quoted):
                words.append(f"{more} more, which the run's log names")
            raise dg.Failure(
                f"{len(self._errors)} of {len(self.partitions)} {self._verdict}: "
                + "; ".join(words),
                metadata=quoted,
                # A retry would repeat all partitions; only the failed ones need another run.
                allow_retries=False,
            )
        return iter(())


def _plan(context: StepContext, asset_key: dg.AssetKey, partitions: Sequence[str]) -> None:
    """Records that the run is about to materialise these partitions. Dagster does so when it
    creates a run for partitions. A partition counts as failed only when that was recorded."""
    for number, partition in enumerate(partitions, 1):
        event = dg.DagsterEvent.build_asset_materialization_planned_event(
            context.run.job_name,
            context.op_def.name,
            AssetMaterializationPlannedData(asset_key, partition=partition),
        )
        batch = DagsterEventBatchMetadata(context.run.run_id, number == len(partitions))
        context.instance.report_dagster_event(event, context.run.run_id, batch_metadata=batch)


def _log_at_once(context: StepContext, found: Sequence[dg.AssetMaterialization]) -> None:
    """Logs the events as `context.log_event` does, but as a batch, which PostgreSQL takes in a
    tenth of the time."""
    step = context.get_step_execution_context()
    for number, materialisation in enumerate(found, 1):
        batch = DagsterEventBatchMetadata(context.run.run_id, number == len(found))
        dg.DagsterEvent.asset_materialization(step, materialisation, batch)
