"""Names of PyFlink's that this version doesn't have, each with what to use instead.

Who asks for one gets the sentence (NotSupportedError, which is an AttributeError too, so `hasattr` is as true as ever).
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
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
    "add_python_archive": _AT_CLUSTER,
    "add_source": "use from_source(source, watermark_strategy)",
    "create_input": "use from_source(source, watermark_strategy)",
    "from_parallel_collection": "use from_collection(...).rebalance()",
    "get_default_local_parallelism": "get_parallelism() tells it, wherever the program runs",
    "get_state_backend": "state lies in hashmap, the only backend",
    "get_stream_graph": "get_execution_plan() gives the plan as JSON",
    "read_file": "use from_source(FileSource.text(path), WatermarkStrategy.no_watermarks())",
    "register_cached_file": "open the file in open() of the function; every worker must reach its path",
    "register_job_listener": "use execute_async(), and observe() of the JobClient",
    "set_python_requirements": _AT_CLUSTER,
    "set_default_local_parallelism": "set_parallelism(n) sets it, wherever the program runs",
    "set_stream_time_characteristic": "leave it out, as in Flink 2: windows and timers say which time they go by, and "
    "WatermarkStrategy.for_ingestion_time() takes that of the clock",
}
OF_CHECKPOINT_CONFIGS: Final[Absent] = {
    "get_checkpoint_storage": "get_checkpoint_storage_dir() tells the directory",
    "get_checkpoint_id_of_ignored_in_flight_data": "a checkpoint is restored with its records in flight, or not at all",
    "set_checkpoint_id_of_ignored_in_flight_data": "a checkpoint is restored with its records in flight, or not at all",
}
OF_EXECUTION_CONFIGS: Final[Absent] = {
    "set_execution_mode": "leave it out: records travel in batches",
}
_OF_WINDOWS: Final = frozenset(
    {"aggregate", "allowed_lateness", "apply", "evictor", "side_output_late_data", "trigger", "with_firings"}
)


def refuse(owner: object, name: str, absent: Absent) -> NoReturn:
    """The error for a name that `owner` doesn't have; to be called by its `__getattr__`."""
    kind = with_article(type(owner).__name__)
    if name in absent:
        raise NotSupportedError(f"{name} of {kind} isn't there yet", absent[name], defined_at=call_site())
    raise AttributeError(f"{kind} has no {name!r}{_meant(owner, name)}", name=name, obj=owner)


def _meant(owner: object, name: str) -> str:
    """What to write instead, if that can be told. Names with an underscore are Python's own probing."""
    if name.startswith("_"):
        return ""
    if name in _OF_WINDOWS and hasattr(type(owner), "window"):
        return f"; say by which windows first: window(...).{name}(...)"
    names = [one for one in dir(type(owner)) if not one.startswith("_")]
    near = get_close_matches(re.sub("([A-Z])", r"_\1", name).lower(), names, 1, 0.8)
    return "".join(f"; did you mean {one}?" for one in near)
