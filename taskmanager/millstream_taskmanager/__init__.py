"""The TaskManager: its slots, the worker processes in them, and what runs in a worker.

What decides lies in `core` and does no I/O. Only workers unpickle a user's functions.
"""
