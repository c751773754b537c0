"""The interfaces behind which connectors reach a worker: sources and sinks."""

from millstream_dataflow.connectors.sink import Committer, Sink, SinkContext, SinkWriter
from millstream_dataflow.connectors.source import (
    Boundedness,
    Read,
    Source,
    SourceContext,
    SplitEnumerator,
    SplitReader,
)

__all__ = [
    "Boundedness",
    "Committer",
    "Read",
    "Sink",
    "SinkContext",
    "SinkWriter",
    "Source",
    "SourceContext",
    "SplitEnumerator",
    "SplitReader",
]
