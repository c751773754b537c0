"""The part of a program's configuration that PyFlink keeps in `ExecutionConfig`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

from millstream.datastream.absent import OF_EXECUTION_CONFIGS, refuse
from millstream.datastream.pyflink_execution_config import PyFlinkExecutionConfig
from millstream.datastream.settings import Settings, duration
from millstream_dataflow.configuration.options import execution
from millstream_dataflow.time import Span


class ExecutionConfig(PyFlinkExecutionConfig):
    """How the program runs: a view of `pipeline.*` and `parallelism.default`. Setters return the same object."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def get_parallelism(self) -> int:
        """The parallelism of operators that name none."""
        return self._settings.get(execution.PARALLELISM)

    def set_parallelism(self, parallelism: int) -> "ExecutionConfig":
        """Run operators that name no parallelism with this one."""
        self._settings.set(execution.PARALLELISM, parallelism)
        return self

    def get_max_parallelism(self) -> int:
        """The number of key groups; -1: chosen by parallelism."""
        return self._settings.get(execution.MAX_PARALLELISM)

    def set_max_parallelism(self, max_parallelism: int) -> "ExecutionConfig":
        """The number of key groups, and so the greatest parallelism that the job can ever have."""
        self._settings.set(execution.MAX_PARALLELISM, max_parallelism)
        return self

    def get_auto_watermark_interval(self) -> int:
        """Milliseconds between periodic watermarks; 0: none on a clock."""
        return self._settings.get_milliseconds(execution.AUTO_WATERMARK_INTERVAL)

    def set_auto_watermark_interval(self, interval: Span) -> "ExecutionConfig":
        """Emit watermarks this often, beside those that follow each batch which raised them."""
        self._settings.set(execution.AUTO_WATERMARK_INTERVAL, duration(interval))
        return self

    def is_object_reuse_enabled(self) -> bool:
        """Whether records are passed on as they are, since no function changes one."""
        return self._settings.get(execution.OBJECT_REUSE)

    def enable_object_reuse(self) -> "ExecutionConfig":
        """Copy no records: no function changes one that it was given or has emitted."""
        self._settings.set(execution.OBJECT_REUSE, value=True)
        return self

    def disable_object_reuse(self) -> "ExecutionConfig":
        """Copy what can be changed, as it is given."""
        self._settings.set(execution.OBJECT_REUSE, value=False)
        return self

    def get_global_job_parameters(self) -> Mapping[str, str]:
        """What functions are told by `RuntimeContext.get_job_parameter`."""
        return self._settings.get(execution.GLOBAL_JOB_PARAMETERS)

    def set_global_job_parameters(self, global_job_parameters_dict: Mapping[str, object]) -> "ExecutionConfig":
        """What functions are told by `RuntimeContext.get_job_parameter`, in the place of what was set before. Values
        become text.
        """
        texts = {str(key): str(value) for key, value in global_job_parameters_dict.items()}
        self._settings.set(execution.GLOBAL_JOB_PARAMETERS, texts)
        return self

    if not TYPE_CHECKING:  # a type checker knows which names are there

        def __getattr__(self, name: str) -> NoReturn:
            refuse(self, name, OF_EXECUTION_CONFIGS)
