"""A slot's process: what turns its tasks, and what stands between them and the TaskManager.

Read `scheduler` (whose step is next, and the timers), `settings` and `orders`, then `deployment` (from a job graph to
tasks): these are used inline as well. Then the process: `loop` (the only place that waits; `poller`, `threads`),
`framing` and `control` (messages with the TaskManager), `startup` and `modules` (the program's code), `doors`,
`durability`, `output` and `task_log` (what tasks print), `worker` (these together), `main`.
"""
