"""Sources and sinks that come with Millstream. Workers import them by reference (law 12.3).

So a module here imports `millstream_dataflow`, `millstream_runtime` and its own driver, and nothing else of ours.
"""

PRELOADED = (
    "millstream.connectors.collection",
    "millstream.connectors.files.sink",
    "millstream.connectors.files.source",
    "millstream.connectors.print_sink",
    "millstream.connectors.sequence",
    "millstream.formats.csv",
)
"""What forkservers import, so that no worker has to wait for it: 30 ms for all of them."""
