"""Sources and sinks that come with Millstream. Workers import them by reference (law 12.3).

So a module here imports `millstream_dataflow`, `millstream_runtime` and its own driver, and nothing else of ours.
"""
