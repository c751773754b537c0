"""The deterministic simulation: the real cores of JobManager and TaskManager, the real alignment of tasks, and around
them a virtual clock, network, store, storage and worker processes, all driven by one seed.

Read world (clock, chance, story), stores, wire, worker, taskmanager, jobmanager, outside (what must be true),
scenario (what a seed does), broken (cores that must be found out). `python -m tests.simulation --seed N` replays a
seed and prints its story.
"""
