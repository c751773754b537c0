"""A pipeline run inline, in either mode."""

from collections.abc import Mapping, Sequence
from typing import Any

from millstream.datastream.environment import StreamExecutionEnvironment
from millstream.execution.context import ProgramContext
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.enums import ExecutionTarget, RuntimeExecutionMode
from millstream_dataflow.configuration.options import client, execution
from tests.interpreter.pipelines import Pipeline
from tests.support.ledgers import LEDGERS, empty_ledgers


def run_inline(pipeline: Pipeline, parallelism: int, mode: RuntimeExecutionMode) -> Mapping[str, Sequence[Any]]:
    """What its sinks have committed."""
    empty_ledgers()
    configuration = Configuration().with_(client.TARGET, ExecutionTarget.INLINE).with_(execution.RUNTIME_MODE, mode)
    env = StreamExecutionEnvironment(ProgramContext(configuration))
    pipeline.build(env, parallelism)
    env.execute("pipeline")
    return {name: list(values) for name, values in LEDGERS.items()}
