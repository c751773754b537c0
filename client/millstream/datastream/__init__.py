"""The DataStream API, in PyFlink's terms. Calls are written down as transformations; nothing runs before `execute`.

Read in this order: `environment` (where a program begins), `data_stream`, `keyed_stream`, `windowed_stream` and its
`by_field`, `data_stream_sink` (what users call), `connected_streams`, `broadcast_stream`, `co_grouped_streams`,
`joined_streams`, `interval_join` (the same of two streams), `column_operations` (calls by expressions), `columns` and
`aggregates` (what those write down), `recording` (how a call becomes a transformation), `arguments` (what a call
accepts). `fields`, `stand_in`, `keyed_functions` and `joining` are functions of ours that travel to the workers; they
import nothing of the client.

The classes of streams name each other, since each call of one gives another; all else is below them.
"""
