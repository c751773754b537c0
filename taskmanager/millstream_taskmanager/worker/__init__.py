"""What turns a worker's tasks.

Read `scheduler` (whose step is next, and the timers), `settings`, then `deployment` (from a job graph to tasks).
"""
