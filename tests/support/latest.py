"""An aggregate of values of any type."""

from typing import Any

from millstream_dataflow.functions import AggregateFunction


class Latest(AggregateFunction[Any, Any, Any]):
    """Keeps what was added last."""

    def create_accumulator(self) -> Any:  # noqa: ANN401  # of any type
        return None

    def add(self, value: Any, accumulator: Any) -> Any:  # noqa: ANN401  # as above
        return value

    def get_result(self, accumulator: Any) -> Any:  # noqa: ANN401  # as above
        return accumulator

    def merge(self, acc_a: Any, acc_b: Any) -> Any:  # noqa: ANN401  # as above
        return acc_b
