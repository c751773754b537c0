"""What PyFlink has and Millstream has no use for by itself, or does otherwise, a file each.

What stands for settings: `restart_strategies`, `state_backends`, `checkpoint_storages`, `slot_sharing_group` and its
`memory_size`. How bytes become records and back: `schemas`, `csv`. Values: `asynchronous`, `choices`,
`config_options`, `futures`, `instant`, `job_id`, `version`. What changes by a call: `watermark_strategy`.
"""
