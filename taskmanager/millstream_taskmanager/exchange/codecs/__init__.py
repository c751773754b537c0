"""Elements as the payloads of frames, and back. Pure.

Read in this order:

* `controls`  watermarks, statuses, barriers, ends
* `rows`      Python values: msgpack where it gives them back as they were, else pickle (law 9.4)
* `columns`   Arrow's stream format, without a copy
* `batches`   both for one channel, with their times; what is too large for a frame is cut
"""
