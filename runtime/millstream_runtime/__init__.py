"""What every running process shares: its I/O (configuration files, file systems, logging) and the words processes say.

Nothing here decides about jobs; it gives the JobManager, the TaskManagers and the client the same doors to the world.
"""
