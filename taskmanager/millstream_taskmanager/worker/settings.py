"""What tasks take from the job's and the cluster's configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from millstream_dataflow.configuration import Configuration, aligned_checkpoint_timeout
from millstream_dataflow.configuration.enums import CheckpointingMode
from millstream_dataflow.configuration.options import batch, checkpointing, execution, network
from millstream_taskmanager.exchange.pending import FlushRules
from millstream_taskmanager.operators.registry import OperatorSettings
from millstream_taskmanager.task.alignment import Guarantee

_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """Bytes, records and milliseconds. `seed` makes shuffles repeatable."""

    flush: FlushRules = FlushRules(8_192, 256 << 10, 100)  # noqa: RUF009  # frozen, so one may be shared
    window: int = 64 << 10
    floating: int = 2 << 20
    guarantee: Guarantee = Guarantee.EXACTLY_ONCE
    overtake_after: int | None = None
    """How long a checkpoint is aligned until its barriers overtake; None: to its end."""
    operators: OperatorSettings = OperatorSettings()  # noqa: RUF009  # as above
    seed: int = 0
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    """What functions are told (`get_job_parameter`)."""
    frame: int = 64 << 20
    """The most bytes of one frame."""


def task_settings(
    configuration: Configuration, *, seed: int = 0, results_wait: bool = False, spill_directory: str = ""
) -> TaskSettings:
    """The settings that a configuration says. `results_wait`: the client fetches what is collected by requests.
    `spill_directory`: for what doesn't fit into memory; empty: where the system has temporary files.
    """
    get = configuration.get
    exactly_once = get(checkpointing.MODE) is CheckpointingMode.EXACTLY_ONCE
    aligned_for = aligned_checkpoint_timeout(configuration)
    return TaskSettings(
        FlushRules(
            get(execution.BATCH_MAX_RECORDS),
            get(execution.BATCH_MAX_SIZE),
            get(execution.BUFFER_TIMEOUT) // _MILLISECOND,
        ),
        get(network.EXCLUSIVE_BYTES_PER_CHANNEL),
        get(network.FLOATING_BYTES_PER_GATE),
        Guarantee.EXACTLY_ONCE if exactly_once else Guarantee.AT_LEAST_ONCE,
        None if aligned_for is None else aligned_for // _MILLISECOND,
        OperatorSettings(
            get(execution.AUTO_WATERMARK_INTERVAL) // _MILLISECOND,
            results_wait,
            get(execution.OBJECT_REUSE),
            get(execution.BATCH_MAX_RECORDS),
            get(batch.SORT_MEMORY),
            spill_directory,
        ),
        seed,
        get(execution.GLOBAL_JOB_PARAMETERS),
        get(network.MAX_FRAME_SIZE),
    )
