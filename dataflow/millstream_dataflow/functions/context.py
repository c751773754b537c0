"""What a function may know about where it runs, and where it asks for state. The runtime implements it."""

from abc import abstractmethod
from collections.abc import Mapping

from millstream_dataflow.metrics import MetricGroup
from millstream_dataflow.state import KeyedStateStore


class RuntimeContext(KeyedStateStore):
    """Given to `open`. On a keyed stream it is also where state is asked for: `runtime_context.get_state(...)`."""

    @abstractmethod
    def get_task_name(self) -> str:
        """The name of the operators that run together in this task."""

    @abstractmethod
    def get_task_name_with_subtasks(self) -> str:
        """The task's name with the subtask counted from 1, such as `Map (3/6)`."""

    @abstractmethod
    def get_number_of_parallel_subtasks(self) -> int:
        """The operator's parallelism."""

    @abstractmethod
    def get_max_number_of_parallel_subtasks(self) -> int:
        """The operator's maximal parallelism: the number of key groups."""

    @abstractmethod
    def get_index_of_this_subtask(self) -> int:
        """Which subtask this is, from 0."""

    @abstractmethod
    def get_attempt_number(self) -> int:
        """How often this subtask was started again, from 0."""

    @abstractmethod
    def get_operator_name(self) -> str:
        """What the operator of this function is called: by `name(...)`, else after its kind."""

    @abstractmethod
    def get_job_id(self) -> str:
        """The job's id."""

    @abstractmethod
    def get_job_name(self) -> str:
        """The job's name, as `execute(name)` or `pipeline.name` says it."""

    @abstractmethod
    def get_metrics_group(self) -> MetricGroup:
        """Where this operator's own metrics are asked for."""

    @abstractmethod
    def get_global_job_parameters(self) -> Mapping[str, str]:
        """All of the job's global parameters (`pipeline.global-job-parameters`, `set_global_job_parameters`)."""

    @abstractmethod
    def get_job_parameter(self, key: str, default_value: str) -> str:
        """The job's global parameter of that name, or the default."""
