"""Names of PyFlink's that this version doesn't have, each with what to use instead.

Who asks for one gets the sentence (NotSupportedError, which is an AttributeError too, so `hasattr` is as true as ever).
"""

from collections.abc import Mapping
from typing import Final, NoReturn

from millstream.compiler.naming import with_article
from millstream.datastream.call_site import call_site
from millstream.errors import NotSupportedError

Absent = Mapping[str, str]
"""What to do instead, by name; empty where there is nothing."""

_AT_CLUSTER: Final = "install what the functions need where the TaskManagers run; add_python_file brings modules"
_NO_JVM: Final = "no Java runs here; leave it out, and take a connector in Python (from_source, sink_to)"

_OF_ALL_STREAMS: Final[Absent] = {
    "add_sink": "use sink_to(sink)",
    "cache": "write the records to files (sink_to) and read them in the next job",
    "iterate": "streams can't feed themselves",
    "set_buffer_timeout": "call it on the environment; it counts for the whole job",
    "set_uid_hash": "set the operator's uid",
}
OF_STREAMS: Final[Absent] = {
    **_OF_ALL_STREAMS,
}
OF_KEYED_STREAMS: Final[Absent] = {
    **_OF_ALL_STREAMS,
    "as_queryable_state": "",
}
OF_ENVIRONMENTS: Final[Absent] = {
    "add_classpaths": _NO_JVM,
    "add_default_kryo_serializer": "declare types, or leave it out: records without one are pickled",
    "add_jars": _NO_JVM,
    "add_python_archive": _AT_CLUSTER,
    "add_source": "use from_source(source, watermark_strategy)",
    "create_input": "use from_source(source, watermark_strategy)",
    "enable_changelog_state_backend": "leave it out",
    "from_parallel_collection": "use from_collection(...).rebalance()",
    "get_state_backend": "state lies in hashmap, the only backend",
    "get_stream_graph": "get_execution_plan() gives the plan as JSON",
    "read_file": "use from_source(FileSource.text(path), WatermarkStrategy.no_watermarks())",
    "read_text_file": "use from_source(FileSource.text(path), WatermarkStrategy.no_watermarks())",
    "register_cached_file": "open the file in open() of the function; every worker must reach its path",
    "register_job_listener": "use execute_async(), and observe() of the JobClient",
    "register_slot_sharing_group": "call slot_sharing_group(name) on operators; slots have no resources of their own",
    "set_python_executable": "workers run the Python of their TaskManager; start that with another",
    "set_python_requirements": _AT_CLUSTER,
    "set_restart_strategy": "configure({'restart-strategy.type': 'fixed-delay', ...}) sets one",
    "set_state_backend": "leave it out: state lies in hashmap, the only backend",
    "set_stream_time_characteristic": "leave it out, as in Flink 2: windows and timers say which time they go by, and "
    "WatermarkStrategy.for_ingestion_time() takes that of the clock",
}
OF_CHECKPOINT_CONFIGS: Final[Absent] = {
    "get_checkpoint_storage": "get_checkpoint_storage_dir() tells the directory",
    "set_checkpoint_storage": "use set_checkpoint_storage_dir(directory)",
    "get_checkpoint_id_of_ignored_in_flight_data": "a checkpoint is restored with its records in flight, or not at all",
    "set_checkpoint_id_of_ignored_in_flight_data": "a checkpoint is restored with its records in flight, or not at all",
}
OF_EXECUTION_CONFIGS: Final[Absent] = {
    "add_default_kryo_serializer": "declare types, or leave it out: records without one are pickled",
    "set_execution_mode": "leave it out: records travel in batches",
    "set_restart_strategy": "env.configure({'restart-strategy.type': 'fixed-delay', ...}) sets one",
    "set_task_cancellation_timeout": "env.configure({'task.cancellation.timeout': ...}) sets it",
}


def refuse(owner: object, name: str, absent: Absent) -> NoReturn:
    """The error for a name that `owner` doesn't have; to be called by its `__getattr__`."""
    kind = with_article(type(owner).__name__)
    if name in absent:
        raise NotSupportedError(f"{name} of {kind} isn't there yet", absent[name], defined_at=call_site())
    raise AttributeError(f"{kind} has no {name!r}", name=name, obj=owner)
