"""The JobManager: it plans jobs, places their tasks, coordinates checkpoints and survives its own death.

What decides lies in `core` and does no I/O; what does I/O around it is thin. It never unpickles a user's function.
"""
