"""Where a program begins: its sources, its settings, and its execution. Names and meanings are PyFlink's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from millstream.connectors.collection import CollectionSource
from millstream.connectors.rows import with_rows
from millstream.connectors.sequence import NumberSequenceSource
from millstream.datastream.absent import OF_ENVIRONMENTS, refuse
from millstream.datastream.arguments import accepted_instance, accepted_name, accepted_type
from millstream.datastream.call_site import call_site
from millstream.datastream.checkpoint_config import CheckpointConfig
from millstream.datastream.closeable_iterator import CloseableIterator
from millstream.datastream.data_stream import DataStream
from millstream.datastream.execution_config import ExecutionConfig
from millstream.datastream.operator_settings import stays_in_program
from millstream.datastream.pyflink_environment import PyFlinkEnvironment
from millstream.datastream.recording import add_operator, add_partition
from millstream.datastream.settings import Settings, duration
from millstream.datastream.watermarks import accepted_strategy
from millstream.errors import ArgumentError
from millstream.execution.context import ProgramContext, current_context
from millstream.execution.job_client import JobClient
from millstream.execution.job_execution_result import JobExecutionResult
from millstream.execution.launch import Launch, launch
from millstream.execution.user_view import WITHOUT_OUR_FRAMES
from millstream.formats.charsets import check_utf8
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.enums import CheckpointingMode, ExecutionTarget, RuntimeExecutionMode
from millstream_dataflow.configuration.options import checkpointing, client, execution
from millstream_dataflow.connectors import Source
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.operators.specifications import EnumeratorSpecification, ReaderSpecification
from millstream_dataflow.time import Span, WatermarkStrategy
from millstream_dataflow.transformations import OperatorTransformation, Program, Transformation
from millstream_dataflow.types import TypeInformation, Types
from millstream_dataflow.types.completion import completer

T = TypeVar("T")


class StreamExecutionEnvironment(PyFlinkEnvironment):
    """A program in the making. Sources give streams, calls on streams are written down, `execute` runs it all.

    Settings in the program are stronger than those on the command line, in the environment and in the file.
    """

    def __init__(self, context: ProgramContext) -> None:
        self.program = Program()
        self.made_at = call_site()
        self._context = context
        self._settings = Settings(context.configuration)
        self._py_files: list[Path] = []

    @staticmethod
    def get_execution_environment(
        configuration: Configuration | Mapping[str, object] | None = None,
    ) -> StreamExecutionEnvironment:
        """A new environment, with the settings that the program was started with and those given here."""
        environment = StreamExecutionEnvironment(current_context())
        if configuration is not None:
            environment.configure(configuration)
        return environment

    def __reduce__(self) -> NoReturn:
        """Refused, as for streams."""
        stays_in_program(self)

    # ------------------------------------------------------------------------------------------------ settings

    @property
    def configuration(self) -> Configuration:
        """Everything that is set, wherever."""
        return self._settings.configuration

    def configure(self, configuration: Configuration | Mapping[str, object]) -> StreamExecutionEnvironment:
        """Set keys, from a Configuration or a dict: `{"execution.target": "inline"}`.

        ConfigurationError names each key that isn't known, with the nearest one, and each value that isn't accepted.
        """
        self._settings.set_all(configuration)
        return self

    def get_config(self) -> ExecutionConfig:
        """Parallelism and watermark interval, as PyFlink groups them."""
        return ExecutionConfig(self._settings)

    def get_parallelism(self) -> int:
        """The parallelism of operators that name none."""
        return self._settings.get(execution.PARALLELISM)

    def set_parallelism(self, parallelism: int) -> StreamExecutionEnvironment:
        """Run operators that name no parallelism with this one."""
        self._settings.set(execution.PARALLELISM, parallelism)
        return self

    def get_max_parallelism(self) -> int:
        """The number of key groups; -1: chosen by parallelism."""
        return self._settings.get(execution.MAX_PARALLELISM)

    def set_max_parallelism(self, max_parallelism: int) -> StreamExecutionEnvironment:
        """The number of key groups, and so the greatest parallelism that the job can ever have."""
        self._settings.set(execution.MAX_PARALLELISM, max_parallelism)
        return self

    def set_runtime_mode(self, execution_mode: RuntimeExecutionMode) -> StreamExecutionEnvironment:
        """STREAMING (the default); BATCH runs bounded input in stages, one key at a time, and gives final results only
        (`docs/batch.md`); AUTOMATIC is BATCH if every source is bounded, else STREAMING.
        """
        self._settings.set(execution.RUNTIME_MODE, execution_mode)
        return self

    def get_buffer_timeout(self) -> int:
        """Milliseconds for which a record waits for its batch to fill, at most."""
        return self._settings.get_milliseconds(execution.BUFFER_TIMEOUT)

    def set_buffer_timeout(self, timeout_millis: Span) -> StreamExecutionEnvironment:
        """Let no record wait longer for its batch to fill; a task without more input sends at once in any case."""
        self._settings.set(execution.BUFFER_TIMEOUT, duration(timeout_millis))
        return self

    def is_chaining_enabled(self) -> bool:
        """Whether operators that pass records straight on run in one task."""
        return self._settings.get(execution.OPERATOR_CHAINING)

    def disable_operator_chaining(self) -> StreamExecutionEnvironment:
        """Run every operator in a task of its own."""
        self._settings.set(execution.OPERATOR_CHAINING, value=False)
        return self

    def enable_checkpointing(self, interval: Span, mode: CheckpointingMode | None = None) -> StreamExecutionEnvironment:
        """Take a checkpoint this often (milliseconds), exactly once unless another mode is set."""
        config = self.get_checkpoint_config().set_checkpoint_interval(interval)
        if mode is not None:
            config.set_checkpointing_mode(mode)
        return self

    def get_checkpoint_config(self) -> CheckpointConfig:
        """All that can be set about checkpoints."""
        return CheckpointConfig(self._settings)

    def get_checkpoint_interval(self) -> int:
        """Milliseconds from trigger to trigger; -1 when there are no checkpoints."""
        return self.get_checkpoint_config().get_checkpoint_interval()

    def get_checkpointing_mode(self) -> CheckpointingMode:
        """EXACTLY_ONCE unless it was set."""
        return self.get_checkpoint_config().get_checkpointing_mode()

    def get_default_savepoint_directory(self) -> str | None:
        """Where savepoints go that are asked for without a directory; None: in the job store."""
        return self._settings.get(checkpointing.SAVEPOINT_DIRECTORY)

    def set_default_savepoint_directory(self, directory: str) -> StreamExecutionEnvironment:
        """Put savepoints that are asked for without a directory below this one, or below this URI."""
        self._settings.set(checkpointing.SAVEPOINT_DIRECTORY, directory)
        return self

    def add_python_file(self, file_path: str | Path) -> None:
        """Let the workers import from this .py file, folder, zip or wheel, as `--py-files` does."""
        self._py_files.append(Path(file_path))

    # ------------------------------------------------------------------------------------------------- sources

    def from_collection(self, collection: Iterable[T], type_info: TypeInformation[T] | None = None) -> DataStream[T]:
        """The program's own values, in order, by one subtask. ArgumentError for one that doesn't fit the type.

        Where the type has rows (ROW, ROW_NAMED), tuples, lists and dicts become Rows, and whole numbers floats where
        it has DOUBLE or FLOAT, as in PyFlink.
        """
        accepted_type("from_collection", type_info)
        accepted_instance("from_collection", collection, Iterable, "values in a list or another iterable")
        source = CollectionSource.of(collection)
        if type_info is not None:
            source = CollectionSource.of(with_rows(value, type_info) for value in source.values)
            if (complete := completer(type_info)) is not None:
                source = CollectionSource.of(map(complete, source.values))
            for index, value in enumerate(source.values):
                if problem := type_info.check(value):
                    mend = "mend it, or declare another type"
                    raise ArgumentError(f"from_collection, item {index}: {problem}", mend, defined_at=call_site())
        stream: DataStream[T] = self.from_source(source, WatermarkStrategy.no_watermarks(), "Collection", type_info)
        return stream.force_non_parallel()

    def from_sequence(self, start: int, end: int) -> DataStream[int]:
        """The whole numbers from start to end, both included, each subtask giving a run of them."""
        source = NumberSequenceSource(start, end)
        return self.from_source(source, WatermarkStrategy.no_watermarks(), "Sequence", Types.LONG())

    def from_source(
        self,
        source: Source[Any],
        watermark_strategy: WatermarkStrategy[T],
        source_name: str = "",
        type_info: TypeInformation[T] | None = None,
    ) -> DataStream[T]:
        """The records of a source, with times and watermarks by the strategy, one generator per split."""
        accepted_instance("from_source", source, Source, "a Source")
        accepted_strategy("from_source", watermark_strategy, reads_splits=True)
        if source_name:
            accepted_name("from_source", source_name)
        origin: Transformation | None = None
        if source.has_enumerator:
            enumerator = add_operator(self.program, None, EnumeratorSpecification(source), None)
            enumerator.fixed_parallelism = 1
            origin = add_partition(self.program, enumerator, Partitioning.SPLITS)
        specification = ReaderSpecification(source, watermark_strategy)
        name = f"Source: {source_name}" if source_name else ""
        reader = add_operator(self.program, origin, specification, type_info, name)
        return DataStream(self, reader)

    def read_text_file(self, file_path: str, charset_name: str = "UTF-8") -> DataStream[str]:
        """PyFlink 1's name for the lines of a file, or of those of a folder, as FileSource.text gives them."""
        # Not at the top: files need pyarrow, and a program of rows has none to wait for.
        from millstream.connectors.files.source import FileSource  # noqa: PLC0415  # see above

        check_utf8("read_text_file", charset_name)
        return self.from_source(FileSource.text(file_path), WatermarkStrategy.no_watermarks(), "Text file")

    # ----------------------------------------------------------------------------------------------- execution

    def execute(self, job_name: str | None = None) -> JobExecutionResult:
        """Run the program and wait for its end. JobFailedError, with the root cause, when it fails.

        Detached (`execution.attached: false`) it returns when the job is accepted.
        """
        with WITHOUT_OUR_FRAMES:
            job = self._launch(job_name).client
            if not self._settings.get(client.ATTACHED):
                return JobExecutionResult(job.get_job_id())
            return job.get_job_execution_result().result()

    def execute_async(self, job_name: str | None = None) -> JobClient:
        """Start the program, and return when its job is accepted.

        Inline (`execution.target: inline`) the job has ended by then; EndlessInlineError for one that never ends.
        """
        with WITHOUT_OUR_FRAMES:
            if self._context.executor is None and self._settings.get(client.TARGET) is ExecutionTarget.INLINE:
                # Not at the top: what compiles is imported while something else is prepared (see `launch`).
                from millstream.compiler.checks import check_ends  # noqa: PLC0415  # see above

                check_ends(self.program, self.configuration)
            return self._launch(job_name).client

    def get_execution_plan(self) -> str:
        """The plan of the program so far as JSON in Flink's form: operators as they were written, and how records
        travel between them. `millstream info --json` shows the tasks that come of it. ProgramError when it can't become
        a job.
        """
        from millstream.compiler.batch import with_mode  # noqa: PLC0415  # as above
        from millstream.compiler.checks import check_graph  # noqa: PLC0415  # as above
        from millstream.compiler.stream_graph import build_stream_graph  # noqa: PLC0415  # as above
        from millstream.plan_json import plan_as_flinks  # noqa: PLC0415  # as above

        graph = build_stream_graph(self.program, self.configuration)
        check_graph(graph, with_mode(graph, self.configuration))
        return json.dumps(plan_as_flinks(graph), indent=2)

    def close(self) -> None:
        """Nothing: an environment holds nothing open, and its jobs go on. It is there as in PyFlink."""

    def collect(self, operator: OperatorTransformation, job_name: str | None) -> CloseableIterator[Any]:
        """Start the program, and give what arrives at that operator. For `DataStream.execute_and_collect`."""
        started = self._launch(job_name)
        records = started.client.fetch_records(started.operators[operator.number])
        return CloseableIterator(records, started.client)

    def _launch(self, job_name: str | None) -> Launch:
        for name in (job_name, self._settings.get(execution.NAME)):
            if name is not None and name != "":  # 0 is none
                accepted_name("execute", name)
        self._settings.say_notices()
        return launch(self.program, self._context, self.configuration, job_name, tuple(self._py_files))

    if not TYPE_CHECKING:  # a type checker knows which names are there

        def __getattr__(self, name: str) -> NoReturn:
            refuse(self, name, OF_ENVIRONMENTS)
